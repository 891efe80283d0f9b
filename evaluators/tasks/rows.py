"""evaluators/tasks: a user's own suite: what a row is, and the blocks that rows make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError, model_validator

from ...specs.base import Spec
from ...specs.errors import Fault, listed, nearest, shown
from .align import align
from .buckets import DRAWS
from .errors import TaskError
from .example import Block, Example, Split
from .similarity import similar_groups

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_NonEmpty = Annotated[str, Field(min_length=1)]


class Row(Spec):
    """One example, as it is written."""

    family: _NonEmpty
    """Any name; examples of one family are measured together."""
    template: _NonEmpty | None = None
    """What the row is a copy of: the unit of replication. Rows without one are grouped by similarity."""
    clean: _NonEmpty
    """The prompt."""
    corrupt: _NonEmpty
    """Its twin, with as many tokens, to which `wrong_target` is the right answer."""
    target: _NonEmpty
    """The right continuation, with its leading space."""
    wrong_target: _NonEmpty
    """The corrupt prompt's right continuation."""
    split: Split = "verification"
    """All rows of a template are in one split."""
    draw: Annotated[int, Field(ge=1, le=DRAWS)] = 1
    """A prompt is in one draw; `audit --confirm` measures the next."""

    @model_validator(mode="after")
    def _two_sides(self) -> Row:
        if self.clean == self.corrupt:
            raise ValueError("clean and corrupt are the same prompt")
        if self.target == self.wrong_target:
            raise ValueError("target and wrong_target are the same")
        return self


def blocks_of(
    written: Mapping[int, Any], faults: Sequence[Fault], path: Path, tokenizer: Tokenizer, split: Split, draw: int
) -> tuple[Block, ...]:
    """All rows of a split and draw, one block a family in their order; rows that do not align are counted.

    `written` is line number -> what stands there, `faults` what was found before; `path` names their source.

    Raises:
        TaskError: every fault and every bad row with its place, or no row of this split and draw.
    """
    rows = _with_templates(path, _valid(written, faults, path))
    families = dict.fromkeys(row.family for row in rows if (row.split, row.draw) == (split, draw))
    if not families:
        raise TaskError(f"{path} has no rows of {split} draw {draw}; rows say theirs in `split` and `draw`")
    return tuple(
        _block(family, [row for row in rows if (row.family, row.split, row.draw) == (family, split, draw)], tokenizer)
        for family in families
    )


def _block(family: str, rows: list[Row], tokenizer: Tokenizer) -> Block:
    rejected: Counter[str] = Counter()
    examples: dict[str, Example] = {}
    for row in rows:
        if row.clean in examples:
            rejected["duplicate"] += 1
            continue
        template = str(row.template)
        example = align(tokenizer, family, template, row.clean, row.corrupt, row.target, row.wrong_target)
        if isinstance(example, Example):
            examples[row.clean] = example
        else:
            rejected[example] += 1
    if not examples:
        raise TaskError(
            f"no row of {family} can be used under this tokenizer; refused: {dict(sorted(rejected.items()))}"
        )
    return Block.of(family, rows[0].split, rows[0].draw, examples.values(), rejected)


def _valid(written: Mapping[int, Any], before: Sequence[Fault], path: Path) -> dict[int, Row]:
    rows: dict[int, Row] = {}
    faults = list(before)
    for number, fields in written.items():
        try:
            rows[number] = Row.model_validate(fields)
        except ValidationError as error:
            faults += _located(error, path, number)
    _refuse(sorted(faults, key=lambda fault: fault.line))
    return rows


def _located(error: ValidationError, path: Path, line: int) -> Iterator[Fault]:
    for each in error.errors(include_url=False):
        where = ".".join(map(str, each["loc"]))
        match each["type"]:
            case "extra_forbidden":
                fields = Row.model_fields
                yield Fault(path, line, 1, where, "is no field here", "", listed(fields), nearest(where, fields))
            case "missing":
                yield Fault(path, line, 1, where, "is missing")
            case "value_error":
                yield Fault(path, line, 1, where, str(each["ctx"]["error"]))
            case _:
                yield Fault(path, line, 1, where, each["msg"], shown(each["input"]))


def _with_templates(path: Path, rows: dict[int, Row]) -> list[Row]:
    """The rows, each template named `family/template`; rows without one get the number of their group."""
    groups: dict[int, str] = {}
    for family in dict.fromkeys(row.family for row in rows.values()):
        bare = [number for number, row in rows.items() if row.family == family and row.template is None]
        similar = similar_groups([rows[number].clean for number in bare])
        groups |= {number: f"group{group:03d}" for number, group in zip(bare, similar, strict=True)}
    named = {
        number: row.model_copy(update={"template": f"{row.family}/{row.template or groups[number]}"})
        for number, row in rows.items()
    }
    _refuse(list(_mixed(path, named)))
    return list(named.values())


def _mixed(path: Path, rows: dict[int, Row]) -> Iterator[Fault]:
    """Rows that break a promise about the whole file: splits share no template, and blocks share no prompt."""
    splits: dict[str, tuple[Split, int]] = {}
    places: dict[tuple[str, str], tuple[Split, int, int]] = {}
    for number, row in rows.items():
        split, first = splits.setdefault(str(row.template), (row.split, number))
        if split != row.split:
            problem = f"is {row.split}, but line {first}, of the same template {row.template}, is {split}"
            yield Fault(path, number, 1, "split", problem)
        split, draw, first = places.setdefault((row.family, row.clean), (row.split, row.draw, number))
        if (split, draw) != (row.split, row.draw):
            problem = f"is {row.split} draw {row.draw}, but line {first}, with the same prompt, is {split} draw {draw}"
            yield Fault(path, number, 1, "", problem)


def _refuse(faults: list[Fault]) -> None:
    if faults:
        raise TaskError("\n".join(map(str, faults)))
