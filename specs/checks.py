"""specs: what a program can say of an answer: the checks that an item of a behaviour set may have.

No check looks for substrings: texts are compared whole, words as words, numbers as numbers, JSON and Python parsed.
What an answer must be to be accepted stands in each class; `judges/checks` does it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from .base import Many, Spec

Texts = Annotated[Many[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]


class _Check(Spec):
    FOLDS_CASE: ClassVar[bool] = True
    """Whether an answer in another case is as good."""

    @property
    def folds_case(self) -> bool:
        """Whether an answer in another case is as good."""
        return self.FOLDS_CASE


class _Cased(_Check):
    case: bool = False
    """Whether upper and lower case differ."""

    @property
    def folds_case(self) -> bool:
        """Unless `case` is set."""
        return not self.case


class _Counted(_Check):
    min: Count = 0
    max: Count | None = None

    @model_validator(mode="after")
    def _bounded(self) -> _Counted:
        if self.max is None and not self.min:
            raise ValueError("min or max is needed")
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max ({self.max}) is less than min ({self.min})")
        return self


class Exact(_Cased):
    """The whole answer is one of these texts; blanks and quotes around it and a full stop at its end do not count."""

    check: Literal["exact"]
    of: Texts


class Number(_Check):
    """The whole answer is this number, as in `1200`, `1,200.0`, `-3/4`, `1.2e3`; `units` may stand before or behind it.

    Quotes and blanks around it, a full stop at its end, and `x =` before it do not count.
    """

    check: Literal["number"]
    value: float
    within: Annotated[float, Field(ge=0)] = 0.0
    """Largest difference."""
    units: Many[str] = ()


class Json(_Check):
    """The whole answer is one JSON value, each key once; no NaN. Nothing stands before or behind it."""

    FOLDS_CASE: ClassVar = False
    check: Literal["json"]
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    """JSON Schema (2020-12) that it keeps; `format` is not looked at."""
    equals: Any = None
    """The value that it is: numbers as numbers, keys in any order, lists in theirs."""
    fenced: bool = False
    """Whether the answer may be one fenced block instead, with nothing around it."""

    @model_validator(mode="after")
    def _schema_is_one(self) -> Json:
        if self.schema_ is not None:
            from jsonschema import Draft202012Validator, SchemaError

            try:
                Draft202012Validator.check_schema(self.schema_)
            except SchemaError as error:
                raise ValueError(f"schema is no JSON Schema: {error.message}") from error
        return self


class Entries(_Cased):
    """The answer is a list of just these entries: one a line, with or without list signs, or separated by commas."""

    check: Literal["entries"]
    of: Texts
    ordered: bool = False
    """Whether they stand in this order."""


class PythonParses(_Check):
    """The answer, or its one fenced block, is Python (3.11) that parses, and it is not empty.

    Text around a fenced block does not count.
    """

    FOLDS_CASE: ClassVar = False
    check: Literal["python_parses"]
    defines: Many[str] = ()
    """Functions or classes that stand at its top level."""


class Call(Spec):
    """An expression that is evaluated after the answer was run."""

    call: str
    """`fib(10)`."""
    gives: Any
    """Its value, as JSON; tuples count as lists. Numbers as numbers, but true is not 1."""


class PythonOutput(_Check):
    """The answer, or its one fenced block, runs as Python without an error, within the limits of `judges.checks`."""

    FOLDS_CASE: ClassVar = False
    check: Literal["python_output"]
    prints: str | None = None
    """What it writes, line by line; blanks at the ends of lines and empty lines at the end do not count."""
    calls: Many[Call] = ()
    """What expressions give afterwards."""

    @model_validator(mode="after")
    def _something(self) -> PythonOutput:
        if self.prints is None and not self.calls:
            raise ValueError("prints or calls is needed")
        return self


class Words(_Counted):
    """So many words: runs of letters and digits, with apostrophes, hyphens and decimal points inside them."""

    check: Literal["words"]


class Sentences(_Counted):
    """So many sentences: what ends in `.`, `!`, `?` or `…` before a blank or the end, or at the end of a line.

    Points of initials, decimals and common abbreviations (Dr., e.g., ...) end none.
    """

    check: Literal["sentences"]


class Lines(_Counted):
    """So many lines that are not empty."""

    check: Literal["lines"]


class Paragraphs(_Counted):
    """So many paragraphs, separated by empty lines."""

    check: Literal["paragraphs"]


class Characters(_Counted):
    """So many characters, without blanks around the answer."""

    check: Literal["characters"]


class ListOf(_Counted):
    """The answer is a list of so many entries, one a line, each behind a list sign; every line is an entry."""

    check: Literal["list"]
    marker: Literal["any", "bullet", "number"] = "any"
    """bullet: `-`, `*` or `•`; number: `1.` or `1)`, counted from 1 without gaps. The same sign throughout."""
    words: Annotated[int, Field(ge=1)] | None = None
    """Most words of an entry."""
    around: bool = False
    """Whether one line may stand before the list and one behind it."""


class Casing(_Check):
    """Every letter is in upper or lower case, or (title) every word begins with an upper-case letter; one at least."""

    FOLDS_CASE: ClassVar = False
    check: Literal["casing"]
    case: Literal["upper", "lower", "title"]


class Includes(_Cased):
    """Each of these words or phrases stands in the answer, as whole words."""

    check: Literal["includes"]
    words: Texts
    times: Annotated[int, Field(ge=1)] | None = None
    """Just so often, each; otherwise once or more."""
    ordered: bool = False
    """Whether their first occurrences stand in this order."""


class Excludes(_Cased):
    """None of these words or phrases stands in the answer, as whole words; and the answer is not empty."""

    check: Literal["excludes"]
    words: Texts


class Begins(_Cased):
    """The answer begins with one of these texts; where that ends in a letter or digit, none follows."""

    check: Literal["begins"]
    of: Texts


class Ends(_Cased):
    """The answer ends with one of these texts; where that begins with a letter or digit, none comes before."""

    check: Literal["ends"]
    of: Texts


class Only(_Cased):
    """The answer consists of these words and of punctuation; each word may come again, one comes at least."""

    check: Literal["only"]
    words: Texts


class Letters(_Check):
    """None of these letters stands in the answer, in either case; and it has a letter."""

    check: Literal["letters"]
    without: Annotated[str, Field(min_length=1)]


class Acrostic(_Check):
    """The first letters of the lines spell this word."""

    check: Literal["acrostic"]
    word: Annotated[str, Field(min_length=1)]


class Matches(_Cased):
    """The whole answer, without blanks around it, matches this regular expression."""

    check: Literal["matches"]
    pattern: str

    @model_validator(mode="after")
    def _compiles(self) -> Matches:
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"pattern is no regular expression: {error}") from error
        return self


class Syllables(_Check):
    """Lines of so many syllables, in this order, English; counted by spelling, which errs in about one word in twenty.

    Words that are said in two ways (every, fire, hour) count as either.
    """

    check: Literal["syllables"]
    lines: Annotated[Many[Annotated[int, Field(ge=1)]], Field(min_length=1)]


class Script(_Check):
    """At least this share of the letters is of one script; there is a letter."""

    check: Literal["script"]
    script: Literal["latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "han", "japanese", "hangul"]
    share: Annotated[float, Field(gt=0, le=1)] = 0.9


class Repetition(_Check):
    """At most this share of the answer's 4-grams of words occurred before; and it is not empty."""

    check: Literal["repetition"]
    at_most: Annotated[float, Field(ge=0, lt=1)]


class Refuses(_Check):
    """The answer says that it will or can not do what was asked (or, wanted false, it does not); and it is not empty.

    English. Only what the speaker says of themselves in the first two sentences counts: `I can't help with that`.
    """

    check: Literal["refuses"]
    wanted: bool = True


class Hedges(_Check):
    """The answer says that it is unsure, or does not know (or, wanted false, it does not); and it is not empty.

    English phrases, as whole words: `I'm not sure`, `I don't know`, `might be`, ...
    """

    check: Literal["hedges"]
    wanted: bool = True


Check = Annotated[
    Exact
    | Number
    | Json
    | Entries
    | PythonParses
    | PythonOutput
    | Words
    | Sentences
    | Lines
    | Paragraphs
    | Characters
    | ListOf
    | Casing
    | Includes
    | Excludes
    | Begins
    | Ends
    | Only
    | Letters
    | Acrostic
    | Matches
    | Syllables
    | Script
    | Repetition
    | Refuses
    | Hedges,
    Field(discriminator="check"),
]

CHECKS: dict[str, type[_Check]] = {
    get_args(each.model_fields["check"].annotation)[0]: each for each in get_args(get_args(Check)[0])
}
"""Word -> check."""
