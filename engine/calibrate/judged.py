"""engine: judged claims whose truth is known, by a judge that favours length: how often they are graded wrongly.

A condition's answers are compared with another's, item by item. People prefer them in a stated share of items, whatever
their lengths. They are the longer ones in LONGER of the items. The judge says 1 with probability

    1/2 + bias sign(log length ratio) + skill (2 Y - 1)

where Y is what people say. With a bias of 25 points and equal answers the longer one wins three times of four. The
claim is that the condition wins more than half. Its judge's gate is taken as passed: what is tried is the rule behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ...specs.canonical import digest
from ...specs.claim import ClaimAdapter, MeasuredClaim
from ..grade import Evidence, Verdict, grade
from ..grade.correction import corrected, to_label
from ..grade.gate import Gate
from ..grade.inference import sample_of
from ..grade.judged import Judging, label_ids
from ..grade.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FAMILIES, LEAST_DRAWS = 12, 20
LONGER = 0.637
"""Share of items in which the condition's answers are the longer ones."""

MEAN_RATIO = 0.35
"""Mean log length ratio, of standard deviation 1: positive in LONGER of the items."""

CONFIDENCE_TAIL = 0.025

LABEL, CONDITION, VERSUS = "generate(256)", "ours", "theirs"


@dataclass(frozen=True)
class World:
    """What is true, and what the judge makes of it."""

    name: str
    bias: float = 0.25
    skill: float = 0.25
    wins: float = 0.5
    """Share of items in which people prefer the condition's answer."""
    items: int = 300
    labels: int = 100

    @property
    def holds(self) -> bool:
        """Whether the claim, more than half, is true."""
        return self.wins > 0.5


WORLDS = (
    World("equal, the judge favours length by 25 points"),
    World("the same, 1,000 items", items=1000),
    World("equal, the judge favours nothing", bias=0.0),
    World("equal, the judge knows nothing and favours length", skill=0.0),
    World("two in three won, the judge favours length", wins=2 / 3),
    World("two in three won, the judge favours nothing", bias=0.0, wins=2 / 3),
    World("one in three won, the judge favours length", wins=1 / 3),
)


@dataclass
class Outcomes:
    """What became of the audits of one world."""

    world: World
    audits: int = 0
    judge_alone: int = 0
    """In how many the judge's scores alone are above half at the alpha of High."""
    uncorrected: Counter[str] = field(default_factory=Counter)
    """Grade without labels -> how many."""
    corrected: Counter[str] = field(default_factory=Counter)
    covered: int = 0
    """In how many the corrected estimate's 95% interval holds the truth."""

    def add(self, without: Verdict, with_labels: Verdict, covered: bool) -> None:
        """Count one."""
        assert without.p_value is not None
        assert without.alpha is not None
        self.audits += 1
        self.judge_alone += without.p_value < without.alpha
        self.uncorrected[without.grade] += 1
        self.corrected[with_labels.grade] += 1
        self.covered += covered


def document() -> dict[str, Any]:
    """Of a claim that answers of one condition are preferred to another's more than half of the time."""
    rubric = {"mode": "pairwise", "dimensions": [{"name": "overall", "asks": "Which answer is better?"}]}
    judges = [{"model": f"judge-{family}", "family": family, "rubric": rubric} for family in ("one", "two")]
    return {
        "claim": "simulated/judged",
        "statement": "A claim about simulated judges.",
        "model": "pocket-qwen",
        "suite": {"behaviour": "instructions"},
        "metric": {
            "evaluator": "judged",
            "quantity": "won",
            "judges": judges,
            "models": {CONDITION: "pocket-qwen", VERSUS: "pocket-llama"},
            "versus": VERSUS,
        },
        "counterfactual": {"intervention": "generate", "tokens": 256},
        "control": {"kind": "mismatched_outputs", "draws": LEAST_DRAWS, "ratio": 1.2},
        "expect": {"form": "threshold", "component": CONDITION, "at_least": 0.5},
        "threshold": {"high": 0.995, "medium": 0.95},
    }


@lru_cache(maxsize=1)
def claim() -> MeasuredClaim:
    """That claim."""
    found = ClaimAdapter.validate_python(document())
    assert isinstance(found, MeasuredClaim)
    return found


def evidence(world: World, random: np.random.Generator) -> tuple[Evidence, Floats]:
    """What a judge says of so many items, and what people would say of each."""
    n = world.items
    people = (random.random(n) < world.wins).astype(float)
    ratio = MEAN_RATIO + random.standard_normal(n)
    chance = np.clip(0.5 + world.bias * np.sign(ratio) + world.skill * (2 * people - 1), 0, 1)
    place = LABEL, CONDITION
    theirs = np.exp(4 + 0.5 * random.standard_normal(n))
    lengths = {("length", *place): theirs * np.exp(ratio), ("length", LABEL, VERSUS): theirs}
    gates = tuple(Gate(judge.model, "overall", (), alpha=1.0) for judge in claim().metric.judges)
    found = Evidence(
        families=tuple(f"category-{FAMILIES * i // n:02d}" for i in range(n)),
        templates=tuple(f"item-{i:04d}" for i in range(n)),
        examples=tuple(f"{random.integers(2**63):016x}" for _ in range(n)),
        effects={place: (random.random(n) < chance).astype(float)},
        control={(*place, draw): (random.random(n) < 0.05).astype(float) for draw in range(LEAST_DRAWS)},
        positive=np.exp(1.5 + 0.3 * random.standard_normal(n)),
        noise=np.full(n, 1e-9),
        absent={},
        look=1,
        registered_before_data=True,
        origin="simulated",
        sweep=(CONDITION, VERSUS),
        dtype="float32",
        companions=lengths,
        judging=Judging(gates, (), (0.0, 1.0)),
    )
    return found, people


def labelled(found: Evidence, people: Floats, count: int) -> Evidence:
    """The same evidence, with people's labels of the answers that are drawn for it."""
    assert found.judging is not None
    labels = np.full(len(people), np.nan)
    drawn = to_label(label_ids(found, LABEL), count)
    labels[drawn] = people[drawn]
    return replace(found, judging=replace(found.judging, labels={(LABEL, CONDITION): labels}))


def audits(world: World, count: int, seed: int) -> Iterator[tuple[Verdict, Verdict, bool]]:
    """Verdicts without labels and with them, and whether the corrected interval holds the truth."""
    for number in range(count):
        random = np.random.default_rng([seed, number, int(digest("world", world.name)[:8], 16)])
        found, people = evidence(world, random)
        known = labelled(found, people, world.labels)
        yield (
            grade(claim(), found, calibration=True),
            grade(claim(), known, calibration=True),
            covers(known, world.wins),
        )


def covers(found: Evidence, truth: float) -> bool:
    """Whether the 95% interval of the corrected scores, over items within categories, holds the truth."""
    assert found.judging is not None
    labels = found.judging.labels[LABEL, CONDITION]
    values = corrected(found.effects[LABEL, CONDITION], labels, ~np.isnan(labels))
    layout = Table(found).layout
    mean = sample_of(values[:, None], layout).guarded
    low, high = (float(mean.limit(CONFIDENCE_TAIL, turn)[0]) for turn in (-1, 1))
    return low <= truth <= high


def outcomes(world: World, count: int, seed: int) -> Outcomes:
    """So many audits of a world."""
    found = Outcomes(world)
    for each in audits(world, count, seed):
        found.add(*each)
    return found
