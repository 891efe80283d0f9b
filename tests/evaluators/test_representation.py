"""tests: similarities, lenses, norms and kernels against their formulas written out, and against planted structure."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.engine.controls import Effect, control_runs
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.models.load import LoadedModel
from mi_atlas.evaluators.models.locate import Located
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.representation import Representation, tap_energies
from mi_atlas.evaluators.similarity import cka, pseudo_values
from mi_atlas.evaluators.tasks import Block
from mi_atlas.evaluators.views import shuffled
from mi_atlas.specs.claim import ClaimAdapter, MeasuredClaim
from mi_atlas.specs.metrics.representation import Observe, ShuffledExamples
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.sites import Frame
from pydantic import ValidationError
from torch import Tensor, nn

from .conftest import LAYERS, block, micro, wrap

Numbers = dict[Cell, dict[str, list[float]]]


def long_block(n: int = 8, seed: int = 0) -> Block:
    """Prompts of 4 to 11 tokens."""
    some = block("made", n, seed)
    longer = [
        replace(example, clean_ids=(example.clean_ids * 3)[: 4 + i % 8], answer_position=3 + i % 8)
        for i, example in enumerate(some.examples)
    ]
    return Block.of("made", "verification", 1, longer, {})


def measure(
    module: nn.Module, about: str, *cells: Cell, against: str | None = None, donor: LoadedModel | None = None
) -> Numbers:
    settings = {"about": about} | ({"against": against} if against else {})
    materials = Materials([long_block(), block("other", n=6)], settings, donor=donor)
    return {r.cell: dict(r.values) for r in Representation().measure(wrap(module), materials, cells)}


def streams(module: Any, ids: tuple[int, ...]) -> list[Tensor]:
    """The stream entering each layer and the final norm, [token, d_model], by transformers' own account of it."""
    entering: list[Tensor] = []
    final = module.model.embedding_norm if hasattr(module.model, "embedding_norm") else module.model.norm
    modules = [*module.model.layers, final]
    hooks = [one.register_forward_pre_hook(lambda m, args: entering.append(args[0][0])) for one in modules]
    module(input_ids=torch.tensor([ids]), use_cache=False)
    for hook in hooks:
        hook.remove()
    return entering


def head_of(module: Any, stream: Tensor) -> Tensor:
    norm = module.model.embedding_norm if hasattr(module.model, "embedding_norm") else module.model.norm
    return module.lm_head(norm(stream))


# --- similarity -----------------------------------------------------------------------------------------------------


def literal_hsic(k: Tensor, l: Tensor) -> float:  # noqa: E741
    """Song et al. 2012, equation 5, sum by sum."""
    n = len(k)
    k, l = (g - torch.diag(g.diagonal()) for g in (k, l))  # noqa: E741
    one = torch.ones(n, dtype=k.dtype)
    first = torch.trace(k @ l)
    second = (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
    third = 2 / (n - 2) * (one @ k @ l @ one)
    return float((first + second - third) / (n * (n - 3)))


def literal_cka(x: Tensor, y: Tensor) -> float:
    k, l = x.double() @ x.double().T, y.double() @ y.double().T  # noqa: E741
    return literal_hsic(k, l) / math.sqrt(literal_hsic(k, k) * literal_hsic(l, l))


def gaussian(rows: int, width: int, seed: int) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def test_cka_is_the_literal_formula() -> None:
    x, y = gaussian(9, 5, 0), gaussian(9, 5, 0) @ gaussian(5, 7, 1) + gaussian(9, 7, 2)
    assert cka(x, y) == pytest.approx(literal_cka(x, y), abs=1e-12)


def test_cka_is_one_for_the_same_representation_rotated_scaled_and_shifted() -> None:
    x = gaussian(12, 6, 0).double()
    rotation = torch.linalg.qr(gaussian(6, 6, 1).double()).Q
    assert cka(x, x) == pytest.approx(1)
    assert cka(x, 3 * x @ rotation + 50) == pytest.approx(1)


def test_cka_of_independent_numbers_is_about_zero_where_the_biased_one_is_near_one() -> None:
    values = [cka(gaussian(20, 400, seed), gaussian(20, 400, 1000 + seed)) for seed in range(50)]
    assert abs(sum(values) / 50) < 0.02
    x, y = (gaussian(20, 400, seed) for seed in (0, 1000))
    k, l = ((side - side.mean(0)) @ (side - side.mean(0)).T for side in (x, y))  # noqa: E741
    assert (k * l).sum() / (k.norm() * l.norm()) > 0.9


def test_pseudo_values_are_of_cka_with_each_row_left_out() -> None:
    x, y = gaussian(7, 3, 0), gaussian(7, 3, 0) + gaussian(7, 3, 1)
    kept = [[j for j in range(7) if j != i] for i in range(7)]
    expected = [7 * literal_cka(x, y) - 6 * literal_cka(x[rows], y[rows]) for rows in kept]
    assert pseudo_values(x, y).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (gaussian(4, 3, 0), "5 rows or more, has 4"),
        (torch.ones(8, 3), "same in all 8 rows"),
        (torch.ones(8, 3) + 1e-7 * gaussian(8, 3, 0), "same in all 8 rows"),
        (torch.cat([torch.ones(7, 3), gaussian(1, 3, 0)]), "in all but one"),
    ],
)
def test_what_has_no_cka_is_not_evaluated(x: Tensor, says: str) -> None:
    for sides in ((x, gaussian(len(x), 3, 5)), (gaussian(len(x), 3, 5), x)):
        with pytest.raises(NotEvaluated, match=says):
            pseudo_values(*sides)


def test_cka_of_sites_is_that_of_their_streams(architecture: str) -> None:
    module = micro(architecture)
    got = measure(
        module, "cka", *(Cell("made", "L1.residual", w) for w in ("observe", "observe(every)")), against="L3.residual"
    )
    seen = [streams(module, example.clean_ids) for example in long_block().examples]
    for word, pooled in (("observe", lambda t: t[-1]), ("observe(every)", lambda t: t.mean(0))):
        x, y = (torch.stack([pooled(s[layer]) for s in seen]) for layer in (1, 3))
        kept = [[j for j in range(8) if j != i] for i in range(8)]
        expected = [8 * literal_cka(x, y) - 7 * literal_cka(x[rows], y[rows]) for rows in kept]
        assert got[Cell("made", "L1.residual", word)]["cka"] == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_cka_of_a_site_with_itself_is_one_and_with_shuffled_examples_is_not() -> None:
    own, other = Cell("made", "L2.mlp", "observe"), Cell("made", "L2.mlp", "observe|shuffled_examples", 5)
    got = measure(micro("llama"), "cka", own, other, against="L2.mlp")
    assert got[own]["cka"] == pytest.approx([1] * 8, abs=1e-6)
    assert sum(got[other]["cka"]) / 8 < 0.5


def test_cka_of_tokens_counts_prompts_with_enough_of_them(architecture: str) -> None:
    module, cell = micro(architecture), Cell("made", "L1.residual", "observe")
    got = measure(module, "cka_tokens", cell, against="L2.residual")[cell]
    examples = long_block().examples
    assert got["applies"] == [float(len(example.clean_ids) >= 8) for example in examples]
    for example, value in zip(examples, got["cka_tokens"], strict=True):
        seen = streams(module, example.clean_ids)
        expected = literal_cka(seen[1], seen[2]) if len(example.clean_ids) >= 8 else 0.0
        assert value == pytest.approx(expected, abs=1e-4)


def test_another_model_reads_the_same_texts() -> None:
    module, other = micro("qwen2"), micro("lfm2", seed=1)
    cells = [Cell("made", "L1.residual", word) for word in ("observe", "observe|shuffled_examples")]
    got = measure(module, "cka", *cells, against="L3.residual", donor=wrap(other))
    ids = [example.clean_ids for example in long_block().examples]
    x = torch.stack([streams(module, prompt)[1][-1] for prompt in ids])
    y = torch.stack([streams(other, prompt)[3][-1] for prompt in ids])
    assert got[cells[0]]["cka"] == pytest.approx(pseudo_values(x, y).tolist(), rel=1e-3, abs=1e-3)
    itself = measure(module, "cka", cells[0], against="L1.residual", donor=wrap(module))
    assert itself[cells[0]]["cka"] == pytest.approx([1] * 8, abs=1e-6)


def test_a_cell_without_a_value_comes_last() -> None:
    """All prompts end with one token: before the first layer the last token's stream is a constant."""
    some = [replace(example, clean_ids=(*example.clean_ids[:-1], 7)) for example in block(n=8).examples]
    materials = Materials([Block.of("made", "verification", 1, some, {})], {"about": "cka", "against": "L2.residual"})
    cells = [Cell("made", f"L{i}.residual", "observe") for i in range(3)]
    results = Representation().measure(wrap(micro("llama")), materials, cells)
    assert [next(results).cell.site for _ in range(2)] == ["L1.residual", "L2.residual"]
    with pytest.raises(NotEvaluated, match="same in all 8 rows") as error:
        next(results)
    assert error.value.code == "constant_representation"


# --- lens -----------------------------------------------------------------------------------------------------------


def test_the_lens_is_the_models_own_norm_and_head(architecture: str) -> None:
    module = micro(architecture)
    cells = [Cell("made", f"L{i}.residual", "observe") for i in range(LAYERS + 1)]
    targets, divergences = measure(module, "lens_target", *cells), measure(module, "lens_kl", *cells)
    for row, example in enumerate(long_block().examples):
        seen = streams(module, example.clean_ids)
        final = module(input_ids=torch.tensor([example.clean_ids])).logits[0, -1].log_softmax(-1)
        for i, cell in enumerate(cells):
            lens = head_of(module, seen[i][-1]).log_softmax(-1)
            target = example.target_ids[0]
            assert targets[cell]["lens_target_logprob"][row] == pytest.approx(float(lens[target]), abs=1e-4)
            assert targets[cell]["lens_target_rank_one"][row] == float(lens.argmax() == target)
            expected = float((final.exp() * (final - lens)).sum())
            assert divergences[cell]["lens_kl"][row] == pytest.approx(expected, abs=1e-4)
    assert max(divergences[cells[-1]]["lens_kl"]) < 1e-9


def test_the_lens_over_every_token_is_a_mean(architecture: str) -> None:
    module, cell = micro(architecture), Cell("made", "L1.residual", "observe(every)")
    got = measure(module, "lens_kl", cell)[cell]["lens_kl"]
    for value, example in zip(got, long_block().examples, strict=True):
        seen = streams(module, example.clean_ids)
        final, lens = (head_of(module, seen[i]).log_softmax(-1) for i in (LAYERS, 1))
        assert value == pytest.approx(float((final.exp() * (final - lens)).sum(-1).mean()), abs=1e-4)


def test_a_lens_reads_shuffled_targets_of_other_examples() -> None:
    module, cell = micro("llama"), Cell("made", "L2.residual", "observe|shuffled_examples", 3)
    got = measure(module, "lens_target", cell)[cell]["lens_target_logprob"]
    examples, order = long_block().examples, shuffled(8, "made", "L2.residual", 3)
    for value, example, j in zip(got, examples, order, strict=True):
        lens = head_of(module, streams(module, example.clean_ids)[2][-1]).log_softmax(-1)
        assert value == pytest.approx(float(lens[examples[j].target_ids[0]]), abs=1e-4)


# --- norms ----------------------------------------------------------------------------------------------------------


def test_norms_and_their_jumps(architecture: str) -> None:
    module = micro(architecture)
    seen = [[s.norm(dim=-1) for s in streams(module, example.clean_ids)] for example in long_block().examples]
    for word, norm, jump in (
        ("observe", lambda n: n[-1], lambda a, b: a[-1] / b[-1]),
        ("observe(every)", lambda n: n.mean(), lambda a, b: (a / b).log().mean().exp()),
    ):
        at, of = Cell("made", "L3.residual", word), Cell("made", "L2", word)
        expected = [float(norm(norms[3])) for norms in seen]
        assert measure(module, "residual_norm", at)[at]["residual_norm"] == pytest.approx(expected, rel=1e-4)
        expected = [float(jump(norms[3], norms[2])) for norms in seen]
        assert measure(module, "norm_jump", of)[of]["norm_jump"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_explosion_is_the_largest_jump_of_the_stated_size(seed: int) -> None:
    planted = build("norm_explosion", seed)
    facts, some = planted.truth.facts, planted.examples(20)
    cells = [Cell(some.family, f"L{i}", "observe(every)") for i in range(planted.truth.layers)]
    materials = Materials([some], {"about": "norm_jump"})
    got = {r.cell.site: r.values["norm_jump"] for r in Representation().measure(planted.loaded(), materials, cells)}
    assert got[facts["layer"]] == pytest.approx([facts["ratio"]] * 20, rel=facts["within"])
    assert max(max(values) for site, values in got.items() if site != facts["layer"]) <= facts["other_ratio"]


# --- kernels and embeddings -----------------------------------------------------------------------------------------


def test_tap_energies_by_hand() -> None:
    """One channel, kernel (1, 2, 3), signal 1, 10, 100: the last token gets 3 * 100, 2 * 10 and 1 * 1."""
    energies = tap_energies(torch.tensor([[1.0], [10.0], [100.0]]), torch.tensor([[1.0, 2.0, 3.0]]))
    assert energies.tolist() == [[9, 0, 0], [900, 4, 0], [90000, 400, 1]]


def test_the_current_tap_is_the_kernels_last() -> None:
    """With its last tap alone a kernel sums up the current token only; with its first alone, nothing of it."""
    module, cell = micro("lfm2"), Cell("made", "L2.conv", "observe")
    kernel = module.model.layers[2].conv.conv.weight  # type: ignore[index, union-attr]
    own = kernel.clone()
    for kept, share in ((-1, 1.0), (0, 0.0)):
        kernel.zero_()
        kernel[..., kept] = own[..., kept]
        got = measure(module, "current_tap_share", cell)[cell]
        assert got["current_tap_share"] == pytest.approx([share] * 8)
    kernel.zero_()
    with pytest.raises(NotEvaluated, match="nothing but zeros"):
        measure(module, "current_tap_share", cell)


def test_the_share_of_the_current_tap_is_that_of_the_models_own_convolution() -> None:
    module: Any = micro("lfm2")
    cells = [Cell("made", "L2.conv", word) for word in ("observe", "observe(every)")]
    got, operator = measure(module, "current_tap_share", *cells), module.model.layers[2].conv
    normed: list[Tensor] = []
    hook = operator.in_proj.register_forward_hook(lambda m, args, out: normed.append(out[0]))
    for example in long_block().examples:
        module(input_ids=torch.tensor([example.clean_ids]), use_cache=False)
    hook.remove()
    for row, projected in enumerate(normed):
        gate, _, signal = projected.chunk(3, -1)
        parts = []
        for tap in range(3):
            only = torch.zeros_like(operator.conv.weight)
            only[..., tap] = operator.conv.weight[..., tap]
            convolved = nn.functional.conv1d((gate * signal).T[None], only, padding=2, groups=16)[0, :, : len(gate)]
            parts.append(convolved.square().sum(0))
        for cell, pooled in zip(cells, (lambda e: e[-1], lambda e: e.mean()), strict=True):
            expected = float(pooled(parts[2]) / pooled(sum(parts)))
            assert got[cell]["current_tap_share"][row] == pytest.approx(expected, rel=1e-4)


def test_an_embedding_cosine_is_that_of_the_answers_less_that_of_random_rows() -> None:
    """Rows: (0, 1) of the target, (1, 1) of the wrong target, (1, 0) of every other token: cos = 1 / sqrt 2 - 0."""
    module: Any = micro("llama")
    first, last = Cell("made", "L0.residual", "observe"), Cell("made", "L3.residual", "observe")
    example = long_block().examples[0]
    module.lm_head.weight.zero_()
    module.lm_head.weight[:, 0] = 1
    module.lm_head.weight[[example.target_ids[0], example.wrong_target_ids[0]], 1] = 1
    module.lm_head.weight[example.target_ids[0], 0] = 0
    got = measure(module, "embedding_cosine", first, last)
    assert got[last]["embedding_cosine"][0] == pytest.approx(1 / math.sqrt(2))
    assert got[first] != got[last]
    module.lm_head.weight[:] = module.model.embed_tokens.weight
    tied = measure(module, "embedding_cosine", first, last)
    assert tied[first] == tied[last]


# --- words, controls, errors ----------------------------------------------------------------------------------------

EVERYWHERE = [
    ("lens_target", "L1.residual", "observe", "lens_target_logprob"),
    ("lens_kl", "L1.residual", "observe", "lens_kl"),
    ("lens_kl", "L1.residual", "observe(every)", "lens_kl"),
    ("cka", "L1.operator", "observe", "cka"),
    ("cka_tokens", "L1.operator", "observe", "cka_tokens"),
    ("embedding_cosine", "L3.residual", "observe", "embedding_cosine"),
]


@pytest.mark.parametrize(("about", "site", "word", "quantity"), EVERYWHERE)
def test_shuffled_draws_differ_and_a_cell_alone_is_the_cell_among_others(
    about: str, site: str, word: str, quantity: str
) -> None:
    module, against = micro("qwen2"), "L2.residual" if about.startswith("cka") else None
    draws = [Cell("made", site, f"{word}|shuffled_examples", seed) for seed in range(20)]
    others = [Cell("other", site, word), Cell("made", site.replace("L1", "L0"), word), Cell("made", site, word)]
    among = measure(module, about, *others, *draws, against=against)
    assert len({tuple(among[cell][quantity]) for cell in [*draws, others[-1]]}) == 21
    for cell in (draws[7], others[-1]):
        alone = measure(module, about, cell, against=against)[cell]
        assert alone[quantity] == pytest.approx(among[cell][quantity], abs=1e-6)


def test_a_shuffle_leaves_nothing_in_its_place() -> None:
    orders = [shuffled(6, "family", "L1", seed) for seed in range(200)]
    assert all(sorted(order) == list(range(6)) and all(i != j for i, j in enumerate(order)) for order in orders)
    assert len({tuple(order) for order in orders}) > 70  # of 5! = 120 cycles
    assert shuffled(6, "family", "L1", 3) == orders[3]
    with pytest.raises(NotEvaluated, match="shuffled"):
        shuffled(1, "family")


@pytest.mark.parametrize(
    ("about", "site", "word", "code"),
    [
        ("lens_target", "L1.residual", "observe(every)", "no_such_intervention"),
        ("lens_target", "L1.mlp", "observe", "no_such_site"),
        ("lens_target", "L1.residual", "zero", "no_such_intervention"),
        ("lens_kl", "L9.residual", "observe", "no_such_site"),
        ("residual_norm", "L1.residual", "observe|shuffled_examples", "no_such_control"),
        ("norm_jump", "L3", "observe", "no_such_site"),
        ("norm_jump", "L1.residual", "observe", "no_such_site"),
        ("current_tap_share", "L1.conv", "observe", "no_such_site"),
        ("current_tap_share", "L0.conv", "observe|shuffled_examples", "no_such_control"),
        ("embedding_cosine", "L1.residual", "observe", "no_such_site"),
        ("cka_tokens", "L1.residual", "observe(every)", "no_such_intervention"),
    ],
)
def test_what_has_no_meaning_is_not_evaluated(about: str, site: str, word: str, code: str) -> None:
    against = "L2.residual" if about.startswith("cka") else None
    with pytest.raises(NotEvaluated) as error:
        measure(micro("lfm2"), about, Cell("made", site, word), against=against)
    assert error.value.code == code


def test_the_engine_tells_the_evaluator_of_a_shuffle() -> None:
    located = Located(Model(model="m", source=Source(path="m")), Path(), {}, 3, "Any", Path(), {}, 0)
    effects = [Effect("observe", 0, "L1.residual")]
    runs = list(control_runs(ShuffledExamples(kind="shuffled_examples"), located, effects, ()))
    assert [(run.intervention, run.seed) for run in runs] == [("observe|shuffled_examples", i) for i in range(20)]


# --- specs ----------------------------------------------------------------------------------------------------------

CLAIM: dict[str, Any] = {
    "claim": "pocket-qwen/lens",
    "statement": "The stream entering layer 5 is close to final.",
    "model": "pocket-qwen",
    "suite": "main-12",
    "metric": {"evaluator": "representation", "quantity": "lens_kl", "sites": {"granularity": "residual"}},
    "counterfactual": {"intervention": "observe"},
    "robustness": [{"intervention": "observe", "tokens": "every"}],
    "control": {"kind": "shuffled_examples"},
    "expect": {"form": "threshold", "component": "L5.residual", "at_most": 0.5},
    "threshold": {"high": 0.995, "medium": 0.95},
}


def claim(**changes: Any) -> MeasuredClaim:
    made = ClaimAdapter.validate_python(CLAIM | changes)
    assert isinstance(made, MeasuredClaim)
    return made


def metric(**changes: Any) -> dict[str, Any]:
    return {**CLAIM["metric"], **changes}


def test_settings_say_what_is_measured() -> None:
    assert claim().metric.settings() == {"about": "lens_kl"}
    compared = metric(quantity="cka", against="L3.residual", donor="pocket-llama")
    assert claim(metric=compared).metric.settings() == {"about": "cka", "against": "L3.residual"}
    assert claim(metric=compared).metric.donor == "pocket-llama"


def test_embeddings_are_swept_at_the_ends_of_the_stream() -> None:
    assert claim().metric.sweep(Frame(2)) == ("L0.residual", "L1.residual", "L2.residual")
    assert claim(metric=metric(quantity="embedding_cosine")).metric.sweep(Frame(2)) == ("L0.residual", "L2.residual")


def test_the_words_of_observing() -> None:
    assert Observe(intervention="observe").word == "observe"
    assert Observe(intervention="observe", tokens="every").word == "observe(every)"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metric": metric(sites={"granularity": "mlp"})}, "lens_kl is of residual, not of mlp"),
        ({"metric": metric(quantity="norm_jump")}, "norm_jump is of layer"),
        ({"metric": metric(sites={"granularity": "residual", "positions": "last"})}, "one site"),
        ({"metric": metric(sites={"granularity": "residual", "together": 2})}, "one site"),
        ({"metric": metric(quantity="cka")}, "against"),
        ({"metric": metric(against="L1.residual")}, "against"),
        ({"metric": metric(donor="pocket-llama")}, "against"),
        ({"metric": metric(quantity="cka", against="L1+L2")}, "one site"),
        ({"metric": metric(quantity="cka", against="L1.residual", only="clean_correct")}, "all examples"),
        ({"counterfactual": {"intervention": "zero"}}, "knows observe"),
        ({"control": {"kind": "matched_norm_noise"}}, "knows shuffled_examples"),
    ],
)
def test_what_describes_nothing_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        claim(**changes)


def test_no_intervention_of_another_evaluator_observes() -> None:
    """So that no causal claim can rest on a description, nor a description pass for an intervention."""
    ablation = {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "layer"}}
    expect = {"form": "threshold", "component": "L5", "at_most": 0.5}
    with pytest.raises(ValidationError, match="counterfactual is `observe`"):
        claim(metric=ablation, expect=expect, control={"kind": "untrained_model"}, robustness=[])
