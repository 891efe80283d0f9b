"""evaluators/pocket: how well a model does the tasks it was trained on, on prompts it never saw."""

from __future__ import annotations

from collections.abc import Sequence

from ...specs.suite import Suite
from ..exact_match import exact_matches
from ..models.load import LoadedModel
from ..tasks.generate import generate

DRAW = 1
TEMPLATES = 30


def held_out(model: LoadedModel, families: Sequence[str], items: int) -> dict[str, dict[str, float]]:
    """Share of a family's verification prompts whose whole target is the greedy continuation, and of how many."""
    suite = Suite(families=tuple(dict.fromkeys(families)), templates=min(items, TEMPLATES), items=items)
    blocks = generate(suite, model.tokenizer, "verification", DRAW)
    return {
        block.family: {"exact_match": sum(exact_matches(model, block.examples)) / len(block.examples), "n": items}
        for block in blocks
    }
