"""specs: what a recorded-evidence map is: where the numbers of existing result files are, and what they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Many, Name, Spec, Text
from .recorded_paths import FilePattern, JsonPath, Label, fields_of

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Counted = Annotated[int, Field(ge=1, le=1_000_000)]

AXES = ("family", "prompt", "seed", "draw")
"""Fields that tell units of replication apart; a field of another name only helps to write labels."""


class Defect(Spec):
    """Something that is known to be wrong with the numbers."""

    says: Text
    """What, in one sentence."""
    blocks: bool = False
    """Whether it makes them no evidence for any claim: no grade but Pending follows from them, unless a universal
    wording about what was recorded is contradicted by what was recorded."""


class Denominator(Spec):
    """What a recorded ratio was divided by: a ratio over next to nothing is no ratio."""

    at: JsonPath
    """Where it is."""
    floor: Annotated[float, Field(gt=0)]
    """A ratio whose denominator is below this, or negative, is left out."""


class _Where(Spec):
    """Fields, and what their values mean."""

    fields: Annotated[dict[FieldName, JsonPath], Field(default_factory=dict)]
    """Field -> path of its value; the fields in the path are bound by files, by values, or above."""
    words: Annotated[dict[FieldName, dict[str, str]], Field(default_factory=dict)]
    """Field -> what is found -> what it is called here; other values stay as they are."""
    only: Annotated[dict[FieldName, Many[str]], Field(default_factory=dict)]
    """Field -> the values (as found) that are read; the others are counted and left out."""
    defects: Many[Defect] = ()
    """What is known to be wrong."""


class Numbers(_Where):
    """One table of numbers in a file. Labels may hold `{fields}`."""

    values: JsonPath
    """Where the numbers are; its fields are bound to the keys and indices on the way."""
    evaluator: Label
    """Which evaluator it was, in the words of claims."""
    quantity: Label
    """Which quantity, in the words of claims."""
    unit: Annotated[str, Field(max_length=60)]
    """nats, logits, tokens/s; empty for a share or a rate. Nothing of another unit is ever put with it."""
    positions: Literal["last", "mean", "sum"] | None = None
    """Of a quantity per token: at the last position, or the mean or the sum over positions."""
    intervention: Label = "none"
    """zero, mean, steer(-4): in the words of claims. Without its parameters (generate) it stands for any."""
    component: Label
    """The site, or what else is compared: `L{layer}.mlp`."""
    settings: Annotated[dict[FieldName, Label], Field(default_factory=dict)]
    """Field of the metric -> what it was here (against: L6.residual, skill: copying). They say nothing to claims with
    another."""
    recipe: Label | None = None
    """Of trained conditions: the name of the recipe. They say nothing to claims on another one."""
    control: Label | None = None
    """Which control these are the draws of; they stand in for `intervention` at `component`."""
    n: Counted | JsonPath = 1
    """Prompts behind one number: a count, or where it is recorded."""
    rate: bool = False
    """Whether the number is the share of n items that are 1, the others being 0: it is read as these items."""
    spread: JsonPath | None = None
    """Where the standard deviation over those prompts is."""
    complement: bool = False
    """Whether the quantity is 1 minus what is recorded: an overlap recorded where a loss is asked for."""
    denominator: Denominator | None = None
    """Where the number is itself a ratio."""
    signed: FieldName | None = None
    """A field whose value is a signed strength: where +s and -s agree, the sign was lost."""
    same: Many[Annotated[Many[str], Field(min_length=2)]] = ()
    """Groups of components that are one and the same thing: what they differ by is noise."""
    expected: Counted | None = None
    """How many numbers a file should have for each component; what is missing is counted."""


class RecordedMap(_Where):
    """Result files of one format, and the tables of numbers in them."""

    recorded: Name
    """Name, as in the file's own name."""
    about: Text
    """What was run."""
    files: Annotated[Many[FilePattern], Field(min_length=1)]
    """Which files, below the folder that is imported."""
    model: Label
    """A name of models, or a Hugging Face id."""
    layers: Counted | JsonPath | None = None
    """How many layers the model has: what is swept less is no whole sweep."""
    dtype: str = "unknown"
    """Number format the model ran in."""
    replicate: Literal["training seed", "session", "nothing"] = "nothing"
    """What is done anew under another seed; nothing: a pass without randomness, of which a seed is a copy."""
    numbers: Annotated[Many[Numbers], Field(min_length=1)]
    """The tables."""

    @model_validator(mode="after")
    def _bound(self) -> RecordedMap:
        for pattern in self.files:
            named = set(fields_of(pattern))
            known = _all_bound("fields", self.fields, named)
            if isinstance(self.layers, str):
                _require("layers", (self.layers,), known)
            bound = [
                _check_table(f"numbers[{index}]", table, known | set(fields_of(table.values)), self.model)
                for index, table in enumerate(self.numbers)
            ]
            for where, names in (("words", self.words), ("only", self.only)):
                for name in names:
                    if not any(name in each for each in bound):
                        raise ValueError(
                            f"{where}.{name} is of a field that nothing binds{_choice(set().union(*bound))}"
                        )
        return self


def _check_table(where: str, table: Numbers, known: set[str], model: str) -> set[str]:
    """The fields that are bound in a table."""
    known = _all_bound(f"{where}.fields", table.fields, known)
    _require("model", (model,), known)
    for name in ("evaluator", "quantity", "intervention", "component", "recipe", "control", "n", "spread"):
        if isinstance(text := getattr(table, name), str):
            _require(f"{where}.{name}", (text,), known)
    for field, label in table.settings.items():
        _require(f"{where}.settings.{field}", (label,), known)
    if table.denominator:
        _require(f"{where}.denominator.at", (table.denominator.at,), known)
    for part, names in (("words", table.words), ("only", table.only)):
        for name in names:
            if name not in known:
                raise ValueError(f"{where}.{part}.{name} is of a field that nothing binds{_choice(known)}")
    if table.signed and table.signed not in known:
        raise ValueError(f"{where}.signed names `{table.signed}`, which nothing binds{_choice(known)}")
    return known


def _all_bound(where: str, paths: dict[str, str], known: set[str]) -> set[str]:
    for name, path in paths.items():
        _require(f"{where}.{name}", (path,), known)
        if name in known:
            raise ValueError(f"{where}.{name} is bound already")
        known = known | {name}
    return known


def _require(where: str, texts: tuple[str, ...], known: set[str]) -> None:
    for name in _names(texts):
        if name not in known:
            raise ValueError(f"{where} uses {{{name}}}, which nothing binds{_choice(known)}")


def _names(texts: tuple[str, ...]) -> Iterator[str]:
    for text in texts:
        yield from fields_of(text)


def _choice(known: set[str]) -> str:
    return f" (bound are {', '.join(sorted(known))})" if known else " (nothing is bound)"
