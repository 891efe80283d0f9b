"""evaluators: which tokens of a prompt belong to a class of positions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer

from ..specs.sites import PositionClass
from .tasks.example import Example

DELIMITERS = frozenset("()[]{}<>\"'`,:;.?!|\n\t")
OPERATORS = frozenset("+-*/%=<>!&|^~")


class Places:
    """The classes of positions under one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._text = cache(lambda token: tokenizer.decode([token], skip_special_tokens=False).strip(" "))

    def __call__(self, example: Example, at: PositionClass) -> tuple[int, ...]:
        """Positions of a class in the clean prompt, in order; empty where it has none."""
        ids = example.clean_ids
        match at:
            case "first":
                return (0,)
            case "last":
                return (len(ids) - 1,)
            case "subject":
                pairs = zip(ids, example.corrupt_ids, strict=True)
                return tuple(i for i, (clean, corrupt) in enumerate(pairs) if clean != corrupt)
            case "answer":
                return tuple(i for i, token in enumerate(ids[:-1]) if token == example.target_ids[0])
            case "delimiter":
                return tuple(i for i, token in enumerate(ids) if self._made_of(token, DELIMITERS))
            case "operator_token":
                return tuple(i for i, token in enumerate(ids) if self._made_of(token, OPERATORS))

    def apply(self, examples: Sequence[Example], at: PositionClass) -> list[float]:
        """1 for examples that have tokens of a class, 0 for the others."""
        return [float(bool(self(example, at))) for example in examples]

    def _made_of(self, token: int, signs: frozenset[str]) -> bool:
        text = self._text(token)
        return bool(text) and set(text) <= signs
