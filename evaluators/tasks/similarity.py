"""evaluators/tasks: which prompts are near-copies of each other, so that they are not counted as independent."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

THRESHOLD = 0.4
"""Jaccard similarity from which two prompts are near-copies."""

_TOKEN = re.compile(r"\w+|[^\w\s]")


def similar_groups(prompts: Sequence[str]) -> list[int]:
    """The number of each prompt's group, from 0, in order of first appearance.

    Two prompts are in one group when they have the same shape (capitals, digits and punctuation, with all
    words alike), or when their shingles (words and pairs of neighbouring words, with all numbers alike) have a
    Jaccard similarity of `THRESHOLD` or more, or when a chain of such prompts joins them. It errs towards few
    groups: taking clones for independent makes false claims High.
    """
    parent = list(range(len(prompts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    holders: defaultdict[str, list[int]] = defaultdict(list)
    shapes: dict[str, int] = {}
    sizes: list[int] = []
    for index, prompt in enumerate(prompts):
        shingles = _shingles(prompt)
        shared = Counter(other for shingle in shingles for other in holders[shingle])
        near = [other for other, both in shared.items() if both >= THRESHOLD * (len(shingles) + sizes[other] - both)]
        for other in [shapes.setdefault(_shape(prompt), index), *near]:
            parent[root(other)] = root(index)
        for shingle in shingles:
            holders[shingle].append(index)
        sizes.append(len(shingles))
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(prompts))]


def _shingles(prompt: str) -> set[str]:
    tokens = ["0" if token.isdigit() else token for token in _TOKEN.findall(prompt.lower())]
    return {*tokens, *(" ".join(pair) for pair in pairwise(tokens))}


def _shape(prompt: str) -> str:
    """`Ann has 12 cats.` -> `A a 0 a .`."""
    return " ".join(
        "0" if t.isdigit() else t if not t.isalnum() else "A" if t[0].isupper() else "a" for t in _TOKEN.findall(prompt)
    )
