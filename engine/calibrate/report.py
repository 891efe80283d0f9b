"""engine: how often false claims were High and true ones Refuted, with exact intervals; a page of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from .run import Graded

CONFIDENCE = 0.95


@dataclass
class Tally:
    """Grades of the claims of one recipe and scope, apart by truth, and what a naive rule says of them."""

    grades: Counter[tuple[bool, str]] = field(default_factory=Counter)
    """(whether the claim is true, grade) -> how many."""
    naive: Counter[bool] = field(default_factory=Counter)
    """Whether the claim is true -> how many the point estimate alone calls true."""

    def add(self, graded: Graded) -> None:
        """Count one."""
        self.grades[graded.known.holds, graded.verdict.grade] += 1
        self.naive[graded.known.holds] += point_estimate(graded)

    def rate(self, holds: bool, *grades: str) -> Rate:
        """How many of the true, or false, claims have one of these grades."""
        count = sum(n for (truth, grade), n in self.grades.items() if truth == holds and grade in grades)
        return Rate(count, sum(n for (truth, _), n in self.grades.items() if truth == holds))


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's, two-sided."""
        from ..grade.rates import lower, upper

        tail = (1 - CONFIDENCE) / 2
        return lower(self.count, self.of, tail), upper(self.count, self.of, tail)

    @property
    def upper(self) -> float:
        """One-sided upper limit at the same confidence."""
        from ..grade.rates import upper

        return upper(self.count, self.of, 1 - CONFIDENCE)

    def __str__(self) -> str:
        """`0.4% (0.1-1.2)`."""
        if not self.of:
            return "-"
        low, high = self.interval
        return f"{100 * self.count / self.of:.1f}% ({100 * low:.1f}-{100 * high:.1f})"


def point_estimate(graded: Graded) -> bool:
    """What a rule says that asks only on which side of the bound the estimate is."""
    verdict = graded.verdict
    if verdict.estimate is None or verdict.bound is None:
        return False
    expect = graded.known.document["expect"]
    return verdict.estimate < verdict.bound if expect.get("at_most") is not None else verdict.estimate > verdict.bound


def tallies(graded: Iterable[Graded], told: Callable[[int], None] = lambda done: None) -> dict[tuple[str, str], Tally]:
    """(recipe, scope) -> what became of its claims; `told` hears how many are graded."""
    counts: dict[tuple[str, str], Tally] = {}
    for done, each in enumerate(graded, 1):
        counts.setdefault((each.known.recipe, each.known.scope), Tally()).add(each)
        told(done)
    return counts


COLUMNS = ("claims", "scope", "false High", "false Refuted", "power", "Pending", "point estimate alone, false")


def rows(counts: dict[tuple[str, str], Tally]) -> list[tuple[str, ...]]:
    """One row a recipe and scope, and one over all, under COLUMNS."""
    named = [*((name, scope, tally) for (name, scope), tally in counts.items()), ("all", "", total(counts))]
    return [(name, scope.replace("_", " "), *_cells(tally)) for name, scope, tally in named]


def markdown(counts: dict[tuple[str, str], Tally], count: int, seed: int) -> str:
    """The page: what was run, the table, the two rates."""
    high, refuted = errors(counts)
    lines = [
        "# How often grades are wrong",
        "",
        f"`mi-atlas calibrate --claims {count} --seed {seed} --page FILE` wrote this page: {count} claims of each "
        "kind and scope, half of them true, half of the false ones false by as little as can be. Their "
        "numbers are simulated (spreads, tails and sizes vary), so that their truth is known; they went through the "
        "whole engine, from a YAML file to a verdict, in ledgers of type calibration. Intervals are Clopper and "
        "Pearson's at 95%.",
        "",
        f"- false claims graded High: {high}; at most {100 * high.upper:.2f}% with 95% confidence",
        f"- true claims Refuted: {refuted}; at most {100 * refuted.upper:.2f}% with 95% confidence",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{'---|' * len(COLUMNS)}",
        *(f"| {' | '.join(row)} |" for row in rows(counts)),
        "",
        "False High is of the false claims, false Refuted and power (High) of the true ones, Pending of all. The last "
        "column is the share of false claims that a rule calls true which looks at the point estimate only.",
        "",
    ]
    return "\n".join(lines)


def _cells(tally: Tally) -> Sequence[str]:
    false = tally.rate(False, "High")
    pending = Rate(tally.rate(True, "Pending").count + tally.rate(False, "Pending").count, sum(tally.grades.values()))
    naive = Rate(tally.naive[False], false.of)
    rates = (false, tally.rate(True, "Refuted"), tally.rate(True, "High"), pending, naive)
    return [str(rate) for rate in rates]


def errors(counts: dict[tuple[str, str], Tally]) -> tuple[Rate, Rate]:
    """False High and false Refuted, over all."""
    together = total(counts)
    return together.rate(False, "High"), together.rate(True, "Refuted")


def total(counts: dict[tuple[str, str], Tally]) -> Tally:
    """All recipes and scopes together."""
    together = Tally()
    for tally in counts.values():
        together.grades += tally.grades
        together.naive += tally.naive
    return together
