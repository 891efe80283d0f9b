"""engine: how often false claims were High and true ones Refuted, with exact intervals; a page of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .naive import RULES
from .run import Graded
from .worlds import form_of

CONFIDENCE = 0.95


@dataclass
class Tally:
    """Grades of the claims of one recipe and scope, apart by truth, and what naive rules say of them."""

    grades: Counter[tuple[bool, str]] = field(default_factory=Counter)
    """(whether the claim is true, grade) -> how many."""
    naive: Counter[tuple[bool, str]] = field(default_factory=Counter)
    """(whether the claim is true, naive rule) -> how many the rule calls true."""

    def add(self, graded: Graded) -> None:
        """Count one."""
        self.grades[graded.known.holds, graded.verdict.grade] += 1
        for rule, says in graded.naive.items():
            self.naive[graded.known.holds, rule] += says

    def __iadd__(self, other: Tally) -> Tally:
        """Those of another too."""
        self.grades += other.grades
        self.naive += other.naive
        return self

    def count(self, holds: bool) -> int:
        """How many true, or false, claims there are."""
        return sum(n for (truth, _), n in self.grades.items() if truth == holds)

    def rate(self, holds: bool, *grades: str) -> Rate:
        """How many of the true, or false, claims have one of these grades."""
        count = sum(n for (truth, grade), n in self.grades.items() if truth == holds and grade in grades)
        return Rate(count, self.count(holds))

    def rule(self, holds: bool, rule: str) -> Rate:
        """How many of the true, or false, claims a naive rule calls true."""
        return Rate(self.naive[holds, rule], self.count(holds))


@dataclass(frozen=True)
class Rate:
    """So many of so many."""

    count: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's, two-sided."""
        return self.limits(CONFIDENCE)

    def limits(self, confidence: float) -> tuple[float, float]:
        """The interval at another confidence."""
        from ..grade.rates import lower, upper

        tail = (1 - confidence) / 2
        return lower(self.count, self.of, tail), upper(self.count, self.of, tail)

    @property
    def upper(self) -> float:
        """One-sided upper limit at the same confidence."""
        from ..grade.rates import upper

        return upper(self.count, self.of, 1 - CONFIDENCE)

    @property
    def shown(self) -> str:
        """`0.4%`."""
        return f"{100 * self.count / self.of:.1f}%" if self.of else "-"

    def __str__(self) -> str:
        """`0.4% (0.1-1.2)`."""
        if not self.of:
            return "-"
        low, high = self.interval
        return f"{100 * self.count / self.of:.1f}% ({100 * low:.1f}-{100 * high:.1f})"


def tallies(graded: Iterable[Graded], told: Callable[[int], None] = lambda done: None) -> dict[tuple[str, str], Tally]:
    """(recipe, scope) -> what became of its claims; `told` hears how many are graded."""
    counts: dict[tuple[str, str], Tally] = {}
    for done, each in enumerate(graded, 1):
        counts.setdefault((each.known.recipe, each.known.scope), Tally()).add(each)
        told(done)
    return counts


COLUMNS = ("claims", "scope", "true, false", "false High", "false Refuted", "power", "Pending", *RULES)


def rows(counts: Mapping[tuple[str, str], Tally]) -> list[tuple[str, ...]]:
    """One row a recipe and scope, and one over all, under COLUMNS."""
    named = [*((name, scope, tally) for (name, scope), tally in counts.items()), ("all", "", total(counts))]
    return [(name, scope.replace("_", " "), *_cells(tally)) for name, scope, tally in named]


def markdown(counts: Mapping[tuple[str, str], Tally], count: int, seed: int) -> str:
    """The page: what was run, the table, the two rates."""
    high, refuted = errors(counts)
    lines = [
        "# How often grades are wrong",
        "",
        f"`mi-atlas calibrate --claims {count} --seed {seed} --page FILE` wrote this page: {count} claims of each "
        "form and scope, half of them true, half of the false ones false by as little as can be. Their "
        "numbers are simulated (spreads, tails and sizes vary), so that their truth is known; they went through the "
        "whole engine, from a YAML file to a verdict, in ledgers of type calibration. Intervals are Clopper and "
        "Pearson's at 95%.",
        "",
        f"- false claims graded High: {high}; at most {100 * high.upper:.2f}% with 95% confidence",
        f"- true claims Refuted: {refuted}; at most {100 * refuted.upper:.2f}% with 95% confidence",
        "",
        *table(counts),
        "",
        LEGEND,
        "",
    ]
    return "\n".join(lines)


LEGEND = (
    "False High is of the false claims, false Refuted and power (High) of the true ones, Pending of all. The last "
    "columns are the shares of the false claims that naive rules call true, on the same evidence: that the estimate is "
    "on the right side of the bound (ten re-runs that agree bit by bit, std = 0, say no more); ten such re-runs pooled "
    "as ten replicates of each template in a t test at .005; all prompts, clones of a template too, in a t test at "
    ".005; an estimate on the right side and above the margin over a single control draw."
)


def table(counts: Mapping[tuple[str, str], Tally]) -> list[str]:
    """Markdown: one line a recipe and scope, and one over all."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows(counts)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cells(tally: Tally) -> Sequence[str]:
    false = tally.rate(False, "High")
    pending = Rate(tally.rate(True, "Pending").count + tally.rate(False, "Pending").count, sum(tally.grades.values()))
    rates = (false, tally.rate(True, "Refuted"), tally.rate(True, "High"), pending)
    return [f"{tally.count(True)}, {false.of}", *map(str, rates), *(tally.rule(False, rule).shown for rule in RULES)]


def errors(counts: Mapping[tuple[str, str], Tally]) -> tuple[Rate, Rate]:
    """False High and false Refuted, over all."""
    together = total(counts)
    return together.rate(False, "High"), together.rate(True, "Refuted")


def total(counts: Mapping[tuple[str, str], Tally]) -> Tally:
    """All recipes and scopes together."""
    together = Tally()
    for tally in counts.values():
        together += tally
    return together


def by_form(counts: Mapping[tuple[str, str], Tally]) -> dict[tuple[str, str], Tally]:
    """(form, scope) -> its recipes together."""
    forms: dict[tuple[str, str], Tally] = {}
    for (name, scope), tally in counts.items():
        together = forms.setdefault((form_of(name), scope), Tally())
        together += tally
    return forms
