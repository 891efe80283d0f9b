"""specs: faults in what a person wrote, each at its place in a file."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYNONYMS = {
    "ablate": "zero",
    "argmax": "top_component",
    "attention": "operator",
    "attn": "operator",
    "bf16": "bfloat16",
    "block": "layer",
    "cross_entropy": "kl",
    "entropy": "kl",
    "ffn": "mlp",
    "fp16": "float16",
    "fp32": "float32",
    "hub": "top_component",
    "kl_divergence": "kl",
    "noise": "matched_norm_noise",
    "random": "matched_norm_noise",
    "skip": "zero",
}
"""What others call a thing -> what it is called here; suggested only where it is accepted."""

LONGEST_SHOWN = 60
"""Characters of a foreign text that a message repeats."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, where it is, and what would be right."""

    path: Path
    """The file."""
    line: int
    """From 1; a line the file has."""
    column: int
    """From 1, in characters."""
    where: str
    """Place in the document, such as `expect.form` or `robustness[0].intervention`; empty for the whole file."""
    problem: str
    """What is wrong."""
    found: str = ""
    """What stands there."""
    accepted: str = ""
    """What may stand there."""
    suggestion: str = ""
    """The nearest accepted spelling."""

    def __str__(self) -> str:
        place = f"{printable(str(self.path))}:{self.line}:{self.column}: "
        parts = [f"{self.where}: {self.problem}" if self.where else self.problem]
        parts += [f"found {self.found}"] if self.found else []
        parts += [f"accepted {self.accepted}"] if self.accepted else []
        parts += [f"did you mean `{self.suggestion}`?"] if self.suggestion else []
        return place + "; ".join(parts)


class SpecError(Exception):
    """Specs that cannot be used: every fault of every file, in the order of the files."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def printable(text: str) -> str:
    """Text on one line that cannot steer a terminal: what does not print is escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shortened(text: str) -> str:
    """At most 60 printable characters of a text."""
    return printable(text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "...")


def dotted(path: Iterable[str | int]) -> str:
    """A document path in the form people read: `robustness[0].intervention`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{shortened(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def shown(value: Any) -> str:
    """What stands in a document, in a few words."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"the number `{value}`"
        case str():
            return f"the text `{shortened(value)}`" if value else "an empty text"
        case list():
            return f"a list of {len(value)}"
        case _:
            return "a mapping"


def listed(words: Iterable[str]) -> str:
    """The accepted words, each in backticks."""
    return ", ".join(f"`{word}`" for word in words)


def nearest(word: str, accepted: Collection[str]) -> str:
    """The accepted word that was probably meant, or the empty string."""
    if SYNONYMS.get(word.lower()) in accepted:
        return SYNONYMS[word.lower()]
    lowered = {choice.lower(): choice for choice in accepted}
    close = difflib.get_close_matches(word.lower(), lowered, n=1) if len(word) <= LONGEST_SHOWN else []
    return lowered[close[0]] if close else ""
