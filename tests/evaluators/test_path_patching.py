"""tests: path patching against layers walked by hand, where every component between sender and receiver is held."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
import torch
from mi_atlas.engine.controls import Effect, control_runs
from mi_atlas.evaluators.cells import APPLIES, OF, Cell, NotEvaluated
from mi_atlas.evaluators.patching import Patching
from mi_atlas.evaluators.path_patching import PathPatching
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.positions import Places
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.tasks import Block, Example
from mi_atlas.specs.metrics.path_patching import PathPatchingMetric, order
from mi_atlas.specs.sites import Component, Frame, Site, parse_component
from pydantic import ValidationError
from torch import Tensor, nn

from .claims import claim, document
from .conftest import LAYERS, block, micro, wrap

HEADS, WIDTH = 4, 4
"""Of the micro models' attention."""

METRIC: dict[str, Any] = {
    "evaluator": "path_patching",
    "quantity": "recovery",
    "sender": "L1.head0",
    "sites": {"granularity": "head"},
}
CLAIM = document(METRIC, ("noising", "denoising"), "matched_norm_patch", "L4.head2", at_least=0.1)

Put = dict[Site, Tensor]


def measure(
    module: nn.Module, sender: str, *cells: Cell, made: Block | None = None, loaded: Any = None
) -> dict[Cell, dict[str, Any]]:
    materials = Materials([made or block(), block("other", n=5)], {"sender": sender})
    results = PathPatching().measure(loaded or wrap(module), materials, cells)
    return {result.cell: dict(result.values) for result in results}


class Walk:
    """One pass, layer by layer and part by part; `put` takes the place of what passes a site, `seen` is what passed."""

    def __init__(self, module: Any, ids: tuple[int, ...], put: Put) -> None:
        self.put, self.seen, body = put, {}, module.model
        positions = torch.arange(len(ids))[None]
        x = body.embed_tokens(torch.tensor([ids]))
        self.rotation = body.rotary_emb(x, position_ids=positions)
        for i, layer in enumerate(body.layers):
            x = x + self._pass(Site(i, "operator"), self._operator(i, layer, x))
            lfm2 = hasattr(layer, "ffn_norm")
            norm, mlp = (layer.ffn_norm, layer.feed_forward) if lfm2 else (layer.post_attention_layernorm, layer.mlp)
            x = x + self._pass(Site(i, "mlp"), mlp(norm(x)))
        x = self._pass(Site(len(body.layers), "residual"), x)
        self.logits = module.lm_head((body.embedding_norm if hasattr(body, "embedding_norm") else body.norm)(x))[:, -1]

    def _operator(self, i: int, layer: Any, x: Tensor) -> Tensor:
        normed = (layer.operator_norm if hasattr(layer, "operator_norm") else layer.input_layernorm)(x)
        if not hasattr(layer, "self_attn"):
            return layer.conv(hidden_states=normed)
        attention = layer.self_attn
        write = attention.out_proj if hasattr(attention, "out_proj") else attention.o_proj
        query = Site(i, "q_proj")
        with ExitStack() as hooks:
            hooks.callback(write.register_forward_pre_hook(lambda _, args: (self._heads(i, args[0]),)).remove)
            hooks.callback(attention.q_proj.register_forward_hook(lambda *a: self._pass(query, a[2])).remove)
            return attention(hidden_states=normed, position_embeddings=self.rotation, attention_mask=None)[0]

    def _heads(self, i: int, tensor: Tensor) -> Tensor:
        parts = tensor.split(WIDTH, dim=-1)
        return torch.cat([self._pass(Site(i, "head", head), part) for head, part in enumerate(parts)], -1)

    def _pass(self, site: Site, tensor: Tensor) -> Tensor:
        self.seen[site] = self.put.get(site, tensor)
        return self.seen[site]


def merged(module: nn.Module, example: Example, component: Component, new: Put, own: Put) -> Put:
    """The new tensors of a component at its tokens, its own elsewhere."""
    if component.positions is None:
        return {site: new[site] for site in component.sites}
    at = list(Places(wrap(module).tokenizer)(example, component.positions))
    put = {}
    for site in component.sites:
        put[site] = own[site].clone()
        put[site][:, at] = new[site][:, at]
    return put


def held(module: Any, sender: Component, receiver: Site, own: Put) -> Put:
    """Every component from the first sender's to the receiver, with its own output."""
    first, put = min(map(order, sender.sites)), {}
    for i in range(LAYERS):
        alone = any(site.layer == i and site.granularity == "head" for site in sender.sites)
        parts = [Site(i, "head", head) for head in range(HEADS)] if alone else [Site(i, "operator")]
        put |= {site: own[site] for site in (*parts, Site(i, "mlp")) if first <= order(site) < order(receiver)}
    return put


def literally(module: nn.Module, example: Example, sent: str, received: str, way: str) -> tuple[float, float, float]:
    """(logit difference's change, LD(clean) - LD(corrupt), KL) of one example alone."""
    sender, receiver = parse_component(sent), parse_component(received)
    receiving, giving = (example.corrupt_ids, example.clean_ids)[:: 1 if way == "denoising" else -1]
    given, own = Walk(module, giving, {}), Walk(module, receiving, {})
    new: Put = {}
    for site in receiver.sites:
        put = held(module, sender, site, own.seen) | merged(module, example, sender, given.seen, own.seen)
        new[site] = Walk(module, receiving, put).seen[site]
    patched = Walk(module, receiving, merged(module, example, receiver, new, own.seen))
    target, wrong = example.target_ids[0], example.wrong_target_ids[0]
    ld = [float(walk.logits[0, target] - walk.logits[0, wrong]) for walk in (given, own, patched)]
    sign = 1 if way == "denoising" else -1
    divergence = float(kl_divergence(own.logits, patched.logits)[0])
    return sign * (ld[2] - ld[1]), sign * (ld[0] - ld[1]), divergence


def test_the_walk_is_the_model(architecture: str) -> None:
    module: Any = micro(architecture)
    ids = block().examples[3].clean_ids
    expected = module(input_ids=torch.tensor([ids]), use_cache=False).logits[:, -1]
    assert torch.allclose(Walk(module, ids, {}).logits, expected, atol=1e-5)


PATHS = [
    ("L0.operator", "L2.operator"),
    ("L0.mlp", "L1.head1"),
    ("L0.operator", "L0.mlp"),
    ("L0.mlp@subject", "L1.q_proj@last"),
    ("L1.head2", "L3.residual"),
    ("L0.operator+L1.head1+L1.head3", "L2.mlp"),
    ("L0.mlp", "L1.head0+L1.head3"),
    ("L0.operator", "L1.head0+L2.mlp"),
]


@pytest.mark.parametrize("way", ["denoising", "noising"])
@pytest.mark.parametrize(("sender", "receiver"), PATHS)
def test_only_the_receiver_reads_what_is_sent(architecture: str, sender: str, receiver: str, way: str) -> None:
    module, cell = micro(architecture), Cell("made", receiver, way)
    values = measure(module, sender, cell)[cell]
    expected = [literally(module, example, sender, receiver, way) for example in block().examples]
    change, whole, divergence = (list(each) for each in zip(*expected, strict=True))
    assert max(map(abs, change)) > 1e-3
    assert values["logit_diff_change"] == values["recovery"] == pytest.approx(change, abs=1e-4)
    assert values[f"recovery{OF}"] == pytest.approx(whole, abs=1e-4)
    assert values["kl"] == pytest.approx(divergence, abs=1e-5)


def test_behind_the_last_mlp_there_is_only_the_direct_way(architecture: str) -> None:
    """So patching it and patching its path to the logits are one thing."""
    module, cell, whole = micro(architecture), Cell("made", "L3.residual", "noising"), Cell("made", "L2.mlp", "noising")
    path = measure(module, "L2.mlp", cell)[cell]
    (patch,) = Patching().measure(wrap(module), Materials([block()]), [whole])
    assert path["recovery"] == pytest.approx(patch.values["recovery"], abs=1e-5)


@pytest.mark.parametrize("twist", ["wrong_donor", "matched_norm_patch"])
def test_controls_differ_from_the_path_and_from_draw_to_draw(twist: str) -> None:
    module = micro("qwen2")
    (one, *_), effect = [Cell("made", "L2.mlp", "noising")], Effect("noising", 0, "L2.mlp")
    spec = claim(CLAIM, control={"kind": twist}).control
    runs = list(control_runs(spec, None, [effect], ["L2.mlp"]))[:4]  # type: ignore[arg-type]
    cells = [one, *(Cell("made", run.effect.site, run.intervention, run.seed) for run in runs)]
    together = measure(module, "L0.head1", *cells)
    assert len({tuple(each["recovery"]) for each in together.values()}) == 5
    for cell in cells:
        alone = measure(module, "L0.head1", cell)[cell]
        assert alone["recovery"] == pytest.approx(together[cell]["recovery"], abs=1e-6)


def without_the_match(example: Example) -> Example:
    """Another twin: where the last word stood before, another word stands, so that nothing came after it."""
    ids, other = list(example.clean_ids), example.wrong_target_ids[0]
    ids[ids.index(ids[-1])] = other
    return replace(example, corrupt_ids=tuple(ids))


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_induction_goes_from_the_previous_token_head_to_the_matching_head_to_the_logits(seed: int) -> None:
    """No other way carries a tenth of what tells the twins apart."""
    planted = build("induction", seed)
    depth, heads = planted.truth.layers, planted.module.config.num_attention_heads
    first, second = (Site(at[0], "head", at[1]).label for at in map(planted.truth.facts.get, ("previous", "matching")))
    made = planted.examples(n=30)
    made = replace(made, examples=tuple(map(without_the_match, made.examples)))

    def shares(sender: str) -> dict[str, float]:
        """Of every receiver behind a sender."""
        metric = PathPatchingMetric.model_validate(
            {**METRIC, "sender": sender, "sites": {"granularity": ["head", "residual"]}}
        )
        cells = [Cell(made.family, label, "noising") for label in metric.sweep(Frame(depth, (heads,) * depth))]
        values = measure(planted.module, sender, *cells, made=made, loaded=planted.loaded())
        return {cell.site: sum(each["recovery"]) / sum(each[f"recovery{OF}"]) for cell, each in values.items()}

    for sender, receiver in ((first, second), (second, f"L{depth}.residual")):
        found = shares(sender)
        assert found.pop(receiver) > 0.8
        assert all(abs(share) < 0.1 for share in found.values())


def test_where_either_has_no_such_token_it_does_not_apply() -> None:
    cell = Cell("made", "L2.mlp@last", "noising")
    module, places = micro("qwen2"), Places(wrap(micro("qwen2")).tokenizer)
    values = measure(module, "L0.mlp@answer", cell)[cell]
    assert values[APPLIES] == [float(bool(places(example, "answer"))) for example in block().examples]
    assert APPLIES not in measure(module, "L0.mlp", Cell("made", "L2.mlp", "noising"))


@pytest.mark.parametrize(
    ("sender", "receiver", "code", "why"),
    [
        ("L1.mlp", "L1.head0", "no_path", "from L1.mlp to L1.head0: it does not read what the sender writes"),
        ("L1.head0", "L1.head1", "no_path", "does not read"),
        ("L0.mlp", "L1.residual", "no_path", "no single reader"),
        ("L0.mlp", "L2", "no_path", "no single reader"),
        ("L0.q_proj", "L2.mlp", "no_path", "does not write to the stream"),
        ("L0.mlp", "L7.mlp", "no_such_site", "the model has layers L0 to L2"),
        ("L0.head9", "L2.mlp", "no_such_site", "heads 0 to 3"),
    ],
)
def test_what_is_no_path_is_refused(sender: str, receiver: str, code: str, why: str) -> None:
    with pytest.raises(NotEvaluated, match=why) as error:
        measure(micro("qwen2"), sender, Cell("made", receiver, "noising"))
    assert error.value.code == code


def test_the_spec() -> None:
    metric = claim(CLAIM).metric
    assert metric.sweep(Frame(3, (2, 2, 2))) == ("L2.head0", "L2.head1")
    assert metric.settings() == {"sender": "L1.head0"}
    several = {**METRIC, "sites": {"granularity": ["mlp", "residual"], "positions": "last"}}
    swept = PathPatchingMetric.model_validate(several).sweep(Frame(3))
    assert swept == ("L1.mlp@last", "L2.mlp@last", "L3.residual@last")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sender": "L1.q_proj"}, "no head, operator or mlp"),
        ({"sender": "L1"}, "no head, operator or mlp"),
        ({"sender": "L1.head0+L1.operator"}, "names a component twice"),
        ({"sites": {"granularity": "layer"}}, "a layer is no receiver"),
    ],
)
def test_the_spec_refuses(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PathPatchingMetric.model_validate({**METRIC, **change})
