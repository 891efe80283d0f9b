"""tests: ablation against models that were changed by hand instead of hooked."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from mi_atlas.evaluators.ablation import Ablation, Bench, Donors, aligned
from mi_atlas.evaluators.anatomy import dissect
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.exact_match import exact_matches
from mi_atlas.evaluators.interventions import capture, intervene, zero
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.specs.sites import GRANULARITIES, Site, parse_site, sites
from torch import Tensor, nn

from .conftest import LAYERS, block, micro, wrap

SITES = [site.label for site in sites(GRANULARITIES, LAYERS)]


def measure(module: nn.Module, *cells: Cell) -> dict[Cell, dict[str, list[float]]]:
    blocks = [block("made"), block("other", n=5)]
    return {r.cell: dict(r.values) for r in Ablation().measure(wrap(module), Materials(blocks), cells)}


def answers(module: nn.Module, family: str = "made") -> Tensor:
    """Logits at the answer positions, one prompt at a time, through the model's own head."""
    examples = block(family, n=6 if family == "made" else 5).examples
    return torch.cat([module(input_ids=torch.tensor([e.clean_ids]), use_cache=False).logits[:, -1] for e in examples])


class Constant(nn.Module):
    """Stands where an operator or an MLP stood; adds the same vector everywhere."""

    def __init__(self, value: Tensor, is_operator: bool) -> None:
        super().__init__()
        self.value, self.is_operator = value, is_operator

    def forward(self, hidden_states: Tensor, *args: object, **kwargs: object) -> object:
        out = self.value.expand_as(hidden_states)
        return (out, None) if self.is_operator else out


def surgically(module: nn.Module, site: Site, value: Tensor) -> nn.Module:
    """A copy of the model in which the site's module is replaced by a constant."""
    other = copy.deepcopy(module)
    layer = other.model.layers[site.layer]
    for name in ("self_attn", "conv") if site.granularity == "operator" else ("mlp", "feed_forward"):
        if hasattr(layer, name):
            setattr(layer, name, Constant(value, is_operator=name == "self_attn"))
    return other


@pytest.mark.parametrize("label", [label for label in SITES if "." in label])
def test_zero_and_mean_equal_a_model_with_the_module_replaced(architecture: str, label: str) -> None:
    module, site = micro(architecture), parse_site(label)
    updates = []
    for family in ("made", "other"):
        for example in block(family, n=6 if family == "made" else 5).examples:
            with capture(dissect(module), (site,)) as seen:
                module(input_ids=torch.tensor([example.clean_ids]))
            updates.append(seen[site][0])
    values = {"zero": torch.zeros(16), "mean": torch.cat(updates).mean(0)}
    got = measure(module, *(Cell("made", label, name) for name in values))
    for name, value in values.items():
        expected = kl_divergence(answers(module), answers(surgically(module, site, value)))
        assert got[Cell("made", label, name)]["kl"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_zero_at_a_layer_equals_a_model_without_the_layer(architecture: str) -> None:
    module = micro(architecture)
    got = measure(module, *(Cell("made", f"L{i}", "zero") for i in range(LAYERS)))
    for i in range(LAYERS):
        other = copy.deepcopy(module)
        kept = [j for j in range(LAYERS) if j != i]
        other.model.layers = nn.ModuleList(other.model.layers[j] for j in kept)
        other.config.num_hidden_layers = LAYERS - 1
        if architecture == "lfm2":
            other.config.layer_types = [other.config.layer_types[j] for j in kept]
        expected = kl_divergence(answers(module), answers(other))
        assert got[Cell("made", f"L{i}", "zero")]["kl"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_target_quantities_are_differences_of_the_clean_and_the_ablated_pass() -> None:
    module, site = micro("qwen2"), parse_site("L1.mlp")
    got = measure(module, Cell("made", "L1.mlp", "zero"))[Cell("made", "L1.mlp", "zero")]
    clean, ablated = answers(module), answers(surgically(module, site, torch.zeros(16)))
    for row, example in enumerate(block().examples):
        target, wrong = example.target_ids[0], example.wrong_target_ids[0]
        drop = clean.log_softmax(-1)[row, target] - ablated.log_softmax(-1)[row, target]
        assert got["target_logprob_drop"][row] == pytest.approx(drop.item(), abs=1e-5)
        margins = [logits[row, target] - logits[row, wrong] for logits in (clean, ablated)]
        assert got["logit_diff_drop"][row] == pytest.approx((margins[0] - margins[1]).item(), abs=1e-5)


def test_residual_zero_gives_llama_the_same_effect_at_every_layer() -> None:
    # Without biases a zero stream stays zero, so that the logits are all 0 and KL = ln V - H(clean) at every layer.
    module = micro("llama")
    got = measure(module, *(Cell("made", f"L{i}", "residual_zero") for i in range(LAYERS)))
    p = answers(module).double().softmax(-1)
    expected = (torch.log(torch.tensor(50.0)) + (p * p.log()).sum(-1)).tolist()
    for i in range(LAYERS):
        assert got[Cell("made", f"L{i}", "residual_zero")]["kl"] == pytest.approx(expected, abs=1e-5)


def test_skipping_all_layers_leaves_the_embedding_alone(architecture: str) -> None:
    module = micro(architecture)
    cell = Cell("made", "L*", "zero")
    other = copy.deepcopy(module)
    other.model.layers = nn.ModuleList()
    other.config.num_hidden_layers = 0
    if architecture == "lfm2":
        other.config.layer_types = []
    expected = kl_divergence(answers(module), answers(other))
    assert measure(module, cell)[cell]["kl"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_noise_is_of_the_cell_alone() -> None:
    """Other cells, other blocks and the order of measuring change no draw; family, site and seed do."""
    module = micro("qwen2")
    cell = Cell("made", "L1.operator", "matched_norm_noise", 3)
    others = [Cell("other", "L1.operator", "matched_norm_noise", 3), Cell("made", "L1", "matched_norm_noise", 3)]
    alone, among = measure(module, cell), measure(module, *others, cell)
    assert alone[cell]["kl"] == pytest.approx(among[cell]["kl"], abs=1e-6)
    (again,) = Bench(wrap(module), [block("made")]).ablated_values("made", [cell])
    assert again["kl"] == pytest.approx(alone[cell]["kl"], abs=1e-6)
    assert min(alone[cell]["kl"]) > 0


def test_draws_differ_and_repeat() -> None:
    module = micro("qwen2")
    cells = [Cell("made", "L1", kind, seed) for kind in ("matched_norm_noise", "resample") for seed in (0, 1)]
    first, again = measure(module, *cells), measure(module, *reversed(cells))
    assert first == again
    assert first[cells[0]] != first[cells[1]]
    assert first[cells[2]] != first[cells[3]]


@pytest.mark.parametrize(
    ("donor", "length", "expected"),
    [
        (5, 5, [0, 1, 2, 3, 4]),
        (3, 5, [0, 1, 1, 1, 2]),  # one inner position serves all
        (6, 4, [0, 3, 4, 5]),  # inner positions counted from the end
        (4, 6, [0, 1, 2, 1, 2, 3]),  # round and round
        (2, 4, [0, 0, 0, 1]),  # a donor without inner positions gives its first
    ],
)
def test_resampling_aligns_first_last_and_inner_positions(donor: int, length: int, expected: list[int]) -> None:
    assert aligned(donor, length) == expected


def test_resample_never_takes_the_prompt_itself() -> None:
    examples = block(n=12).examples
    pool = Donors(examples)
    for example in examples:
        donors = {pool.donor(example, seed) for seed in range(40)}
        assert example.id not in donors
        assert len(donors) > 5


def test_a_donors_tokens_are_its_own() -> None:
    """Prompts one behind the other: what the second takes of the first lies within the first."""
    examples = block(n=2).examples
    first, second = (len(example.clean_ids) for example in examples)
    tokens = Donors(examples).tokens_for(examples, 0)
    assert tokens[:first] == [first + place for place in aligned(second, first)]
    assert tokens[first:] == aligned(first, second)


def test_the_clean_pass_measures_its_own_noise_and_exact_match() -> None:
    module, cell = micro("qwen2"), Cell("made", "-", "none")
    got = measure(module, cell)[cell]
    assert max(got["kl"]) < 1e-6
    argmax = answers(module).argmax(-1).tolist()
    expected = [float(a == e.target_ids[0]) for a, e in zip(argmax, block().examples, strict=True)]
    assert got["exact_match"] == expected


def test_exact_match_is_greedy_decoding_of_the_whole_target() -> None:
    from dataclasses import replace

    module = micro("qwen2")
    ids = torch.tensor([block().examples[0].clean_ids])
    greedy = module.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)[0, ids.shape[1] :].tolist()
    right = replace(block().examples[0], target_ids=tuple(greedy))
    wrong = replace(right, target_ids=(*greedy[:2], (greedy[2] + 1) % 50))
    assert exact_matches(wrap(module), (wrong, right, wrong)) == [False, True, False]


def test_padding_and_batching_change_nothing(architecture: str) -> None:
    model = wrap(micro(architecture))
    few, all_of_them = Materials([block(n=1)]), Materials([block(n=6)])
    (one,), (many,) = (
        list(Ablation().measure(model, some, [Cell("made", "L1", "zero")])) for some in (few, all_of_them)
    )
    assert many.values["kl"][0] == pytest.approx(one.values["kl"][0], abs=1e-6)


def test_hooks_are_gone_after_an_error() -> None:
    module = micro("qwen2")
    clean = answers(module)

    def explode() -> None:
        with intervene(dissect(module), {Site(1, "mlp"): zero}):
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        explode()
    assert torch.equal(answers(module), clean)


def test_a_hook_that_does_not_fire_is_an_error() -> None:
    anatomy = dissect(micro("qwen2"))
    anatomy.layers[1].mlp.forward = lambda x: x  # fires once a pass
    with pytest.raises(NotEvaluated, match="fired"), intervene(anatomy, {Site(1, "mlp"): zero}):
        anatomy.layers[1].mlp(torch.zeros(1, 1, 16))


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda m: setattr(m, "model", nn.Identity()), "model.layers"),
        (lambda m: delattr(m.model.layers[1], "mlp"), "layer 1"),
    ],
)
def test_what_an_architecture_lacks_is_not_evaluated(break_it: Callable[[nn.Module], None], says: str) -> None:
    module = micro("qwen2")
    break_it(module)
    with pytest.raises(NotEvaluated, match=says):
        dissect(module)


def test_a_site_that_is_not_there_is_not_evaluated() -> None:
    with pytest.raises(NotEvaluated, match="no L7"):
        measure(micro("qwen2"), Cell("made", "L7", "zero"))
