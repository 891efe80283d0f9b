"""engine/judging: claims about what models write: who judges, and whose answers a judgment reads.

Answers are written once, by the evaluator `generation`, and kept; programs or judges say of them what a claim is about.
A control that twists only what is judged writes nothing anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ...evaluators.cells import Cell, NotEvaluated, cell_key
from ...specs.canonical import canonical, digest
from ...specs.judge import Judge, Rubric
from ...specs.metrics.base import turn
from ...specs.metrics.generation import JudgedMetric
from ...specs.metrics.training import SEEDS
from ..needs import Group, Run

if TYPE_CHECKING:
    from pathlib import Path

    from ...specs.metrics.base import Metric
    from ...store import Ledger
    from ..needs import Resolved

CHECKS, JUDGES = "checks", "judges"
"""Who judges: the programs that the items name, or models behind an API."""

ASKED_ANEW = frozenset({"open_order"})
"""Controls that ask the model something else; the others exchange what it wrote."""

GATE = "gate"
"""What a judge is asked before it counts stands in the place of an intervention; its site is the judge."""

LENGTH, LENGTH_VERSUS = "length", "length_versus"
"""Of an answer, in words, mean over its draws; and of the one that it is compared with."""

T = TypeVar("T")

What = tuple[str, str, int]
"""Component, intervention and seed of a run."""


def judging_group(writing: Group, metric: Metric) -> Group:
    """In which the answers of a group are judged as a metric says."""
    asked, who = metric.judging or {}, JUDGES if metric.judging else CHECKS
    panel = metric.judges if isinstance(metric, JudgedMetric) else ()
    judges = tuple(judge for judge in panel if isinstance(judge, Judge))
    group = replace(writing, evaluator=who, version=_version(who), settings={}, variants={}, trainings={})
    return replace(group, writing=writing, asked=asked, judges=judges)


def gate_run(group: Group, what: What, workspace: Path) -> Run:
    """The run in which a judge is put to the gate; it is the same for all claims that the judge scores alike.

    Raises:
        NotEvaluated: `judge_gold_unreadable`: a rubric's own labelled answers cannot be read.
    """
    from ...judges.gate import VERSION, SetError, sets_of

    number = int(what[0].partition(":")[0]) - 1
    try:
        questions = sets_of(group.judges[number], workspace).digest
    except SetError as error:
        raise NotEvaluated("judge_gold_unreadable", str(error)) from error
    parts = {
        "evaluator": f"{GATE}@{VERSION}",
        "judge": canonical(group.asked["judges"][number]),
        "compares": str(group.asked["versus"] is not None),
        "questions": questions,
    }
    return Run(cell_key(parts), parts, Cell("-", *what), group)


def answers_to(group: Group, what: What) -> tuple[What, ...]:
    """The runs of the writing group that a judgment reads; of a comparison the other side's too."""
    site, word, seed = what
    plain, _, control = word.partition("|")
    versus = group.asked.get("versus")
    return tuple(
        (condition, word if control in ASKED_ANEW else plain, _seed(group, condition, plain, control, seed))
        for condition in (site, *((versus,) if versus else ()))
    )


def _seed(group: Group, condition: str, plain: str, control: str, seed: int) -> int:
    """Draws take turns with trainings; greedy answers of a model that is not trained are the same with every seed."""
    if control in ASKED_ANEW:
        return seed
    assert group.writing is not None
    if condition in group.writing.trainings:
        return turn(seed, SEEDS) if control else seed
    return seed if "," in plain and not control else 0


def _version(who: str) -> int:
    if who == CHECKS:
        from ...judges.checks import VERSION
    else:
        from ...judges.prompts import PROMPT_VERSION as VERSION
    return VERSION


def rubric_of(judge: Judge) -> Rubric:
    """A judge's rubric, which was written out before anything is judged."""
    assert isinstance(judge.rubric, Rubric)
    return judge.rubric


def turned(rubric: Rubric, dimension: str, score: float) -> float:
    """A score on a rubric's own scale, turned so that more is better."""
    lower = any(each.name == dimension and each.better == "lower" for each in rubric.dimensions)
    return sum(rubric.scale) - score if lower else score


def by_item(texts: Sequence[T], items: int) -> list[Sequence[T]]:
    """Item -> its draws, of what one run wrote about so many items, or of what is said text by text."""
    draws = len(texts) // items
    return [texts[first : first + draws] for first in range(0, len(texts), draws)]


def label_place(metric: JudgedMetric) -> tuple[str, str]:
    """Digest of the rubric and name of the dimension under which people's labels of a claim's answers are kept."""
    judge = metric.judges[0]
    assert isinstance(judge, Judge)
    asked = rubric_of(judge).model_dump(mode="json", include={"scale", "dimensions"})
    return digest("label", asked), f"{metric.dimension}{f' against {metric.versus}' if metric.versus else ''}"


def labels_digest(resolved: Resolved, ledger: Ledger) -> str:
    """Of what people say of the answers behind a claim's effects (64 hex digits); empty where nobody said anything."""
    metric = resolved.claim.metric
    if not isinstance(metric, JudgedMetric) or not resolved.series:
        return ""
    main = [key for address, keys in resolved.series.items() if address.arm == "main" for key in keys]
    found = ledger.labels([resolved.runs[key].reads[0] for key in main], *label_place(metric))
    return digest("labels", {key: sorted(scores.items()) for key, scores in sorted(found.items())}) if found else ""
