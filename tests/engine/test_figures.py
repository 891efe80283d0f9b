"""tests: the plots of a claim: where a mark stands on an axis, and figures of forms that the small workspace lacks."""

from __future__ import annotations

import math
import re

import pytest
from mi_atlas.engine.grade import Evidence
from mi_atlas.engine.grade.case import Case, read
from mi_atlas.engine.site import plots
from mi_atlas.engine.site.figures import Figure, figures
from mi_atlas.engine.site.maps import STEPS, HeatMap, shade
from mi_atlas.specs.claim import MeasuredClaim

from .grade.test_correlation import FALLING, along
from .grade.test_correlation import world as falling
from .grade.test_repeated import at_least, found, paired, repeated, trainings


def drawn(claim: MeasuredClaim, evidence: Evidence) -> dict[str, Figure]:
    case = read(claim, evidence)
    assert isinstance(case, Case), case
    return {figure.name: figure for figure in figures(case)}


def test_an_axis_by_hand() -> None:
    """Of 3 to 97 percent, a value in the middle stands at 50; on a log scale 10 is half way from 1 to 100."""
    plain = plots.Axis(0, 10, False)
    assert [plain.at(value) for value in (0, 5, 10, -3, 99)] == [3, 50, 97, 3, 97]
    log = plots.Axis(1, 100, True)
    assert [log.at(value) for value in (1, 10, 100, 0)] == [3, 50, 97, 3]
    assert log.ticks == (1, 3, 10, 30, 100)
    assert plots.Axis(-0.04, 1.04, False).ticks == (0, 0.5, 1)
    assert plots.Axis(5, 5, False).at(5) == 50


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("values", [[], [0.0], [3.0, 3.0], [1e-9, 1e9], [-2.0, math.inf], [math.nan, 1.0]])
def test_an_axis_of_anything(values: list[float], logarithmic: bool) -> None:
    where = plots.axis(values, logarithmic)
    assert 1 <= len(where.ticks) <= 6
    assert all(0 <= where.at(value) <= 100 for value in values if not math.isnan(value))
    assert "nan" not in plots.scale(where)


def test_marks_are_escaped_and_stand_where_they_should() -> None:
    where = plots.Axis(0, 10, False)
    strip = plots.strip(where, 'a "b" <c>', [plots.dot(where, 5), plots.interval(where, 2.5, math.inf)])
    assert 'aria-label="a &#34;b&#34; &lt;c&gt;"' in strip
    assert 'cx="50.0%"' in strip
    assert strip.count('class="end"') == 1, "an infinite limit has no end"
    assert 'x1="26.5%" x2="97.0%"' in strip


def test_values_that_agree_are_one_dot_of_their_area() -> None:
    where = plots.Axis(0, 1, False)
    found = plots.dots(where, [0.0] * 27 + [1.0] * 3, "unit")
    radii = [float(each) for each in re.findall(r'r="([^"]+)"', found)]
    assert len(radii) == 2
    assert (radii[0] / radii[1]) ** 2 == pytest.approx(9, rel=0.02)
    assert plots.dots(where, [0.1 * i for i in range(10)], "unit").count("<circle") == 10


def test_a_correlation_has_no_templates_of_its_own_to_show() -> None:
    """Its estimate is over conditions; what stands beside the control are slopes."""
    found = drawn(along(), falling(FALLING))
    assert set(found) == {"Estimate against the bound", "Control draws", "All components"}
    arms = found["Estimate against the bound"].lines
    assert arms[0].text.startswith("-1 [")
    assert [line.label for line in found["All components"].lines] == [f"L{i}" for i in range(6)]


def test_trainings_are_drawn_as_they_are_graded() -> None:
    one = drawn(at_least(0.5), found(trainings()))
    assert len(one["Family by family"].lines) == 3
    assert "All components" not in one
    two = repeated(paired("efficiency", at_most=0.3, difference=0.3, larger="better"), quantity="signed")
    assert "Estimate against the bound" in drawn(two, found(trainings(spread=0.02)))


def test_shades_and_the_strongest_column() -> None:
    assert [shade(value) for value in (0.0, 0.001, 0.0029, 1.0, 12.0)] == [0, 1, 1, 7, len(STEPS)]
    drawn = HeatMap("layer", "", "", "", "", ("a", "b"), ("L0", "L1"), ((1.0, 2.0), (9.0, None)))
    assert drawn.strongest == ("L0", pytest.approx(3.0))
