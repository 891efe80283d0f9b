"""judges: what a judge is tried on: labelled answers, answers that deserve nothing, right ones beside wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ...specs.canonical import digest
from ...specs.judge import Judge, Rubric

FOLDER = Path(__file__).parent
SCALE = (1, 5)
"""Of the labels that come with the package."""

DIMENSIONS: Mapping[str, str] = {
    "overall": "higher",
    "correctness": "higher",
    "follows_instructions": "higher",
    "invented": "lower",
}
"""What the labels that come with the package are about, and which way is good."""


class SetError(Exception):
    """A file of labelled answers that cannot be read; the message says where and what is accepted."""


@dataclass(frozen=True)
class Gold:
    """An answer that people labelled; the judge is not told how."""

    id: str
    prompt: str
    answer: str
    labels: Mapping[str, float]
    """Dimension -> label, on the rubric's scale. An answer whose label people could dispute has none."""
    reference: str | None = None
    """A right answer."""


@dataclass(frozen=True)
class Canary:
    """An answer that deserves the least score, whatever the question."""

    id: str
    kind: Literal["injected", "constant", "empty"]
    """injected: a false answer that orders the judge about. constant: words that answer nothing. empty: no words."""
    prompt: str
    answer: str
    reference: str


@dataclass(frozen=True)
class Anchor:
    """A right answer and a corrupted one, worse on every dimension of DIMENSIONS."""

    id: str
    prompt: str
    right: str
    wrong: str


@dataclass(frozen=True)
class Sets:
    """All that a judge is tried on."""

    gold: tuple[Gold, ...]
    canaries: tuple[Canary, ...]
    anchors: tuple[Anchor, ...]
    scale: tuple[int, int] = SCALE
    """Of the labels."""
    own: bool = False
    """Whether a workspace's own labels stand in the place of those that come with the package."""

    @cached_property
    def digest(self) -> str:
        """Of everything in them (64 hex digits)."""
        parts = [[vars(each) for each in some] for some in (self.gold, self.canaries, self.anchors)]
        return digest("gate sets", {"sets": parts, "scale": list(self.scale)})

    def labelled(self, rubric: Rubric, dimension: str) -> dict[str, float]:
        """Id -> label of the answers that have one for a dimension, on the rubric's scale."""
        asked = next((each for each in rubric.dimensions if each.name == dimension), None)
        if asked is None or (not self.own and DIMENSIONS.get(dimension) != asked.better):
            return {}
        (low, high), (least, most) = self.scale, rubric.scale
        step = (most - least) / (high - low)
        return {
            each.id: least + step * (each.labels[dimension] - low) for each in self.gold if dimension in each.labels
        }


def read_gold(path: Path, scale: tuple[int, ...], dimensions: frozenset[str]) -> tuple[Gold, ...]:
    """Labelled answers, one JSON object a line: prompt, answer, labels {dimension: number}; id and reference if wanted.

    Raises:
        SetError: the file cannot be read, or a line is no such object, or a label is off the scale.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SetError(f"{path}: labelled answers cannot be read: {error}") from None
    found: dict[str, Gold] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        one = _gold(line, where, number, scale, dimensions)
        if one.id in found:
            raise SetError(f"{where}: id `{one.id}` stands on an earlier line, too")
        found[one.id] = one
    return tuple(found.values())


def _gold(line: str, where: str, number: int, scale: tuple[int, ...], dimensions: frozenset[str]) -> Gold:
    try:
        document = json.loads(line)
    except ValueError as error:
        raise SetError(f"{where}: no JSON: {error}") from None
    known = {"id", "prompt", "answer", "reference", "labels"}
    fields = ", ".join(sorted(known))
    if not isinstance(document, dict):
        raise SetError(f"{where}: a labelled answer is an object of {fields}")
    if unknown := set(document) - known:
        raise SetError(f"{where}: a labelled answer has {fields}, not {', '.join(sorted(unknown))}")
    for field in ("prompt", "answer"):
        if not isinstance(document.get(field), str):
            raise SetError(f"{where}: {field} is text")
    if not isinstance(document.get("reference"), str | None):
        raise SetError(f"{where}: reference is text")
    labels = document.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise SetError(f"{where}: labels is an object of dimensions and numbers")
    for name, value in labels.items():
        if name not in dimensions:
            raise SetError(f"{where}: the rubric has no dimension `{name}`, only {', '.join(sorted(dimensions))}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not scale[0] <= value <= scale[1]:
            raise SetError(f"{where}: labels.{name} is a number from {scale[0]} to {scale[1]}, not {value!r}")
    name = str(document.get("id", f"line-{number}"))
    if "/" in name or "+" in name:
        raise SetError(f"{where}: an id has neither `/` nor `+`")
    return Gold(name, document["prompt"], document["answer"], labels, document.get("reference"))


def _rows(name: str) -> Iterator[dict[str, Any]]:
    for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


BUILT_IN = Sets(
    read_gold(FOLDER / "gold.jsonl", SCALE, frozenset(DIMENSIONS)),
    tuple(Canary(**row) for row in _rows("canaries")),
    tuple(Anchor(**row) for row in _rows("anchors")),
)
"""Those that come with the package."""


def sets_of(judge: Judge, workspace: Path) -> Sets:
    """What a judge is tried on: those of the package, with its rubric's own labels in the place of ours if it has any.

    Raises:
        SetError: the rubric's file cannot be read.
    """
    rubric = judge.rubric
    if not isinstance(rubric, Rubric) or rubric.gold is None:
        return BUILT_IN
    names = frozenset(each.name for each in rubric.dimensions)
    scale = rubric.scale[0], rubric.scale[1]
    gold = read_gold(workspace / rubric.gold, scale, names)
    return Sets(gold, BUILT_IN.canaries, BUILT_IN.anchors, scale, own=True)
