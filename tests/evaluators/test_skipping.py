"""tests: skipping against models whose layers were taken out by hand, and against decoding with a cache."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from mi_atlas.engine.controls import Effect, control_runs
from mi_atlas.evaluators.ablation import Ablation
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.models.locate import Located
from mi_atlas.evaluators.planted.kinds import build
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.evaluators.replay import Constant, Intervention, Replay, Zero
from mi_atlas.evaluators.skipping import Skipping
from mi_atlas.evaluators.tasks import Block
from mi_atlas.specs.metrics.skipping import RandomLayers
from mi_atlas.specs.model import Model, Source
from mi_atlas.specs.sites import Frame, Site
from pydantic import ValidationError
from torch import Tensor, nn

from .claims import claim, document
from .conftest import LAYERS, block, micro, wrap

SETS = ["L0", "L2", "L0+L1", "L0+L2", "L0+L1+L2"]

CLAIM = document(
    {"evaluator": "skipping", "quantity": "kl", "sets": ["L2", "L2+L3"]},
    ("skip", "mean"),
    "random_layers",
    "L2+L3",
    at_most=0.1,
)


def layers_of(label: str) -> list[int]:
    return [int(part[1:]) for part in label.split("+")]


def without(module: nn.Module, skipped: list[int]) -> Any:
    """A copy of the model that does not have some layers."""
    other: Any = copy.deepcopy(module)
    kept = [i for i in range(LAYERS) if i not in skipped]
    other.model.layers = nn.ModuleList(other.model.layers[i] for i in kept)
    other.config.num_hidden_layers = len(kept)
    if hasattr(other.config, "layer_types") and other.config.layer_types:
        other.config.layer_types = [other.config.layer_types[i] for i in kept]
    return other


def answers(module: Any, some: Block) -> Tensor:
    """Logits after each prompt's last token, through the model's own head, one prompt at a time."""
    rows = [torch.tensor([example.clean_ids]) for example in some.examples]
    return torch.cat([module(input_ids=row, use_cache=False).logits[:, -1] for row in rows])


def greedy(module: Any, prompt: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Greedy decoding that computes every pass from the first token."""
    ids = list(prompt)
    for _ in range(count):
        ids.append(int(module(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return tuple(ids[len(prompt) :])


def told(module: nn.Module, n: int = 6) -> Block:
    """A block whose targets are one to three tokens long; by turns the model's own, its own without L0, and random."""
    made, sources = block(n=n), (module, without(module, [0]), None)
    examples = []
    for i, example in enumerate(made.examples):
        source, count = sources[i % 3], 1 + i % 3
        target = greedy(source, example.clean_ids, count) if source is not None else (1, 2, 3)[:count]
        examples.append(replace(example, target_ids=target))
    return Block.of("made", "verification", 1, examples, {})


def assert_same(one: dict[str, list[float]], other: dict[str, list[float]]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values == pytest.approx(other[name], abs=1e-6)


def measure(module: nn.Module, some: Block, *cells: Cell) -> dict[Cell, dict[str, list[float]]]:
    materials = Materials([some, block("other", n=5)])
    return {result.cell: dict(result.values) for result in Skipping().measure(wrap(module), materials, cells)}


@pytest.mark.parametrize("label", SETS)
def test_a_skip_equals_a_model_without_the_layers(architecture: str, label: str) -> None:
    module = micro(architecture)
    some, cell = told(module), Cell("made", label, "skip")
    got = measure(module, some, cell)[cell]
    clean, skipped = answers(module, some), answers(without(module, layers_of(label)), some)
    assert got["kl"] == pytest.approx(kl_divergence(clean, skipped).tolist(), abs=1e-5)
    targets = torch.tensor([example.target_ids[:1] for example in some.examples])
    drop = (clean.log_softmax(-1) - skipped.log_softmax(-1)).gather(1, targets)[:, 0]
    assert got["target_logprob_drop"] == pytest.approx(drop.tolist(), abs=1e-5)
    fives = zip(clean.topk(5).indices.tolist(), skipped.topk(5).indices.tolist(), strict=True)
    assert got["top5_loss"] == pytest.approx([1 - len({*one} & {*other}) / 5 for one, other in fives])
    assert got["top1_change"] == (clean.argmax(-1) != skipped.argmax(-1)).double().tolist()


@pytest.mark.parametrize("label", SETS)
def test_exact_match_is_greedy_decoding_of_the_whole_target(architecture: str, label: str) -> None:
    module = micro(architecture)
    some, cell = told(module), Cell("made", label, "skip")
    got = measure(module, some, cell)[cell]
    other = without(module, layers_of(label))
    now = [float(greedy(other, e.clean_ids, len(e.target_ids)) == e.target_ids) for e in some.examples]
    then = [float(greedy(module, e.clean_ids, len(e.target_ids)) == e.target_ids) for e in some.examples]
    assert {0.0, 1.0} == set(then)
    assert got["exact_match"] == now
    assert got["exact_match_drop"] == [before - after for before, after in zip(then, now, strict=True)]
    if label == "L0":
        assert 1.0 in now


@pytest.mark.parametrize(("label", "word"), [("L0", "skip"), ("L0+L2", "skip"), ("L1", "early_exit"), ("L2", "mean")])
def test_decoding_token_by_token_with_the_cache_matches_as_often(architecture: str, label: str, word: str) -> None:
    module = micro(architecture)
    replay, some = Replay(module), told(module)
    acting = [Intervention(Site(layer, "layer"), Zero()) for layer in layers_of(label)]
    if word == "early_exit":
        acting = [Intervention(Site(layer, "layer"), Zero()) for layer in range(1, LAYERS)]
    if word == "mean":
        pool = [example.clean_ids for name in (some, block("other", n=5)) for example in name.examples]
        site = Site(2, "layer")
        acting = [Intervention(site, Constant(replay.captures(pool, [site])[site].mean(0)))]
    tokens = replay.generate([example.clean_ids for example in some.examples], [acting], 3).tokens[0].tolist()
    expected = [
        float(tuple(t[: len(e.target_ids)]) == e.target_ids) for t, e in zip(tokens, some.examples, strict=True)
    ]
    cell = Cell("made", label, word)
    assert measure(module, some, cell)[cell]["exact_match"] == expected


def test_an_early_exit_is_the_stream_through_norm_and_unembedding_and_the_skip_of_what_follows(
    architecture: str,
) -> None:
    module: Any = micro(architecture)
    some = told(module)
    norm = module.model.embedding_norm if architecture == "lfm2" else module.model.norm
    clean = answers(module, some)
    cells = [Cell("made", f"L{i}", "early_exit") for i in range(LAYERS)]
    skips = [Cell("made", "+".join(f"L{j}" for j in range(i, LAYERS)), "skip") for i in range(LAYERS)]
    got = measure(module, some, *cells, *skips)
    for i, (cell, skip) in enumerate(zip(cells, skips, strict=True)):
        entering: list[Tensor] = []
        layer = module.model.layers[i]
        handle = layer.register_forward_pre_hook(lambda m, args, kw, e=entering: e.append(args[0]), with_kwargs=True)
        answers(module, some)
        handle.remove()
        exits = torch.cat([module.lm_head(norm(stream[:, -1])) for stream in entering])
        assert got[cell]["kl"] == pytest.approx(kl_divergence(clean, exits).tolist(), abs=1e-5)
        assert_same(got[cell], got[skip])


def test_a_mean_is_that_of_ablation_and_noise_too() -> None:
    module = micro("qwen2")
    some = told(module)
    cells = [Cell("made", "L0+L2", "mean"), Cell("made", "L1", "matched_norm_noise", 4)]
    got, blocks = measure(module, some, *cells), [some, block("other", n=5)]
    for result in Ablation().measure(wrap(module), Materials(blocks), cells):
        for name in ("kl", "target_logprob_drop"):
            assert got[result.cell][name] == pytest.approx(result.values[name], abs=1e-5)


def test_a_dead_layer_changes_not_one_bit() -> None:
    planted = build("dead_layer", 0)
    some = planted.examples(20)
    dead, live = planted.truth.facts["dead"], planted.truth.facts["live"]
    cells = [Cell(some.family, label, "skip") for label in (dead, live)]
    results = Skipping().measure(planted.loaded(), Materials([some]), cells)
    values = {result.cell.site: result.values for result in results}
    for name in ("kl", "target_logprob_drop", "top5_loss", "top1_change", "exact_match_drop"):
        assert set(values[dead][name]) == {0.0}
    assert values[dead]["exact_match"] == [1.0] * 20  # the answer of a planted model is its own
    assert min(values[live]["kl"]) > 0
    assert sum(values[live]["exact_match"]) < 20


def test_a_cell_alone_is_the_cell_among_others() -> None:
    module = micro("lfm2")
    some = told(module)
    cells = [Cell("made", "L0+L1", word, seed) for word, seed in (("skip", 0), ("mean", 0), ("matched_norm_noise", 3))]
    others = [
        Cell("other", "L1", "skip"),
        Cell("made", "L1", "early_exit"),
        Cell("made", "L2", "matched_norm_noise", 3),
    ]
    among = measure(module, some, *others, *cells)
    for cell in cells:
        assert_same(measure(module, some, cell)[cell], among[cell])


def test_draws_of_noise_differ() -> None:
    module = micro("qwen2")
    cells = [Cell("made", "L1", "matched_norm_noise", seed) for seed in range(20)]
    got = measure(module, told(module), *cells)
    assert len({tuple(got[cell]["kl"]) for cell in cells}) == 20


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (Cell("made", "L7", "skip"), "no L7"),
        (Cell("made", "L7", "early_exit"), "no L7"),
        (Cell("made", "L1.mlp", "skip"), r"not L1\.mlp"),
        (Cell("made", "L1@last", "skip"), "every token"),
        (Cell("made", "L0+L1", "early_exit"), "at one layer"),
        (Cell("made", "L1", "resample"), "not defined"),
    ],
)
def test_what_is_no_skip_is_not_evaluated(cell: Cell, says: str) -> None:
    with pytest.raises(NotEvaluated, match=says):
        measure(micro("qwen2"), block(), cell)


def located(layers: int) -> Located:
    return Located(Model(model="m", source=Source(path="m")), Path(), {}, layers, "Any", Path(), {}, 0)


def draws(site: str, word: str, layers: int) -> list[Any]:
    control = RandomLayers(kind="random_layers")
    return list(control_runs(control, located(layers), [Effect(word, 0, site)], ()))


@pytest.mark.parametrize(
    ("site", "word", "size"), [("L2+L3", "skip", 2), ("L6", "early_exit", 4), ("L2+L3", "mean", 2)]
)
def test_random_layers_are_other_sets_of_the_same_size(site: str, word: str, size: int) -> None:
    runs, again = draws(site, word, 10), draws(site, word, 10)
    assert runs == again
    assert [run.draw for run in runs] == list(range(20))
    labels = {run.site for run in runs}
    assert len(labels) == 20
    own = "L6+L7+L8+L9" if word == "early_exit" else site
    assert labels <= {"+".join(f"L{i}" for i in some) for some in combinations(range(10), size)} - {own}
    assert {run.intervention for run in runs} == {"mean" if word == "mean" else "skip"}
    assert {run.effect.site for run in runs} == {site}


def test_a_model_with_just_enough_sets_gives_them_all() -> None:
    assert len({run.site for run in draws("L3", "skip", 21)}) == 20


@pytest.mark.parametrize(
    ("site", "word", "layers"), [("L3", "skip", 20), ("L0", "early_exit", 30), ("L1+L2", "skip", 6)]
)
def test_too_few_sets_are_not_evaluated(site: str, word: str, layers: int) -> None:
    with pytest.raises(NotEvaluated, match="there are") as error:
        draws(site, word, layers)
    assert error.value.code == "too_few_sets"


def test_a_claim_sweeps_its_sets_or_all_of_a_size() -> None:
    assert claim(CLAIM).metric.sweep(Frame(6)) == ("L2", "L2+L3")
    pairs = {"evaluator": "skipping", "quantity": "exact_match", "sites": {"granularity": "layer", "together": 2}}
    all_pairs = claim({**CLAIM, "metric": pairs})
    assert all_pairs.metric.sweep(Frame(3)) == ("L0+L1", "L0+L2", "L1+L2")
    assert claim(CLAIM).metric.settings() == all_pairs.metric.settings() == {}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sets": ["L2"], "sites": {"granularity": "layer"}}, "exactly one"),
        ({}, "exactly one"),
        ({"sites": {"granularity": "mlp"}}, "granularity layer"),
        ({"sites": {"granularity": "layer", "positions": "last"}}, "no positions"),
        ({"sets": ["L3+L2"]}, "rising order"),
        ({"sets": ["L2+L2"]}, "rising order"),
        ({"sets": ["L2.mlp"]}, "rising order"),
        ({"sets": ["L2@last"]}, "rising order"),
        ({"sets": ["L2", "L2"]}, "twice"),
    ],
)
def test_sets_are_layers_at_every_token(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        claim({**CLAIM, "metric": {"evaluator": "skipping", "quantity": "kl"} | changes})


def test_zero_is_named_skip_here() -> None:
    with pytest.raises(ValidationError, match="knows skip, early_exit, mean"):
        claim(CLAIM, counterfactual={"intervention": "zero"})
