"""tests: controls whose draws are the effect's own intervention with something in it drawn at random."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from mi_atlas.engine.controls import Effect, control_runs
from mi_atlas.specs import claim, kinds
from mi_atlas.specs.controls import DrawnControl
from pydantic import TypeAdapter

assert claim  # whose import registers every control

TWISTED = {
    *("wrong_donor", "matched_norm_patch", "random_positions", "shuffled_examples", "shuffled_attribution"),
    *("random_direction", "shuffled_labels", "shuffled_labels_own_norm", "wrong_task", "random_map", "shuffled_pairs"),
    "random_circuit",
}


def runs(spec: DrawnControl) -> list[tuple[str, int, str | None]]:
    located: Any = None
    effects = [Effect("steer(2)", 3, "L1.residual")]
    return [(run.intervention, run.seed, run.site) for run in control_runs(spec, located, effects, ())]


@pytest.mark.parametrize("kind", sorted(TWISTED))
def test_the_evaluator_is_told_the_control_behind_the_word_and_the_draw_as_seed(kind: str) -> None:
    spec = TypeAdapter(kinds.one_of("control")).validate_python({"kind": kind})
    assert runs(spec) == [(f"steer(2)|{kind}", draw, None) for draw in range(20)]


def test_a_mark_on_its_spec_is_all_that_such_a_control_needs() -> None:
    class Marked(DrawnControl):
        TWISTED = True
        kind: Literal["another"]

    class Unmarked(DrawnControl):
        kind: Literal["another"]

    assert runs(Marked(kind="another", draws=21))[20] == ("steer(2)|another", 20, None)
    with pytest.raises(KeyError, match="another"):
        runs(Unmarked(kind="another"))
