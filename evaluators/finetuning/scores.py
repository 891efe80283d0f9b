"""evaluators/finetuning: what a model makes of held-out examples: distributions, losses, exact answers.

Of an example with prompt x and target y = (y_1 .. y_m), in one pass over both:

    log_probs   log p(. | x), the next token at the answer position
    loss        -1/m sum_j log p(y_j | x, y_<j), nats: the mean over the target's tokens
    exact       1 where every y_j is the most likely token after x, y_<j: greedy decoding gives the whole target
    target      sum_j log p(y_j | x, y_<j), nats; wrong: the same of the wrong target
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ..anatomy import Anatomy, dissect
from ..models.load import LoadedModel
from ..quantities import kl_divergence
from ..tasks.example import Block, Example

TOKENS = 4096
"""Of a padded batch, about."""

LOGITS = 128 * 2**20
"""Bytes of the logits of a batch, about."""

KEPT = 512 * 2**20
"""Bytes of next-token distributions that are held in memory; beyond, they are held on disk."""

ROWS = 64
"""Distributions that are compared at a time in float64."""


@dataclass(frozen=True, eq=False)
class Scores:
    """A model's answers to some examples, on the CPU; see the module's docstring."""

    log_probs: Tensor
    """[example, vocabulary], nats, float32."""
    loss: Tensor
    """[example], nats, float64, as all below."""
    exact: Tensor
    """[example], 0 or 1."""
    target: Tensor
    """[example], nats."""
    wrong: Tensor
    """[example], nats."""

    @property
    def preferred(self) -> Tensor:
        """1 where the target is likelier than the wrong target, [example]."""
        return (self.target > self.wrong).double()


@dataclass(frozen=True)
class _Asked:
    """A prompt, and an answer whose tokens are scored from the prompt's answer position on."""

    prompt: tuple[int, ...]
    first: int
    answer: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        return self.prompt + self.answer[:-1]


def score(model: LoadedModel, examples: Sequence[Example]) -> Scores:
    """What a model makes of some examples, in plain passes; rows are padded on the right, which nothing reads.

    Raises:
        NotEvaluated: the model is no decoder whose parts are known.
    """
    n = len(examples)
    long = [i for i, example in enumerate(examples) if len(example.wrong_target_ids) > 1]
    asked = [_Asked(e.clean_ids, e.answer_position, e.target_ids) for e in examples]
    asked += [_Asked(e.clean_ids, e.answer_position, e.wrong_target_ids) for e in (examples[i] for i in long)]
    anatomy = dissect(model.module)
    log_probs = torch.empty(n, anatomy.vocabulary)
    total, exact = torch.zeros(2, len(asked), dtype=torch.float64)
    with torch.inference_mode():
        for some in _batches(asked, anatomy.vocabulary):
            scored = _log_probs(anatomy, [asked[i] for i in some])
            for i, rows in zip(some, scored, strict=True):
                answer = torch.tensor(asked[i].answer)
                total[i] = rows.gather(-1, answer[:, None]).double().sum()
                exact[i] = bool((rows.argmax(-1) == answer).all())
                if i < n:
                    log_probs[i] = rows[0]
    wrong = log_probs[torch.arange(n), torch.tensor([e.wrong_target_ids[0] for e in examples])].double()
    wrong[long] = total[n:]
    lengths = torch.tensor([len(e.target_ids) for e in examples])
    return Scores(log_probs, -total[:n] / lengths, exact[:n], total[:n], wrong)


def kl(of: Scores, other: Scores) -> Tensor:
    """KL(of || other) of the next token at the answer position, nats, [example], float64."""
    pairs = zip(torch.split(of.log_probs, ROWS), torch.split(other.log_probs, ROWS), strict=True)
    return torch.cat([kl_divergence(one, two) for one, two in pairs])


class Base:
    """The scores of the untrained model, each block's taken once; what does not fit in memory is held on disk."""

    def __init__(self, model: LoadedModel, blocks: Sequence[Block]) -> None:
        self._model = model
        self._blocks = {block.family: block for block in blocks}
        self._scores: dict[str, Scores] = {}
        self._held = 0
        self._folder: TemporaryDirectory[str] | None = None

    def __call__(self, family: str) -> Scores:
        """Of the examples of one block; asked for first while the model is as it was."""
        if family not in self._scores:
            scores = score(self._model, self._blocks[family].examples)
            self._held += scores.log_probs.numel() * scores.log_probs.itemsize
            self._scores[family] = scores if self._held <= KEPT else self._on_disk(scores)
        return self._scores[family]

    def _on_disk(self, scores: Scores) -> Scores:
        self._folder = self._folder or TemporaryDirectory()
        path, given = Path(self._folder.name) / f"{len(self._scores)}.bin", scores.log_probs
        held = torch.from_file(str(path), shared=True, size=given.numel(), dtype=given.dtype).view(given.shape)
        return replace(scores, log_probs=held.copy_(given))


def _batches(asked: Sequence[_Asked], vocabulary: int) -> Iterator[list[int]]:
    """Which prompts go into one padded batch: of similar length, in an order that nothing but they decide."""
    batch: list[int] = []
    rows = 0
    for i in sorted(range(len(asked)), key=lambda i: len(asked[i].ids)):
        rows += len(asked[i].answer)
        full = (len(batch) + 1) * len(asked[i].ids) > TOKENS or 4 * rows * vocabulary > LOGITS
        if batch and full:
            yield batch
            batch, rows = [], len(asked[i].answer)
        batch.append(i)
    if batch:
        yield batch


def _log_probs(anatomy: Anatomy, asked: Sequence[_Asked]) -> Sequence[Tensor]:
    """For each prompt the distributions from which its answer's tokens come, [token, vocabulary], float32."""
    width = max(len(one.ids) for one in asked)
    ids = torch.tensor([one.ids + (0,) * (width - len(one.ids)) for one in asked], device=anatomy.device)
    hidden = anatomy.decoder(input_ids=ids, use_cache=False).last_hidden_state
    counts = [len(one.answer) for one in asked]
    places = [(row, one.first + j) for row, one in enumerate(asked) for j in range(len(one.answer))]
    row, position = torch.tensor(places, device=anatomy.device).T
    logits = anatomy.unembedding(hidden[row, position]).float()
    return torch.split(logits.log_softmax(-1).cpu(), counts)
