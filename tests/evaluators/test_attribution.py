"""tests: attribution patching against finite differences and exact patching, and screens against their definition."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from mi_atlas.engine.controls import Effect, control_runs
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.attribution import Attributed, Attribution, spearman
from mi_atlas.evaluators.cells import APPLIES, OF, Cell, NotEvaluated
from mi_atlas.evaluators.interventions import Edit, capture, intervene
from mi_atlas.evaluators.patching import Patching
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.positions import Places
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.replay import Replay
from mi_atlas.evaluators.tasks import Block, Example
from mi_atlas.specs.metrics.attribution import AttributionMetric
from mi_atlas.specs.sites import Frame, parse_component
from pydantic import ValidationError
from scipy.stats import spearmanr  # type: ignore[import-untyped]
from torch import Tensor, nn

from .claims import claim, document
from .conftest import LAYERS, block, micro, wrap

MEMBERS = [f"L{i}.{kind}" for kind in ("operator", "mlp") for i in range(LAYERS)]
WHOLE = "+".join(MEMBERS)

METRIC: dict[str, Any] = {
    "evaluator": "attribution",
    "quantity": "missed",
    "sites": {"granularity": ["operator", "mlp"]},
    "top": 2,
}
CLAIM = document(METRIC, ("noising", "denoising"), "shuffled_attribution", WHOLE, at_most=0.9)
DISCOVERY = block("made", n=7, seed=5)


def measure(
    module: nn.Module, *cells: Cell, settings: dict[str, Any] | None = None, made: Block | None = None
) -> dict[Cell, dict[str, Any]]:
    materials = Materials([made or block(), block("other", n=5)], {"top": 2} | (settings or {}), [DISCOVERY])
    return {result.cell: dict(result.values) for result in Attribution().measure(wrap(module), materials, cells)}


def exact(module: nn.Module, made: Block, *labels: str, way: str = "noising") -> Tensor:
    """What the evaluator of patching gives, [component, example]."""
    cells = [Cell(made.family, label, way) for label in labels]
    results = {
        r.cell: r.values["logit_diff_change"] for r in Patching().measure(wrap(module), Materials([made]), cells)
    }
    return torch.tensor([results[cell] for cell in cells], dtype=torch.float64)


def attributed(module: nn.Module, made: Block, *labels: str, way: str = "noising", wrong: int | None = None) -> Tensor:
    some = Attributed(Replay(module), Places(wrap(module).tokenizer), made, way)
    return some.attributed([parse_component(label) for label in labels], wrong)


def in_float64(module: nn.Module) -> nn.Module:
    """The model in float64 all through: its norms would compute in float32, too coarse for differences."""

    def normed(norm: Any) -> Any:
        def forward(x: Tensor) -> Tensor:
            return norm.weight * x * (x.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon).rsqrt()

        return forward

    for each in module.double().modules():
        if type(each).__name__.endswith("RMSNorm"):
            each.forward = normed(each)
    return module


def finite_difference(module: nn.Module, example: Example, label: str, way: str, step: float = 1e-5) -> float:
    """Slope of the logit difference on the line from the receiving run's tensor to the giving run's, by hooks."""
    component, anatomy = parse_component(label), dissect(module)
    (site,) = component.sites
    receiving, giving = (example.corrupt_ids, example.clean_ids)[:: 1 if way == "denoising" else -1]
    at = list(Places(wrap(module).tokenizer)(example, component.positions)) if component.positions else slice(None)
    with capture(anatomy, [site]) as seen:
        module(input_ids=torch.tensor([giving]), use_cache=False)

    def moved(share: float) -> Edit:
        def edit(update: Tensor, before: Tensor) -> Tensor:
            new = update.clone()
            new[:, at] += share * (seen_giving[:, at] - update[:, at])
            return new

        return edit

    seen_giving, found = seen[site], []
    for share in (step, -step):
        with intervene(anatomy, {site: moved(share)}):
            logits = module(input_ids=torch.tensor([receiving]), use_cache=False).logits[0, -1]
        found.append(float(logits[example.target_ids[0]] - logits[example.wrong_target_ids[0]]))
    return (1 if way == "denoising" else -1) * (found[0] - found[1]) / (2 * step)


@pytest.mark.parametrize("way", ["denoising", "noising"])
@pytest.mark.parametrize(
    "label", ["L1", "L0.operator", "L1.mlp@subject", "L1.head2", "L1.residual@last", "L1.v_proj", "L2.down_proj"]
)
def test_the_attributed_effect_is_the_slope_towards_the_twin(architecture: str, label: str, way: str) -> None:
    module, made = in_float64(micro(architecture)), block()
    expected = [finite_difference(module, example, label, way) for example in made.examples]
    assert attributed(module, made, label, way=way)[0].tolist() == pytest.approx(expected, abs=1e-5, rel=1e-5)


def test_where_the_model_is_linear_the_attributed_effect_is_exact() -> None:
    """Without a final norm the logits are linear in what the last MLP adds."""
    module: Any = micro("llama")
    module.model.norm = nn.Identity()
    cells = [Cell("made", "L2.mlp", way) for way in ("denoising", "noising")]
    for values in measure(module, *cells).values():
        assert values["attribution_error"] == pytest.approx([0.0] * 6, abs=1e-4)
    assert float(exact(module, block(), "L2.mlp").abs().max()) > 0.1


def test_the_error_is_the_distance_from_exact_patching() -> None:
    module, cell = micro("qwen2"), Cell("made", "L0.mlp@last", "denoising")
    values = measure(module, cell)[cell]
    gap = attributed(module, block(), cell.site, way="denoising") - exact(module, block(), cell.site, way="denoising")
    assert values["attribution_error"] == pytest.approx(gap[0].abs().tolist(), abs=1e-5)
    assert values[APPLIES] == [1.0] * 6


@pytest.mark.parametrize("top", [1, 2, 3])
def test_a_screen_is_what_its_definition_says(architecture: str, top: int) -> None:
    """With everything outside patched: all from the components' own numbers, in numpy."""
    module, cell = micro(architecture), Cell("made", WHOLE, "noising")
    values = measure(module, cell, settings={"top": top})[cell]
    here, there = (
        {"a": attributed(module, b, *MEMBERS), "e": exact(module, b, *MEMBERS)} for b in (block(), DISCOVERY)
    )
    size = there["a"].mean(1).abs().numpy()
    picked = [int(i) for i in np.argsort(-size)[:top]]
    outside = [i for i in range(len(MEMBERS)) if i not in picked]
    mean = there["e"].mean(1).numpy()
    least = min(picked, key=lambda i: abs(mean[i]))
    largest = max(outside, key=lambda i: abs(mean[i]))
    for name, i in (("missed", largest), (f"missed{OF}", least)):
        assert values[name] == pytest.approx((np.sign(mean[i]) * here["e"][i].numpy()).tolist(), abs=1e-5)
    expected = [spearmanr(*(here[name][:, n] for name in ("a", "e"))).statistic for n in range(6)]
    assert values["rank_agreement"] == pytest.approx(expected, abs=1e-6)


def test_outside_the_top_only_so_many_are_patched() -> None:
    module, cell = micro("qwen2"), Cell("made", WHOLE, "noising")
    few = measure(module, cell, settings={"outside": 2})[cell]
    assert few["rank_agreement"] != measure(module, cell)[cell]["rank_agreement"]
    here = torch.stack([attributed(module, block(), *MEMBERS), exact(module, block(), *MEMBERS)])
    top = set(attributed(module, DISCOVERY, *MEMBERS).mean(1).abs().argsort(descending=True)[:2].tolist())
    sets = [sorted({*top, *pair}) for pair in combinations(set(range(6)) - top, 2)]
    possible = [spearman(here[0, some], here[1, some]).tolist() for some in sets]
    assert any(few["rank_agreement"] == pytest.approx(each, abs=1e-6) for each in possible)


@pytest.mark.parametrize(("twist", "label"), [("shuffled_attribution", WHOLE), ("wrong_donor", WHOLE)])
def test_controls_of_screens_differ_from_draw_to_draw(twist: str, label: str) -> None:
    module, spec = micro("qwen2"), claim(CLAIM, control={"kind": twist}).control
    runs = list(control_runs(spec, None, [Effect("noising", 0, label)], [label]))[:5]  # type: ignore[arg-type]
    cells = [Cell("made", label, "noising"), *(Cell("made", label, run.intervention, run.seed) for run in runs)]
    together = measure(module, *cells)
    assert len({tuple(each["rank_agreement"]) for each in together.values()}) == 6
    if twist == "shuffled_attribution":
        assert len({(*each["missed"], *each[f"missed{OF}"]) for each in together.values()}) > 3
    for cell in (cells[0], cells[3]):
        for name, values in measure(module, cell)[cell].items():
            assert values == pytest.approx(together[cell][name], abs=1e-6)


def test_a_wrong_donor_is_attributed_and_not_patched() -> None:
    module, cells = micro("qwen2"), [Cell("made", "L1.mlp", "noising|wrong_donor", draw) for draw in range(3)]
    values = [each["attribution_error"] for each in measure(module, *cells).values()]
    assert len(set(map(tuple, values))) == 3
    gap = attributed(module, block(), "L1.mlp", wrong=2) - exact(module, block(), "L1.mlp")
    assert values[2] == pytest.approx(gap[0].abs().tolist(), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_the_screen_finds_a_planted_table(seed: int) -> None:
    """One MLP holds the table of the lookup task: no other comes near it, and a wrongly dealt screen misses it."""
    planted = build("lookup", seed)
    members = [f"L{i}.mlp" for i in range(planted.truth.layers)]
    made, whole = planted.examples(n=30), "+".join(members)
    cells = [Cell(made.family, whole, "noising"), Cell(made.family, whole, "noising|shuffled_attribution", 0)]
    materials = Materials([made], {"top": 1}, [planted.examples(n=10, split="discovery")])
    found = {r.cell: r.values for r in Attribution().measure(planted.loaded(), materials, cells)}
    own, dealt = ([sum(found[cell][name]) for name in ("missed", f"missed{OF}")] for cell in cells)
    assert own[0] < 0.2 * own[1]
    assert dealt[0] == pytest.approx(own[1], abs=1e-3)
    patched = exact_of(planted, made, planted.truth.facts["site"])
    assert own[1] == pytest.approx(float(patched.sum()), abs=1e-3)


def exact_of(planted: Any, made: Block, label: str) -> Tensor:
    cell = Cell(made.family, label, "noising")
    (result,) = Patching().measure(planted.loaded(), Materials([made]), [cell])
    return torch.tensor(result.values["logit_diff_change"], dtype=torch.float64)


def test_ties_share_their_rank_and_where_all_tie_nothing_agrees() -> None:
    one = torch.tensor([[1.0, 0.0], [1.0, 0.0], [3.0, 1e-9], [-2.0, 0.0]], dtype=torch.float64)
    other = torch.tensor([[0.1, 1.0], [0.3, 2.0], [0.2, 3.0], [1e-9, 4.0]], dtype=torch.float64)
    expected = spearmanr([1, 1, 3, -2], [0.1, 0.3, 0.2, 0]).statistic
    assert spearman(one, other).tolist() == pytest.approx([expected, 0.0])


def test_the_model_is_left_as_it_was() -> None:
    module = micro("llama")
    measure(module, Cell("made", "L1.mlp", "noising"))
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in module.parameters())
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in module.modules())


@pytest.mark.parametrize(
    ("cell", "code", "why"),
    [
        (Cell("made", "L1.residual", "noising"), "recovers_by_construction", "recovers 1 by construction"),
        (Cell("made", "L1.mlp", "zero"), "no_such_intervention", "denoising or noising"),
        (Cell("made", "L1.mlp", "noising|shuffled_attribution"), "no_such_intervention", "no screen"),
        (Cell("made", "L0.mlp+L1.mlp", "noising"), "too_few_components", "a screen of 2 components"),
        (Cell("made", WHOLE, "noising|shuffled_attribution", 14), "too_few_sets", "6 components have 14 other sets"),
        (Cell("other", WHOLE, "noising"), "no_discovery", "other has none"),
    ],
)
def test_what_is_no_attribution_is_refused(cell: Cell, code: str, why: str) -> None:
    with pytest.raises(NotEvaluated, match=why) as error:
        measure(micro("qwen2"), cell)
    assert error.value.code == code


def test_a_cell_that_fails_leaves_the_others_theirs() -> None:
    good, bad = Cell("made", WHOLE, "noising"), Cell("made", "L0.mlp+L1.mlp", "noising")
    results = Attribution().measure(wrap(micro("qwen2")), Materials([block()], {"top": 2}, [DISCOVERY]), [bad, good])
    assert next(results).cell == good
    with pytest.raises(NotEvaluated, match="2 components"):
        next(results)


def test_prompts_of_any_length_go_back_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from mi_atlas.evaluators import attribution

    module, made = micro("llama"), block(n=9)
    together = attributed(module, made, "L0.mlp", "L1.head1")
    monkeypatch.setattr(attribution, "TOKENS", 10)
    assert torch.allclose(attributed(module, made, "L0.mlp", "L1.head1"), together, atol=1e-5)


def test_the_spec() -> None:
    metric = claim(CLAIM).metric
    assert metric.sweep(Frame(LAYERS)) == (WHOLE,)
    assert metric.settings() == {"top": 2}
    error = {"evaluator": "attribution", "quantity": "attribution_error", "sites": {"granularity": "mlp"}}
    metric = AttributionMetric.model_validate(error)
    assert (metric.sweep(Frame(2)), metric.settings()) == (("L0.mlp", "L1.mlp"), {})
    stream = {**METRIC, "sites": {"granularity": "residual", "positions": "subject"}}
    assert AttributionMetric.model_validate(stream).sweep(Frame(3)) == ("L1.residual+L2.residual@subject",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"top": None}, "top belongs to rank_agreement and missed"),
        ({"quantity": "attribution_error"}, "top belongs to"),
        ({"quantity": "attribution_error", "top": None, "outside": 5}, "outside belongs to"),
        ({"sites": {"granularity": "mlp", "positions": ["first", "last"]}}, "at one class of positions"),
        ({"sites": {"granularity": "mlp", "together": 2}}, "one at a time"),
        ({"sites": {"granularity": "conv"}}, "no gradient is taken at conv"),
        ({"sites": {"granularity": "residual"}}, "recovers 1 by construction"),
    ],
)
def test_the_spec_refuses(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        AttributionMetric.model_validate({**METRIC, **change})


def test_no_claim_rests_on_an_attributed_effect() -> None:
    assert "attributed" not in AttributionMetric.QUANTITIES
    with pytest.raises(ValidationError, match="evaluator attribution is for threshold"):
        claim(CLAIM, expect={"form": "top_component", "component": WHOLE})
