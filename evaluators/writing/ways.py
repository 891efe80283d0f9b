"""evaluators/writing: which prompts a model may be given together, by proof: batched it writes as it does one by one.

Prompts of random tokens, the same for every model of a vocabulary, are continued greedily one by one. Then

    cache      the logits at every new token are those of a pass over all tokens without a cache: must hold
    padded     in one batch behind padding the likeliest tokens are the same, and the logits up to rounding: float32
               only, in which rounding is far smaller than the differences that decide
    level      in one batch with another prompt of its length the logits are the same up to rounding

The first of padded, level, alone that holds is how the model writes. Weights in int8 are multiplied with all rows of
a batch rounded together (LLM.int8, Dettmers et al. 2022), so that they write alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from ...specs.canonical import digest, digest_file
from ..cells import NotEvaluated
from ..models.load import LoadedModel
from ..replay.body import TOLERANCE
from .decoding import Way, passes

LENGTHS = (3, 8, 8, 13)
"""Tokens of the prompts; two of one length."""

LEVEL = (1, 2)
"""Those two."""

NEW = 5
"""Tokens after each."""

WAYS: tuple[Way, ...] = ("padded", "level", "alone")


def way_of(model: LoadedModel) -> Way:
    """How the model writes several answers; noted in its `proven`.

    Raises:
        NotEvaluated: `proof_failed`, its cache does not give what passes without one give.
    """
    for way in WAYS:
        if _key(model, way) in model.proven:
            return way
    found = _found(model)
    model.proven.add(_key(model, found))
    return found


@torch.inference_mode()
def _found(model: LoadedModel) -> Way:
    module: Any = model.module
    dice = random.Random("ways")
    vocabulary = int(module.config.get_text_config().vocab_size)
    prompts = [[dice.randrange(vocabulary) for _ in range(length)] for length in LENGTHS]
    alone = torch.cat([_logits(model, [prompt]) for prompt in prompts])
    tokens = alone.argmax(-1)
    for prompt, new, logits in zip(prompts, tokens.tolist(), alone, strict=True):
        ids = torch.tensor([prompt + new[:-1]], device=model.device)
        if gap := _gap(model, logits, module(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :].cpu()):
            what = f"logits with a cache differ from those without by {gap:.1e} of the largest value"
            raise NotEvaluated("proof_failed", f"proof `cache` failed on {type(module).__name__}: {what}")
    if model.located.spec.quantization == "int8":
        return "alone"
    if model.dtype == torch.float32:
        together = _logits(model, prompts, tokens)
        if torch.equal(together.argmax(-1), tokens) and not _gap(model, together, alone):
            return "padded"
    some = list(LEVEL)
    return "alone" if _gap(model, _logits(model, [prompts[i] for i in some], tokens[some]), alone[some]) else "level"


def _logits(model: LoadedModel, prompts: Sequence[Sequence[int]], tokens: Tensor | None = None) -> Tensor:
    """Of some new tokens after each prompt, those given or the likeliest ones, [prompt, new token, vocabulary]."""
    found = []
    with closing(passes(model.module, prompts, model.device)) as stream:
        logits = next(stream)
        for number in range(NEW):
            found.append(logits.cpu())
            token = logits.argmax(-1) if tokens is None else tokens[:, number].to(logits.device)
            if number < NEW - 1:
                logits = stream.send(token)
    return torch.stack(found, 1)


def _gap(model: LoadedModel, one: Tensor, other: Tensor) -> float:
    """How far two are apart, of the largest value; 0 where that is rounding."""
    gap = float((one - other).abs().max() / other.abs().max().clamp_min(1e-6))
    rounding = 5e-2 if model.located.spec.quantization == "int8" else TOLERANCE.get(model.dtype, 1e-4)
    return 0.0 if gap <= rounding else gap


def _key(model: LoadedModel, way: Way) -> str:
    about = {"way": way, "dtype": str(model.dtype), "device": model.device.type, "code": _code()}
    return digest("way of writing", {"model": model.located.parts, **about})


@cache
def _code() -> str:
    files = {path.name: digest_file(path) for path in (Path(__file__), Path(__file__).with_name("decoding.py"))}
    return digest("writing-sources", {"torch": torch.__version__, "transformers": transformers.__version__, **files})
