"""engine/judging: people label a claim's own answers, blind and shuffled, in the terminal or on a sheet.

Which answers are labelled is drawn by digest before anybody has seen them; the ledger keeps what is said, answer by
answer, so that one can stop and go on.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...specs.canonical import digest
from ...specs.claim import MeasuredClaim
from ...store import Label
from ..audit import Audit, Options
from ..errors import UsageError
from ..measure import Place, items_of
from ..select import Selection
from ..terminal import TerminalTalk
from .answers import by_item
from .panel import prompt_of

if TYPE_CHECKING:
    from ...specs.judge import Rubric
    from ..needs import Resolved
    from ..workspace import Workspace

COLUMNS = ("id", "task", "answer", "other answer", "score")


@dataclass(frozen=True)
class ToLabel:
    """One answer, or a pair, and where what is said of it is kept."""

    key: str
    position: int
    task: str
    answers: tuple[str, ...]
    """Of a pair in the order in which it is shown."""
    swapped: bool

    @property
    def id(self) -> str:
        """12 hex digits that say nothing of the condition."""
        return digest("to label", [self.key, self.position])[:12]


@dataclass(frozen=True)
class Sheet:
    """The answers of a claim that are to be labelled, shuffled, and how."""

    rows: tuple[ToLabel, ...]
    rubric: str
    dimension: str
    asks: str
    scale: tuple[int, int]
    pairs: bool

    @property
    def accepted(self) -> str:
        """What may be said of a row."""
        return "1 (the first), 2 (the second) or 0 (neither)" if self.pairs else f"{self.scale[0]} to {self.scale[1]}"

    def label(self, row: ToLabel, said: str) -> Label:
        """What somebody typed, as a label.

        Raises:
            ValueError: it is not what is accepted.
        """
        number = int(said)
        if self.pairs:
            score = {0: 0.0, 1: float(not row.swapped), 2: float(row.swapped)}[number] if number in (0, 1, 2) else None
        else:
            score = float(number) if self.scale[0] <= number <= self.scale[1] else None
        if score is None:
            raise ValueError(said)
        return Label(row.key, row.position, self.rubric, self.dimension, score)


def label(workspace: Workspace, claim: str, count: int, export: Path | None, sheet: Path | None) -> None:
    """Ask for labels here, or write or read a sheet of them."""
    audit = Audit(workspace, Options(Selection((claim,))), TerminalTalk())
    found = sheet_of(audit, claim, count)
    known = audit.ledger.labels({row.key for row in found.rows}, found.rubric, found.dimension)
    todo = [row for row in found.rows if row.position not in known.get(row.key, {})]
    if sheet is not None:
        labels = read_sheet(sheet, found)
        audit.ledger.keep_labels(labels)
        print(f"{len(labels)} labels are kept; `mi-atlas audit {claim}` grades with them")
    elif export is not None:
        write_sheet(export, found, todo)
        print(f"{len(todo)} answers are in {export}; fill in `score` ({found.accepted}), then --import it")
    else:
        _ask(audit, found, todo)


def sheet_of(audit: Audit, claim: str, count: int) -> Sheet:
    """The first answers, in the order of the draw, of each condition that the claim compares.

    Raises:
        UsageError: the claim is judged by nobody, or its answers were not written yet.
    """
    from ..grade.correction import to_label
    from .answers import label_place, rubric_of

    resolved = audit.resolved.get(claim)
    if resolved is None or not isinstance(resolved.claim, MeasuredClaim) or not resolved.claim.metric.panel:
        raise UsageError(f"{claim} is no claim whose answers are judged")
    if "main" in resolved.absent:
        raise UsageError(f"{claim}: {resolved.absent['main'][1]}")
    metric = resolved.claim.metric
    places: dict[str, list[tuple[str, str, int, int]]] = {}
    examples = [(number, place) for number, block in enumerate(resolved.blocks) for place in range(len(block.examples))]
    ids = [example for block in resolved.blocks for example in block.examples]
    for address, keys in resolved.series.items():
        if address.arm == "main":
            some = places.setdefault(address.site, [])
            some += [
                (f"{address.intervention}/{example}", keys[number], number, place)
                for example, (number, place) in zip(ids, examples, strict=True)
            ]
    chosen = {
        (key, number, place): None
        for some in places.values()
        for _, key, number, place in (some[index] for index in to_label([each[0] for each in some], count))
    }
    rows = _rows(audit, resolved, list(chosen))
    rubric: Rubric = rubric_of(metric.judges[0])
    asks = next(each.asks for each in rubric.dimensions if each.name == metric.dimension)
    about = *label_place(metric), asks, (rubric.scale[0], rubric.scale[1]), metric.versus is not None
    return Sheet(tuple(sorted(rows, key=lambda row: digest("shuffled", row.id))), *about)


def _rows(audit: Audit, resolved: Resolved, chosen: Sequence[tuple[str, int, int]]) -> list[ToLabel]:
    reads = {key: resolved.runs[key].reads for key, _, _ in chosen}
    texts = audit.ledger.texts({each for some in reads.values() for each in some})
    if any(each not in texts for some in reads.values() for each in some):
        name = resolved.claim.claim
        raise UsageError(f"the answers of {name} were not written yet; `mi-atlas audit {name}` lets the models write")
    run = resolved.runs[chosen[0][0]]
    assert run.group.writing is not None
    items = [block.items for block in items_of(run.group.writing, Place(audit.workspace.root, "cpu"))]
    rows = []
    for key, number, place in chosen:
        own, *others = reads[key]
        answers = tuple(by_item(texts[each], len(items[number]))[place][0] for each in (own, *others))
        swapped = bool(others) and int(digest("order", [own, place])[:2], 16) % 2 == 1
        shown = answers[::-1] if swapped else answers
        rows.append(ToLabel(own, place, prompt_of(items[number][place]), shown, swapped))
    return rows


def write_sheet(path: Path, sheet: Sheet, rows: Sequence[ToLabel]) -> None:
    """A CSV with an empty column `score`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            other = row.answers[1] if sheet.pairs else ""
            writer.writerow([row.id, row.task, row.answers[0], other, ""])


def read_sheet(path: Path, sheet: Sheet) -> list[Label]:
    """The labels of a sheet; rows without a score are left out.

    Raises:
        UsageError: a row is of another claim, or its score is not accepted; nothing is kept then.
    """
    known, labels = {row.id: row for row in sheet.rows}, []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    for line, row in enumerate(rows, 2):
        if "id" not in row or "score" not in row:
            raise UsageError(f"{path}: a sheet has the columns {', '.join(COLUMNS)}")
        if not (said := (row["score"] or "").strip()):
            continue
        if row["id"] not in known:
            raise UsageError(f"{path}, row {line}: `{row['id']}` is no answer of this claim that is to be labelled")
        try:
            labels.append(sheet.label(known[row["id"]], said))
        except ValueError:
            raise UsageError(f"{path}, row {line}: score is {sheet.accepted}, not {said!r}") from None
    return labels


def _ask(audit: Audit, sheet: Sheet, todo: Sequence[ToLabel]) -> None:
    """One answer after another; an empty line passes over one, `q` ends."""
    print(f"{len(todo)} answers to label. {sheet.asks} {sheet.accepted}; Enter passes over one, q ends.")
    for number, row in enumerate(todo, 1):
        print(f"\n--- {number} of {len(todo)}\n{row.task}")
        for place, answer in enumerate(row.answers, 1):
            print(f"--- answer{f' {place}' if sheet.pairs else ''}\n{answer}")
        while said := input(f"{sheet.accepted}> ").strip():
            if said == "q":
                return
            try:
                audit.ledger.keep_labels([sheet.label(row, said)])
                break
            except ValueError:
                print(f"that is not {sheet.accepted}")
