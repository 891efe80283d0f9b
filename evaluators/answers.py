"""evaluators: whole answers under interventions: prompt and target in one packed pass, every target token read.

For an example with prompt x and target y = (y_1 .. y_m), under each set of interventions:

    target   sum_j log p(y_j | x, y_<j), nats
    exact    1 where every y_j is the most likely token after x, y_<j: greedy decoding gives the whole target
    kl       KL(clean || intervened) of the next token at the answer position, nats

An intervention at every token acts at the target's tokens too, as it does while a model generates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .replay import Contrast, Readout, Replay, kl
from .replay.values import Together
from .tasks.example import Example


@dataclass(frozen=True, eq=False)
class Answered:
    """What a model makes of the targets of some examples, [example] each, float64 on the CPU."""

    target: Tensor
    exact: Tensor
    kl: Tensor


def answered(
    replay: Replay, examples: Sequence[Example], sets: Sequence[Together]
) -> tuple[Answered, tuple[Answered, ...]]:
    """The clean pass, and the passes under each set of interventions; positions are those of the prompts.

    Raises:
        NotEvaluated: as `Replay.run`.
    """
    targets = [example.target_ids for example in examples]
    prompts = [example.clean_ids + example.target_ids[:-1] for example in examples]
    places = tuple(tuple(range(e.answer_position, e.answer_position + len(e.target_ids))) for e in examples)

    def chosen(contrast: Contrast) -> Tensor:
        """The target's token at each row, [set, row, 1]: the rows of a prompt stand together, in order."""
        numbers = contrast.clean.prompt.tolist()
        seen: dict[int, int] = {}
        tokens = []
        for number in numbers:
            tokens.append(targets[number][seen.get(number, 0)])
            seen[number] = seen.get(number, 0) + 1
        token = torch.tensor(tokens, device=contrast.other.device)
        return token.expand(contrast.other.shape[:2])[..., None]

    def target(contrast: Contrast) -> Tensor:
        return contrast.other.gather(-1, chosen(contrast))[..., 0].double() - contrast.normaliser

    def hit(contrast: Contrast) -> Tensor:
        return contrast.other.argmax(-1) == chosen(contrast)[..., 0]

    measured = replay.run(prompts, list(sets), Readout({"target": target, "hit": hit, "kl": kl}, places))
    first = torch.cat([torch.ones(1, dtype=torch.bool), measured.prompt[1:] != measured.prompt[:-1]])

    def folded(values: dict[str, Tensor]) -> Answered:
        zeros = torch.zeros(len(examples), dtype=torch.float64)
        missed = zeros.index_add(0, measured.prompt, (~values["hit"].bool()).double())
        return Answered(
            zeros.index_add(0, measured.prompt, values["target"].double()),
            (missed == 0).double(),
            values["kl"][first].double(),
        )

    clean = folded(dict(measured.clean))
    return clean, tuple(folded({name: value[k] for name, value in measured.values.items()}) for k in range(len(sets)))
