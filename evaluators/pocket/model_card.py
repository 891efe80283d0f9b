"""evaluators/pocket: a pocket model's card as people read it, made from its card.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


def render(card: Mapping[str, Any]) -> str:
    """The text of README.md: architecture, recipe, seed, held-out scores of every family, digests."""
    recipe = card["recipe"]
    rows = "\n".join(
        f"| {family} | {recipe['mixture'][family]} | {score['exact_match']:.3f} | {score['n']} |"
        for family, score in card["held_out"].items()
    )
    parts = "\n".join(f"- {part}: `{card[part]}`" for part in ("weights", "tokenizer", "recipe_hash"))
    versions = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    settings = yaml.safe_dump({k: v for k, v in recipe.items() if k != "mixture"}, sort_keys=False, width=110)
    return f"""# {card["name"]}

{card["architecture"]}, {card["layers"]} layers, {card["parameters"]:,} parameters, bfloat16; trained from nothing on
the task families below, seed {card["seed"]}, in {card["seconds"]} s on one thread. It is a test object for claims,
not a language model for use. `mi-atlas models build {card["name"]}` makes it again.

## Held-out exact match

The whole target as greedy continuation, on verification prompts of draw 1 that training never saw.

| family | share of training | exact match | prompts |
|---|---|---|---|
{rows}

## Digests

{parts}
- made with {versions} on {card["cpu"]}

## Recipe

```yaml
{settings}```
"""
