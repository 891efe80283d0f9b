"""evaluators/tasks: which prompts are for training, and which for which draw, by a hash of the prompt.

The bucket depends on nothing else, so training, every draw, every suite and every seed stay disjoint.
"""

from __future__ import annotations

import hashlib

TRAINING = 0
DRAWS = 16

LONG = "_long"
"""End of the name of a family whose prompts come after notes."""

AFTER_NOTES = "\n---\n"
"""Stands between the notes and the prompt of such a family; no prompt contains it."""


def question(prompt: str) -> str:
    """The prompt without the notes before it."""
    return prompt.rpartition(AFTER_NOTES)[2]


def bucket(family: str, prompt: str) -> int:
    """0 (training) for half of all prompts, else the number of a draw, 1 to 16; its notes change nothing."""
    number = hashlib.sha256(f"{family.removesuffix(LONG)}\0{question(prompt)}".encode()).digest()[0]
    return TRAINING if number < 128 else 1 + number % DRAWS
