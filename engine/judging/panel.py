"""engine/judging: a panel of judges: what each is asked, which replies the ledger has, and what they come to.

A reply is kept as it came, under the key of its question, before anything is read out of it: an audit that is
interrupted asks no question twice, and verdicts can be read anew. A question that got no reply leaves its run
unmeasured; a reply that holds no verdict counts as one that gave no score.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ...judges.asking import Limits, NoReply, Reply, ask
from ...judges.gate import gate_questions, sets_of
from ...judges.prompts import Question, pairwise, pointwise
from ...judges.reading import Unscored, Verdict, read
from ...store import JudgeReply
from ..execute import COMMIT_EVERY_S
from ..measure import Failure
from .answers import LENGTH, LENGTH_VERSUS, rubric_of, turned

if TYPE_CHECKING:
    from ...specs.items import Item
    from ...specs.judge import Judge, Rubric
    from ...store import Ledger
    from .bench import Task

NAN = float("nan")

FIRST, SWAPPED = "first_order", "swapped_order"
"""Who won a comparison in either order: 1 the condition, -1 the other side, 0 neither; nan where no verdict came."""


@dataclass
class Budget:
    """How many questions may still be asked, and what those that were asked took."""

    left: int | None = None
    """None: any number."""
    told: Callable[[str, int, int], None] | None = None
    """Told of each reply: the judge's model, its replies so far and their tokens."""
    spent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, model: str, reply: Reply | NoReply) -> None:
        """A question was asked, maybe several times."""
        if self.left is not None:
            self.left = max(0, self.left - reply.attempts)
        if isinstance(reply, NoReply):
            return
        replies, tokens = self.spent.get(model, (0, 0))
        self.spent[model] = replies + 1, tokens + (reply.tokens_in or 0) + (reply.tokens_out or 0)
        if self.told is not None:
            self.told(model, *self.spent[model])


@dataclass(frozen=True)
class Asked:
    """One question about an answer, and what its reply is read as."""

    item: int
    judge: int
    swapped: bool
    question: Question


class Panel:
    """Judges, written out in full, who score one dimension of answers, or compare them."""

    def __init__(
        self,
        judges: Sequence[Judge],
        dimension: str,
        compares: bool,
        workspace: Path,
        ledger: Ledger,
        budget: Budget,
    ) -> None:
        self.compares, self.dimension = compares, dimension
        self.judges = [comparing(judge) if compares else judge for judge in judges]
        self._ledger, self._budget, self._workspace = ledger, budget, workspace
        self._replies: dict[str, bytes] = {}
        self._failed: dict[str, NoReply] = {}
        self._gates: dict[str, Mapping[str, Question]] = {}
        self._tasks: dict[str, list[Asked]] = {}

    def ask(self, gates: Sequence[str], tasks: Sequence[Task]) -> None:
        """Ask what has no reply yet; the gate first, since without it nothing counts."""
        for name in gates:
            self._ask({self._number(name): list(self._gate(name).values())})
        wanted: dict[int, list[Question]] = {}
        for task in tasks:
            for each in self._asked(task):
                wanted.setdefault(each.judge, []).append(each.question)
        self._ask(wanted)

    def gate_keys(self, name: str) -> list[str]:
        """Of the questions of a judge's gate."""
        return [question.key for question in self._gate(name).values()]

    def task_keys(self, task: Task) -> list[str]:
        """Of the questions about a task's answers."""
        return [each.question.key for each in self._asked(task)]

    def unanswered(self, keys: Sequence[str]) -> Failure | None:
        """Why some of the questions have no reply; None: all have one."""
        missing = [key for key in keys if key not in self._replies]
        if not missing:
            return None
        first = self._failed[missing[0]]
        return Failure(first.code, f"{len(missing)} of {len(keys)} questions got no reply: {first.reason}")

    def gate_says(self, name: str) -> tuple[dict[str, list[float]], tuple[str, ...]]:
        """Whether each question of the gate was scored, and the verdicts as JSON, in the order of their names."""
        rubric = self._rubric(self._number(name))
        said = {asked: read(rubric, self._replies[each.key]) for asked, each in self._gate(name).items()}
        texts = tuple(json.dumps([asked, verdict_json(said[asked])]) for asked in sorted(said))
        return {"scored": [float(isinstance(said[asked], Verdict)) for asked in sorted(said)]}, texts

    def says(self, task: Task) -> dict[str, list[float]]:
        """The numbers of a task, one an item; nan where a judge gave no score to any draw."""
        said = [(each, read(self._rubric(each.judge), self._replies[each.question.key])) for each in self._asked(task)]
        lengths = zip((LENGTH, LENGTH_VERSUS), map(_length, (side.texts for side in task.sides)), strict=False)
        values = {**dict(lengths), **task.sides[0].beside}
        if not self.compares:
            return {**values, "score": self._scores(len(task.items), said)}
        winners = {swapped: [self._winner(s, v) for s, v in said if s.swapped is swapped] for swapped in (False, True)}
        pairs = [each for each, _ in said if not each.swapped]
        won = [_both(*two) for two in zip(winners[False], winners[True], strict=True)]
        values["won"] = self._by_item(len(task.items), list(zip(pairs, won, strict=True)))
        return {**values, FIRST: winners[False], SWAPPED: winners[True]}

    def _scores(self, items: int, said: Sequence[tuple[Asked, Verdict | Unscored]]) -> list[float]:
        """On the rubric's scale, turned so that more is better."""
        return self._by_item(items, [(each, self._score(each.judge, verdict)) for each, verdict in said])

    def _score(self, judge: int, verdict: Verdict | Unscored) -> float:
        if isinstance(verdict, Unscored):
            return NAN
        return turned(self._rubric(judge), self.dimension, float(verdict.scores[self.dimension]))

    def _winner(self, asked: Asked, verdict: Verdict | Unscored) -> float:
        if isinstance(verdict, Unscored):
            return NAN
        side = {"first": 1.0, "second": -1.0, "tie": 0.0}[verdict.winners[self.dimension]]
        return -side if asked.swapped else side

    def _by_item(self, items: int, scores: Sequence[tuple[Asked, float]]) -> list[float]:
        """Mean over the judges of each one's mean over what it scored; nan where one scored nothing."""
        given: list[list[list[float]]] = [[[] for _ in self.judges] for _ in range(items)]
        for each, score in scores:
            if score == score:
                given[each.item][each.judge].append(score)
        return [fmean(map(fmean, each)) if all(each) else NAN for each in given]

    def _asked(self, task: Task) -> list[Asked]:
        if task.run.key not in self._tasks:
            self._tasks[task.run.key] = list(self._questions(task))
        return self._tasks[task.run.key]

    def _questions(self, task: Task) -> Iterator[Asked]:
        """A draw of a control is judged once by each judge."""
        own, *others = (side.texts for side in task.sides)
        for number, judge in enumerate(self.judges):
            for place, item in enumerate(task.items):
                for text, answer in enumerate(own[place]):
                    for draw in range(1 if task.drawn else judge.sampling.draws):
                        if not self.compares:
                            question = pointwise(judge, prompt_of(item), answer, item.reference, draw)
                            yield Asked(place, number, False, question)
                            continue
                        two = answer, others[0][place][text]
                        for swapped in (False, True):
                            first, second = two[::-1] if swapped else two
                            yield Asked(place, number, swapped, pairwise(judge, prompt_of(item), first, second, draw))

    def _ask(self, wanted: Mapping[int, Sequence[Question]]) -> None:
        for number, questions in wanted.items():
            judge, by_key = self.judges[number], {question.key: question for question in questions}
            self._replies |= self._ledger.replies(by_key)
            missing = [question for key, question in by_key.items() if key not in self._replies]
            if missing:
                self._keep(judge, missing)

    def _keep(self, judge: Judge, questions: Sequence[Question]) -> None:
        """Ask, and commit what comes at most half a second apart."""
        buffer: list[JudgeReply] = []
        last = time.monotonic()
        replies = ask(judge, questions, Limits(max_calls=self._budget.left))
        try:
            for reply in replies:
                self._budget.count(judge.model, reply)
                if isinstance(reply, NoReply):
                    self._failed[reply.key] = reply
                    continue
                self._replies[reply.key] = reply.raw
                about = reply.seconds, reply.tokens_in, reply.tokens_out, reply.attempts
                buffer.append(JudgeReply(reply.key, judge.model, reply.raw, *about))
                if time.monotonic() - last >= COMMIT_EVERY_S:
                    self._ledger.keep_replies(buffer)
                    buffer, last = [], time.monotonic()
        finally:
            replies.close()
            self._ledger.keep_replies(buffer)

    def _gate(self, name: str) -> Mapping[str, Question]:
        if name not in self._gates:
            judge = self.judges[self._number(name)]
            self._gates[name] = gate_questions(judge, sets_of(judge, self._workspace))
        return self._gates[name]

    def _number(self, name: str) -> int:
        return int(name.partition(":")[0]) - 1

    def _rubric(self, number: int) -> Rubric:
        return rubric_of(self.judges[number])


def comparing(judge: Judge) -> Judge:
    """The same judge with a rubric by which answers are compared."""
    return judge.model_copy(update={"rubric": rubric_of(judge).model_copy(update={"mode": "pairwise"})})


def prompt_of(item: Item) -> str:
    """All that a model was told before its last answer."""
    return "\n\n".join((*((item.system,) if item.system else ()), *item.turns))


def verdict_json(said: Verdict | Unscored) -> dict[str, Any]:
    """What was read out of a reply, as JSON."""
    if isinstance(said, Unscored):
        return {"code": said.code, "reason": said.reason}
    return {"scores": dict(said.scores), "winners": dict(said.winners)}


def _length(texts: Sequence[Sequence[str]]) -> list[float]:
    """Words of each item's answers, mean over its draws."""
    return [fmean(len(text.split()) for text in each) for each in texts]


def _both(first: float, swapped: float) -> float:
    """1 where the condition is preferred in both orders; nan where either has no verdict."""
    return NAN if first != first or swapped != swapped else float(first == swapped == 1.0)
