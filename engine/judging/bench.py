"""engine/judging: judge the answers of one step of the plan, by programs or by a panel of judges.

What cannot be judged is said, never raised: its claims end Pending, and the next audit tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from ...specs.items import order_of
from ...store import FinishedRun, utc_now
from ..measure import Failure, Lost, Place, failure_of, items_of, versions
from .answers import ASKED_ANEW, CHECKS, GATE, by_item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...judges.checks import Checked
    from ...specs.items import Item
    from ...store import Ledger
    from ..needs import Group, Run
    from ..plan import GroupStep
    from ..talk import Talk

    Values = Mapping[str, Mapping[str, NDArray[np.float64]]]

COPIED = ("answer_loss", "training_loss")
"""Numbers of the writing that stand beside a judgment, one an item."""


@dataclass(frozen=True)
class Written:
    """What one run wrote about the items of one category."""

    texts: Sequence[Sequence[str]]
    """Item -> its draws."""
    cut: Sequence[Sequence[bool]]
    beside: Mapping[str, list[float]]

    @classmethod
    def of(cls, texts: Sequence[str], values: Mapping[str, NDArray[np.float64]], items: int) -> Written:
        """Texts item by item, each with as many draws."""
        cut = [value > 0 for value in values["cut"].tolist()]
        return cls(
            by_item(texts, items),
            by_item(cut, items),
            {name: values[name].tolist() for name in COPIED if name in values},
        )

    def twisted(self, control: str, items: Sequence[Item], draw: int) -> Written:
        """The same with what a control makes of the answers; a loss is of what was written, and no part of it."""
        from ...judges.twists import twisted

        columns = [twisted(control, items, column, draw) for column in zip(*self.texts, strict=True)]
        return Written([list(row) for row in zip(*columns, strict=True)], self.cut, {})


@dataclass(frozen=True)
class Task:
    """What is judged in one run."""

    run: Run
    items: Sequence[Item]
    """What was asked."""
    sides: Sequence[Written]
    """The answers; of a comparison also those that they are compared with."""

    @property
    def drawn(self) -> bool:
        """Whether it is a draw of a control."""
        return "|" in self.run.cell.intervention


class Bench:
    """Where the answers of an audit are judged."""

    def __init__(self, ledger: Ledger, place: Place, talk: Talk) -> None:
        from .panel import Budget

        self._ledger, self._place = ledger, place
        self._budget = Budget(place.judge_calls, talk.judged)

    def judge(self, step: GroupStep) -> Iterator[FinishedRun | Lost]:
        """The runs of a step, then why the others are not."""
        missing = dict.fromkeys(run.key for run in step.runs)
        try:
            for event in self._checked(step) if step.group.evaluator == CHECKS else self._judged(step):
                for key in (event.key,) if isinstance(event, FinishedRun) else event.keys:
                    missing.pop(key, None)
                yield event
        except Exception as error:
            yield Lost(tuple(missing), failure_of(error))

    def _checked(self, step: GroupStep) -> Iterator[FinishedRun | Lost]:
        tasks, lost = self._tasks(step.group, step.runs)
        yield from lost
        for task in tasks:
            start = time.perf_counter()
            yield self._finished(task.run, checked(task), start)

    def _judged(self, step: GroupStep) -> Iterator[FinishedRun | Lost]:
        """Every question of the step is asked at once, so that as many as may be are on their way."""
        from .panel import Panel

        gates = [run for run in step.runs if run.cell.intervention == GATE]
        tasks, lost = self._tasks(step.group, [run for run in step.runs if run.cell.intervention != GATE])
        yield from lost
        asked, start = step.group.asked, time.perf_counter()
        about = step.group.judges, asked["dimension"], asked["versus"] is not None, self._place.workspace
        panel = Panel(*about, self._ledger, self._budget)
        panel.ask([run.cell.site for run in gates], tasks)
        for run in gates:
            if why := panel.unanswered(panel.gate_keys(run.cell.site)):
                yield Lost((run.key,), why)
            else:
                values, texts = panel.gate_says(run.cell.site)
                yield self._finished(run, values, start, texts)
        for task in tasks:
            why = panel.unanswered(panel.task_keys(task))
            yield Lost((task.run.key,), why) if why else self._finished(task.run, panel.says(task), start)

    def _tasks(self, group: Group, runs: Sequence[Run]) -> tuple[list[Task], list[Lost]]:
        """What is judged in runs whose answers were written, and the runs whose answers were not."""
        assert group.writing is not None
        read = {key for run in runs for key in run.reads}
        with self._ledger.reading():
            values, texts = self._ledger.values(read), self._ledger.texts(read)
        items = {block.family: block.items for block in items_of(group.writing, self._place)}
        ready = [run for run in runs if all(key in texts for key in run.reads)]
        gone = tuple(run.key for run in runs if not all(key in texts for key in run.reads))
        why = Failure("answers_missing", "the answers that are judged could not be written")
        tasks = [self._task(run, items[run.cell.family], values, texts) for run in ready]
        return tasks, [Lost(gone, why)] * bool(gone)

    def _task(self, run: Run, items: Sequence[Item], values: Values, texts: Mapping[str, tuple[str, ...]]) -> Task:
        control, draw = run.cell.intervention.partition("|")[2], run.cell.seed
        own, *others = (Written.of(texts[key], values[key], len(items)) for key in run.reads)
        if control in ASKED_ANEW:
            items = [items[place] for place in order_of(draw, [item.id for item in items])]
        elif control:
            own = own.twisted(control, items, draw)
        return Task(run, items, (own, *others))

    def _finished(
        self, run: Run, values: Mapping[str, Sequence[float]], start: float, texts: Sequence[str] = ()
    ) -> FinishedRun:
        took = time.perf_counter() - start
        return FinishedRun(run.key, run.parts, values, utc_now(), took, "-", versions(), texts)


def checked(task: Task) -> dict[str, list[float]]:
    """What the items' own checks say of the answers, mean over the draws of each item; of the writing its losses."""
    from ...judges.checks import check

    (answers,) = task.sides
    rows = [
        [check(item, text, cut) for text, cut in zip(texts, cuts, strict=True)]
        for item, texts, cuts in zip(task.items, answers.texts, answers.cut, strict=True)
    ]

    def mean(number: Callable[[Checked], float]) -> list[float]:
        return [fmean(number(each) for each in row) for row in rows]

    return {
        "passed": mean(lambda each: each.passed),
        "failed": mean(lambda each: not each.passed),
        "constraints_met": mean(lambda each: fmean(each.met) if each.met else 1.0),
        "looped": mean(lambda each: each.looped),
        "repetition": mean(lambda each: each.repetition),
        **answers.beside,
    }
