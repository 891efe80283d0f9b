"""evaluators/pocket: training a pocket model from nothing, on one thread, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from .batches import Part, Step, Stream, later_steps, steps
from .compiled import EAGER, compiled, compiler
from .recipe import LaterRun, Recipe

Progress = Callable[[int, int, float], None]
"""Steps done, steps in all, loss of the latest (nats)."""

Report = Callable[[int, float], None]
"""Number of a step, its loss (nats)."""

REPORT_EVERY = 50
"""Steps between two reports of progress."""

LONG = 500
"""Steps from which compiling, half a minute, pays."""


class TrainingError(Exception):
    """This machine cannot train; the text says what is missing."""


def train(recipe: Recipe, tokenizer: Tokenizer, stream: Stream, progress: Progress | None = None) -> nn.Module:
    """Train the recipe's model in float32; the global random state and thread count are left as they were.

    Raises:
        TrainingError: torch is too old to have Muon.
    """
    module = initial(recipe, tokenizer.get_vocab_size())
    with one_thread(), nullcontext() if made_by(recipe) == EAGER else compiled(module):
        first = recipe.all_steps
        report = _reporter(progress, first + sum(run.steps for run in recipe.later.values()))
        _run(recipe, module, steps(recipe, tokenizer, stream), lambda n: _pace(n, first, recipe.cooldown), report)
        done = first
        for number, run in enumerate(recipe.later.values()):
            batches = later_steps(recipe, number, tokenizer, stream)
            run_later(recipe, run, module, batches, partial(_later, report, done))
            done += run.steps
    return module.eval()


def made_by(recipe: Recipe) -> str:
    """The compiler of the kernels that a recipe's training runs on here: another one, other last bits."""
    return compiler() if recipe.all_steps >= LONG else EAGER


def run_later(recipe: Recipe, run: LaterRun, module: nn.Module, batches: Iterator[Step], report: Report) -> None:
    """A later run, from weights rounded to bfloat16: as well from those that the run before it saved."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.bfloat16())
    _run(recipe, module, batches, lambda n: run.pace * _pace(n, run.steps, 1.0), report)


def _run(
    recipe: Recipe, module: nn.Module, batches: Iterator[Step], pace: Callable[[int], float], report: Report
) -> None:
    optimizers = _optimizers(recipe, module)
    module.train()
    for number, step in enumerate(batches):
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = pace(number) * group["full_lr"]
        loss = sum(_learn(module, part) for part in step)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        report(number, loss)


def _pace(number: int, total: int, cooldown: float) -> float:
    """1, then a line down to zero over the last part of the steps."""
    return min(1.0, (total - number) / (cooldown * total)) if cooldown else 1.0


def _reporter(progress: Progress | None, total: int) -> Report:
    def report(number: int, loss: float) -> None:
        if progress and (number % REPORT_EVERY == 0 or number + 1 == total):
            progress(number + 1, total, loss)

    return report


def _later(report: Report, done: int, number: int, loss: float) -> None:
    report(done + number, loss)


def initial(recipe: Recipe, vocabulary: int) -> nn.Module:
    """The model before its first step; equal for equal seeds."""
    import transformers

    cls = getattr(transformers, recipe.architecture)
    config = cls.config_class(**model_config(recipe, vocabulary))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        module: nn.Module = cls._from_config(config, dtype=torch.float32, attn_implementation="sdpa")
        nn.init.normal_(module.get_input_embeddings().weight, std=recipe.embedding_std)  # type: ignore[operator]
    return module


def model_config(recipe: Recipe, vocabulary: int) -> dict[str, Any]:
    """config.json: what the recipe says and nothing else, so that it does not change with transformers."""
    return {
        "architectures": [recipe.architecture],
        **recipe.config,
        "vocab_size": vocabulary,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "dtype": "bfloat16",
    }


def _learn(module: nn.Module, part: Part) -> float:
    loss = answer_loss(module, part) * part.share
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.item()


def answer_loss(module: Any, part: Part) -> Tensor:
    """Weighted cross-entropy of the next token, in nats; logits are computed only where they count."""
    hidden = module.model(input_ids=part.ids, use_cache=False).last_hidden_state
    rows, positions = part.weight.nonzero(as_tuple=True)
    weight = part.weight[rows, positions]
    losses = F.cross_entropy(module.lm_head(hidden[rows, positions]), part.ids[rows, positions + 1], reduction="none")
    return (losses * weight).sum() / weight.sum()


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are taken in one order only."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _optimizers(recipe: Recipe, module: nn.Module) -> list[torch.optim.Optimizer]:
    if not hasattr(torch.optim, "Muon"):
        raise TrainingError(f"training needs torch >= 2.9, which has Muon; this is torch {torch.__version__}")
    named = dict(module.named_parameters())
    gains = [p for name, p in named.items() if p.ndim == 1 and name.endswith("norm.weight")]
    matrices = [p for name, p in named.items() if p.ndim == 2 and "embed" not in name]
    others = [p for p in named.values() if not any(p is known for known in (*gains, *matrices))]
    groups = [{"params": others}, {"params": gains, "lr": recipe.gain_lr}]
    optimizers = [
        torch.optim.Muon(matrices, **recipe.muon),  # type: ignore[arg-type]
        torch.optim.AdamW(groups, **recipe.adamw),  # type: ignore[arg-type]
    ]
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group["full_lr"] = group["lr"]
    return optimizers
