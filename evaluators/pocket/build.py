"""evaluators/pocket: making a pocket model from nothing, its card, and whether it is the one that ships."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn

from ...specs.model import Model, Source
from ..models.load import load
from ..models.locate import Absent, Located, locate
from ..tasks.sources import source_digest
from ..tasks.training import training_examples
from . import card, shipped
from .model_card import render
from .recipe import Recipe, find_recipe
from .score import held_out
from .tokenizer import CHAT_TEMPLATE, END_OF_TEXT, learn_tokenizer
from .train import Progress, made_by, model_config, one_thread, train

HELD_OUT_ITEMS = 300
"""Held-out prompts a family."""

TOLERANCE = 0.05
"""Loss of held-out exact match at which another training run still counts as the same model."""

GOOD = 0.9
"""Held-out exact match from which a model is said to do a family."""

CONDITIONS = ("recipe_hash", "tasks", "versions", "cpu")
"""Entries of a card that must agree before equal weights can be expected."""


@dataclass(frozen=True)
class BuildReport:
    """A pocket model that was just made, beside the one that ships."""

    folder: Path
    card: Mapping[str, Any]
    shipped: Mapping[str, Any] | None
    """Card of the shipped model; None where none of that name ships."""

    @property
    def matches(self) -> bool:
        """The same weights; or, made under other conditions, as good on held-out prompts within `TOLERANCE`."""
        if self.shipped is None or self.same:
            return self.same
        scores, expected = self.card["held_out"], self.shipped["held_out"]
        worst = min(scores[family]["exact_match"] - expected[family]["exact_match"] for family in expected)
        return bool(self.differences) and worst >= -TOLERANCE

    @property
    def same(self) -> bool:
        """The weights are those that ship, bit by bit."""
        return self.shipped is not None and self.card["weights"] == self.shipped["weights"]

    @property
    def differences(self) -> tuple[str, ...]:
        """Conditions under which the shipped model was made that do not hold here."""
        if self.shipped is None:
            return ()
        return tuple(name for name in CONDITIONS if self.card[name] != self.shipped[name])

    def __str__(self) -> str:
        scores = [score["exact_match"] for score in self.card["held_out"].values()]
        good = sum(score >= GOOD for score in scores)
        held_out = f"exact match {sum(scores) / len(scores):.3f} held out, {good} of {len(scores)} families >= {GOOD}"
        return f"{self.card['name']}: {held_out}; {self._verdict}; in {self.folder}"

    @property
    def _verdict(self) -> str:
        if self.shipped is None:
            return "none of that name ships"
        if self.same:
            return "the same weights as the shipped model"
        why = ", ".join(self.differences)
        return (
            f"other weights than the shipped model: {why} differ"
            if why
            else "other weights than the shipped model under equal conditions"
        )


def build(name: str, out: Path, progress: Progress | None = None) -> BuildReport:
    """Train a pocket model from nothing into the folder `out` and compare it with the one that ships.

    Raises:
        LookupError: there is no recipe of that name.
        TrainingError: this machine cannot train.
    """
    recipe = find_recipe(name)
    before = card(name) if name in shipped() else None
    return BuildReport(out, make(recipe, out, progress), before)


def make(recipe: Recipe, out: Path, progress: Progress | None = None, items: int = HELD_OUT_ITEMS) -> dict[str, Any]:
    """Tokenizer, weights and card of a recipe, written into `out`; gives the card."""
    start = time.perf_counter()
    texts = (example.clean + example.target for example in training_examples(recipe.stream, recipe.seed))
    tokenizer = learn_tokenizer(islice(texts, recipe.vocabulary_examples), recipe.vocabulary)
    module = train(recipe, tokenizer, training_examples, progress)
    seconds = time.perf_counter() - start
    _save(recipe, tokenizer, module, out)
    located = locate(Model(model=recipe.pocket, source=Source(path=str(out))), Path())
    if isinstance(located, Absent):
        raise RuntimeError(located.message)
    made = _card(recipe, located, round(seconds), items)
    (out / "card.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(render(made), encoding="utf-8")
    return made


def _save(recipe: Recipe, tokenizer: Tokenizer, module: nn.Module, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT}
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (out / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    config = model_config(recipe, tokenizer.get_vocab_size())
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = {
        name: value.to(torch.bfloat16) for name, value in module.state_dict().items() if name != "lm_head.weight"
    }
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # safetensors makes it readable for its owner alone


def _card(recipe: Recipe, located: Located, seconds: int, items: int) -> dict[str, Any]:
    model = load(located)
    with one_thread():
        scores = held_out(model, recipe.families, items)
    return {
        "name": recipe.pocket,
        "architecture": located.architecture,
        "layers": located.layers,
        "parameters": sum(parameter.numel() for parameter in model.module.parameters()),
        "seed": recipe.seed,
        "held_out": scores,
        "weights": located.parts["weights"],
        "tokenizer": located.parts["tokenizer"],
        "recipe_hash": recipe.hash,
        "tasks": source_digest(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
            "compiler": made_by(recipe),
        },
        "cpu": _cpu(),
        "seconds": seconds,
        "recipe": recipe.model_dump(mode="json"),
    }


def _cpu() -> str:
    """Kind of processor: what decides which kernels run, and so the last bits of a sum."""
    models = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return " ".join([platform.machine(), torch.backends.cpu.get_cpu_capability(), *models[:1]])


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
