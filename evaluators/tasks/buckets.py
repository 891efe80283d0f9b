"""evaluators/tasks: which prompts are for training, and which for which draw, by a hash of the prompt.

The bucket depends on nothing else, so training, every draw, every suite and every seed stay disjoint.
"""

from __future__ import annotations

import hashlib

TRAINING = 0
DRAWS = 16


def bucket(family: str, prompt: str) -> int:
    """0 (training) for half of all prompts, else the number of a draw, 1 to 16."""
    number = hashlib.sha256(f"{family}\0{prompt}".encode()).digest()[0]
    return TRAINING if number < 128 else 1 + number % DRAWS
