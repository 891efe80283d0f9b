"""tests: what is put in the place of a direction: chance labels, wrong tasks, random directions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mi_atlas.evaluators.cells import Cell, NotEvaluated
from mi_atlas.evaluators.sides import Sides
from mi_atlas.specs.sites import Site

from .conftest import block, micro
from .steered import (
    ANSWER,
    LEARNT,
    PAIRS,
    TASK,
    directions,
    ends,
    measure,
)

TWISTS = ["random_direction", "shuffled_labels", "wrong_task"]


def test_labels_are_dealt_anew_over_the_same_prompts() -> None:
    rows = tuple(("made", i) for i in range(4)), tuple(("made", i) for i in range(4, 8))
    own = Sides(*rows, True)
    dealings = [own.dealt_anew(nth, "made") for nth in range(69)]
    for dealt in dealings:
        assert sorted(dealt.positive + dealt.negative) == sorted(own.positive + own.negative)
        assert len(dealt.positive) == 4
        assert set(dealt.positive) != set(own.positive)
    assert len({frozenset(dealt.positive) for dealt in dealings}) == 69  # all of C(8, 4) but the true one
    with pytest.raises(NotEvaluated, match=r"draw 69 .* have 69"):
        own.dealt_anew(69, "made")


def test_halves_are_distinct_and_of_one_example_each() -> None:
    own = Sides(tuple(("a", i) for i in range(4)), tuple(("a", 4 + i) for i in range(4)), True)
    halves = [own.half(nth, "a") for nth in range(6)]
    assert len({half.positive for half in halves}) == 6
    for half in halves:
        assert [(name, i + 4) for name, i in half.positive] == list(half.negative)
    with pytest.raises(NotEvaluated, match="have 6"):
        own.half(6, "a")


@pytest.mark.parametrize("settings", [ANSWER, PAIRS, TASK])
@pytest.mark.parametrize("twist", TWISTS)
def test_draws_of_a_control_differ_and_have_the_directions_norm(settings: dict[str, Any], twist: str) -> None:
    learnt, site = directions(settings, micro("llama")), Site(2, "residual")
    name = settings.get("towards", "made")
    own = learnt.vector(name, site)
    draws = [learnt.vector(name, site, twist, nth) for nth in range(20)]
    assert all(torch.equal(draw, learnt.vector(name, site, twist, nth)) for nth, draw in enumerate(draws))
    for i, draw in enumerate(draws):
        assert float(draw.norm()) == pytest.approx(float(own.norm()))
        assert all(float((draw - other).norm()) > 1e-3 for other in [own, *draws[:i]])


def test_chance_labels_may_keep_their_norm_where_the_unit_is_the_vector() -> None:
    module = micro("llama")
    words = [f"steer(1{unit})|shuffled_labels{own}" for unit in ("", ",residual") for own in ("", "_own_norm")]
    cells = [Cell("made", "L1.residual", word, 2) for word in words]
    got = [measure(module, PAIRS, cell)[cell]["kl"] for cell in cells]
    assert got[0] != pytest.approx(got[1], rel=0.01)
    assert got[2] == pytest.approx(got[3])
    learnt = directions(PAIRS, module)
    same, own = (learnt.vector("made", Site(1, "residual"), f"shuffled_labels{end}", 2) for end in ("", "_own_norm"))
    assert float(torch.cosine_similarity(same, own, dim=0)) == pytest.approx(1)


def test_a_wrong_task_is_another_familys_direction_from_half_of_its_examples() -> None:
    module, site = micro("qwen2"), Site(1, "residual")
    learnt = directions(PAIRS, module)
    for nth, name in enumerate(("other", "third", "other", "third")):
        half = learnt.sides[name].half(nth // 2, name)
        examples = block(name, n=LEARNT, seed=1).examples
        assert len(half.positive) == LEARNT // 2
        some = [examples[i] for _, i in half.positive]
        vector = ends(module, [e.clean_ids for e in some], 1).mean(0) - ends(
            module, [e.corrupt_ids for e in some], 1
        ).mean(0)
        drawn = learnt.vector("made", site, "wrong_task", nth)
        assert float(torch.cosine_similarity(vector.double(), drawn, dim=0)) == pytest.approx(1, abs=1e-5)


def test_a_shuffled_direction_is_learnt_from_its_dealing() -> None:
    module = micro("qwen2")
    learnt, examples = directions(PAIRS, module), block("made", n=LEARNT, seed=1).examples
    prompts = [e.clean_ids for e in examples] + [e.corrupt_ids for e in examples]
    streams, dealt = ends(module, prompts, 1), learnt.sides["made"].dealt_anew(3, "made")
    vector = streams[[i for _, i in dealt.positive]].mean(0) - streams[[i for _, i in dealt.negative]].mean(0)
    drawn = learnt.vector("made", Site(1, "residual"), "shuffled_labels", 3)
    assert float(torch.cosine_similarity(vector.double(), drawn, dim=0)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("about", ["steered", "slope", "off_target"])
def test_measured_draws_differ(about: str) -> None:
    twists = TWISTS[:2] if about == "off_target" else TWISTS
    cells = [Cell("made", "L2.residual", f"steer(2)|{twist}", draw) for twist in twists for draw in range(20)]
    got = measure(micro("llama"), ANSWER, *cells, about=about)
    first = {"steered": "kl", "slope": "slope", "off_target": "off_target_kl"}[about]
    assert len({tuple(got[cell][first]) for cell in cells}) == len(cells)
