"""evaluators: how far arithmetic alone moves a model's numbers: other batches, other lengths beside a prompt, threads.

Each way measures the same prompts under the same interventions again. What it moves is no effect of anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..specs.sites import Site
from .models.load import LoadedModel
from .replay import Intervention, Replay, Zero
from .subject import few
from .tasks.example import Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROMPTS = 4
"""How many prompts are looked at."""

Prompts = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Shift:
    """The same numbers, measured in two ways."""

    what: str
    """The ways."""
    before: NDArray[np.float64]
    """KL of removing layers, nats, [intervention x prompt]."""
    after: NDArray[np.float64]
    """The same, measured the other way."""
    logits: float
    """Largest change of a logit of the clean model at a prompt's end."""


def shifts(model: LoadedModel, examples: Sequence[Example]) -> Iterator[Shift]:
    """Each way beside the usual one: all prompts in one batch, as many threads as there are.

    Raises:
        NotEvaluated: the model is no decoder whose parts are known.
    """
    replay = Replay(model.module)
    prompts = [example.clean_ids for example in examples[:PROMPTS]]
    layers = few([Site(layer, "layer") for layer in range(len(replay.anatomy.layers))])
    acting = [Intervention(site, Zero()) for site in layers]

    def kl(some: Prompts) -> Tensor:
        return replay.run(some, acting).values["kl"]

    def shift(what: str, after: Tensor, logits: Tensor) -> Shift:
        return Shift(what, _flat(usual), _flat(after), float((logits - clean).abs().max()))

    with torch.inference_mode():
        usual, clean = kl(prompts), _logits(model, prompts)
        alone = torch.cat([kl([prompt]) for prompt in prompts], 1)
        yield shift("batch size", alone, torch.cat([_logits(model, [prompt]) for prompt in prompts]))
        longer, shorter = ([*prompt, *prompt] for prompt in prompts), (prompt[: len(prompt) // 2] for prompt in prompts)
        beside: list[Sequence[int]] = [*prompts, *longer, *shorter]
        yield shift("other lengths in the batch", kl(beside)[:, : len(prompts)], _logits(model, beside)[: len(prompts)])
        usually = torch.get_num_threads()
        others = 1 if usually > 1 else 2
        with _threads(others):
            found = kl(prompts), _logits(model, prompts)
        yield shift(f"threads: {others} in place of {usually}", *found)


def _flat(values: Tensor) -> NDArray[np.float64]:
    flat: NDArray[np.float64] = values.double().cpu().numpy().ravel()
    return flat


def _logits(model: LoadedModel, prompts: Prompts) -> Tensor:
    """Logits at the end of each prompt, in one batch that is padded on the right, [prompt, vocabulary]."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[*prompt, *[prompt[-1]] * (longest - len(prompt))] for prompt in prompts], device=model.device)
    mask = torch.tensor([[1] * len(prompt) + [0] * (longest - len(prompt)) for prompt in prompts], device=model.device)
    ends = torch.tensor([len(prompt) - 1 for prompt in prompts], device=model.device)
    logits: Tensor = model.module(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return logits[torch.arange(len(prompts), device=model.device), ends].float()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
