"""tests: a skill taken away, by direction and by adapter, against plain torch, one prompt and token at a time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mi_atlas.evaluators import knockout
from mi_atlas.evaluators.cells import APPLIES, Cell, NotEvaluated
from mi_atlas.evaluators.finetuning.job import Job
from mi_atlas.evaluators.knockout import Knockout
from mi_atlas.evaluators.quantities import kl_divergence
from mi_atlas.evaluators.registry import Materials
from mi_atlas.specs.metrics.adapter import RECIPE
from mi_atlas.specs.metrics.knockout import KnockoutMetric
from torch import Tensor, nn

from .claims import claim, document
from .conftest import block, micro, wrap
from .finetuned import LORA, answer, by_hand, long_block, no_training, numbers
from .steered import adding, ends

FLOOR = 0.05
BLOCKS = [long_block("made"), long_block("other", n=5), long_block("third", n=4)]
DISCOVERY = [block(family, n=8, seed=1) for family in ("made", "other", "third")]
DOCUMENT = document(
    {"evaluator": "knockout", "quantity": "selectivity", "sites": {"granularity": "residual"}, "skill": "copying"},
    ({"intervention": "anti", "strength": 2},),
    "random_direction",
    "L1.residual",
    at_least=2,
)


_no_training = no_training(knockout)


def measure(
    module: nn.Module, *cells: Cell, about: str = "skill", recipe: Any = None, skill: str = "made"
) -> dict[Cell, dict[str, list[float]]]:
    settings = {"about": about, "floor": FLOOR, "skill": skill}
    materials = Materials(BLOCKS, settings, DISCOVERY, recipes={RECIPE: recipe} if recipe else {})
    return numbers(Knockout(), wrap(module), materials, *cells)


def direction(module: nn.Module, at: int) -> Tensor:
    own, *others = ([example.clean_ids for example in made.examples] for made in DISCOVERY)
    return ends(module, own, at).mean(0) - ends(module, [ids for some in others for ids in some], at).mean(0)


def answers(module: nn.Module, family: int) -> list[tuple[float, bool, Tensor]]:
    return [answer(module, example.clean_ids, example.target_ids) for example in BLOCKS[family].examples]


def check(got: dict[str, list[float]], before: list[Any], after: list[Any], others: list[float]) -> None:
    """`before`, `after`: of the skill's prompts; `others`: drops of the other families' that they are held against."""
    drops = [one[0] - two[0] for one, two in zip(before, after, strict=True)]
    assert got["skill_drop"] == pytest.approx(drops, abs=3e-4)
    assert got["skill_failed"] == [float(one[1] and not two[1]) for one, two in zip(before, after, strict=True)]
    shares = [max(drop, FLOOR) / max(other, FLOOR) for drop, other in zip(drops, others, strict=True)]
    assert got["selectivity"] == pytest.approx(shares, rel=1e-2)
    assert got[APPLIES] == [1.0] * len(drops)


def by_turns(other: list[float], third: list[float]) -> list[float]:
    return [other[0], third[0], other[1], third[1], other[2], third[2]]


def test_the_direction_is_taken_away_at_every_token_also_of_the_answer(architecture: str) -> None:
    module, cell = micro(architecture), Cell("made", "L2.residual", "anti(1.5)")
    got, vector = measure(module, cell)[cell], -1.5 * direction(module, 2)
    before = [answers(module, family) for family in range(3)]
    with adding(module, 2, vector, last=False):
        after = [answers(module, family) for family in range(3)]
    drops = [[one[0] - two[0] for one, two in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]
    check(got, before[0], after[0], by_turns(drops[1], drops[2]))
    aside = Cell("third", "L2.residual", "anti(1.5)")
    off = measure(module, aside, about="others")[aside]
    assert off["other_drop"] == pytest.approx(drops[2], abs=3e-4)
    moved = [float(kl_divergence(one[2][None], two[2][None])[0]) for one, two in zip(before[2], after[2], strict=True)]
    assert off["off_target_kl"] == pytest.approx(moved, rel=1e-2, abs=1e-5)


@pytest.mark.parametrize(
    ("site", "without"), [("L1", ("model.layers.1.",)), ("L2.residual", ("model.layers.0.", "model.layers.1."))]
)
def test_an_adapter_is_taken_from_a_component_and_of_a_stream_from_all_before_it(site: str, without: Any) -> None:
    module, cell = micro("llama"), Cell("made", site, "remove_adapter", 2)
    got = measure(module, cell, recipe=LORA)[cell]
    whole, less = by_hand(module, Job(LORA, 2)), by_hand(module, Job(LORA, 2), without)
    before, after = ([answers(model, family) for family in range(3)] for model in (whole, less))
    drops = [[one[0] - two[0] for one, two in zip(*pair, strict=True)] for pair in zip(before, after, strict=True)]
    check(got, before[0], after[0], by_turns(drops[1], drops[2]))


def test_a_trained_model_has_a_direction_of_its_own() -> None:
    module, cell = micro("qwen2"), Cell("made", "L1.residual", "anti(1)", 3)
    got, trained = measure(module, cell, recipe=LORA)[cell], by_hand(module, Job(LORA, 3))
    before = answers(trained, 0)
    with adding(trained, 1, -direction(trained, 1), last=False):
        after = answers(trained, 0)
    assert got["skill_drop"] == pytest.approx([a[0] - b[0] for a, b in zip(before, after, strict=True)], abs=5e-4)


def test_whose_prompts_do_not_count_is_said() -> None:
    module = micro("llama")
    aside, own = Cell("other", "L1.residual", "anti(1)"), Cell("made", "L1.residual", "anti(1)")
    assert measure(module, aside)[aside][APPLIES] == [0.0] * 5
    assert measure(module, own, about="others")[own][APPLIES] == [0.0] * 6
    some = Cell("made", "L1.residual@answer", "anti(1)")
    assert 0 in measure(module, some)[some][APPLIES]


def test_controls_draw_anew_cells_are_the_same_alone_and_the_base_is_as_it_was() -> None:
    module = micro("qwen2")
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    kinds = ("random_direction", "shuffled_labels", "wrong_task", "shuffled_answers")
    words = [f"anti(1)|{kind}" for kind in kinds]
    words += [f"remove_adapter|{kind}" for kind in ("matched_norm_adapter", "shuffled_answers")]
    cells = [Cell("made", "L1.residual", word, draw) for word in words for draw in (3, 8, 13)]
    got = measure(module, *cells, Cell("made", "L1.residual", "anti(1)", 4), recipe=LORA)
    assert len({tuple(values["skill_drop"]) for values in got.values()}) == len(got) == 19
    for cell in cells[::4]:
        for name, values in measure(module, cell, recipe=LORA)[cell].items():
            assert values == pytest.approx(got[cell][name], rel=1e-4, abs=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("cell", "recipe", "skill", "code"),
    [
        (Cell("made", "L1", "remove_adapter"), None, "made", "no_adapter"),
        (Cell("made", "L1.residual@last", "remove_adapter", 1), LORA, "made", "no_such_site"),
        (Cell("made", "L1", "remove_adapter|wrong_task", 1), LORA, "made", "no_such_intervention"),
        (Cell("made", "L1", "zero"), None, "made", "no_such_intervention"),
        (Cell("made", "L1", "anti(1)|matched_norm_adapter"), None, "made", "no_such_control"),
        (Cell("made", "L1", "anti(1)"), None, "absent", "no_such_family"),
    ],
)
def test_what_cannot_be_done_is_said(cell: Cell, recipe: Any, skill: str, code: str) -> None:
    with pytest.raises(NotEvaluated) as error:
        measure(micro("qwen2"), cell, recipe=recipe, skill=skill)
    assert error.value.code == code


def test_its_claims_say_whose_prompts_they_are_about() -> None:
    metric = claim(DOCUMENT).metric
    assert isinstance(metric, KnockoutMetric)
    assert metric.settings() == {"skill": "copying", "floor": 0.01, "about": "skill"}
    assert metric.repeated is None
    assert not metric.trainings
    others = claim(DOCUMENT, {"quantity": "other_drop", "floor": 0.1, "recipe": {"training": "none"}}).metric
    assert others.settings() == {"skill": "copying", "floor": 0.1, "about": "others"}
    assert others.repeated is not None
    assert RECIPE in others.trainings
