"""evaluators/planted: prompts of single-token words: vocabulary, tokenizer, templates, blocks of examples.

A task drafts prompts; the answer is the task's own where it has one, and else the model's: the word it
finds most likely after the clean, and after the corrupt, prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor, nn

from ..tasks.align import align
from ..tasks.buckets import bucket
from ..tasks.dice import Dice
from ..tasks.example import Block, Example, Split

UNKNOWN = "<unk>"
"""Token 0; no prompt has it."""

TEMPLATES: dict[Split, range] = {"verification": range(30), "discovery": range(30, 40)}

_PATIENCE = 20_000


@dataclass(frozen=True)
class Draft:
    """A clean prompt and its twin, word by word; no answers: the model's own."""

    clean: tuple[str, ...]
    corrupt: tuple[str, ...]
    answers: tuple[str, str] | None = None
    """To the clean and to the corrupt prompt."""


@dataclass(frozen=True)
class Task:
    """How prompts of a family are drafted."""

    family: str
    draft: Callable[[int, Dice], Draft]
    """(number of the template, dice) -> a random prompt of it."""


def words(name: str, count: int) -> tuple[str, ...]:
    """`name0`, `name1`, ..."""
    return tuple(f"{name}{i}" for i in range(count))


def make_tokenizer(vocabulary: Sequence[str]) -> Tokenizer:
    """Words between blanks; word i of the vocabulary is token i + 1."""
    tokenizer = Tokenizer(WordLevel({UNKNOWN: 0} | {w: i + 1 for i, w in enumerate(vocabulary)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


def frame(fillers: Sequence[str], template: int, *seed: str | int) -> tuple[str | None, ...]:
    """A template's fixed words, None where a word is free: length, words and free places are the template's own."""
    dice = Dice("frame", template, *seed)
    free = set(dice.some(range(4 + template % 7), 2))
    return tuple(None if i in free else dice.pick(fillers) for i in range(4 + template % 7))


def fill(framed: Sequence[str | None], fillers: Sequence[str], dice: Dice) -> tuple[str, ...]:
    """The frame with random words in its free places."""
    return tuple(dice.pick(fillers) if word is None else word for word in framed)


def padded(prompts: Sequence[Sequence[int]]) -> Tensor:
    """[row, position], with <unk> on the right, which nothing reads."""
    longest = max(map(len, prompts))
    return torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts])


def last_logits(module: nn.Module, prompts: Sequence[Sequence[int]]) -> Tensor:
    """Next-token logits after each prompt, [row, vocabulary]."""
    with torch.inference_mode():
        logits: Tensor = module(input_ids=padded(prompts), use_cache=False).logits
    return logits[torch.arange(len(prompts)), torch.tensor([len(prompt) - 1 for prompt in prompts])]


def make_block(
    module: nn.Module, tokenizer: Tokenizer, task: Task, n: int, seed: int, draw: int, split: Split
) -> Block:
    """`n` unique examples of a task, template after template, round by round; no prompt is in two draws.

    Raises:
        ValueError: the task has not that many.
    """
    templates = TEMPLATES[split]
    wanted = Counter(templates[i % len(templates)] for i in range(n))
    streams = {t: _drafts(task, t, draw, Dice("planted", task.family, t, split, draw, seed)) for t in wanted}
    found: dict[int, list[Example]] = {t: [] for t in wanted}
    rejected: Counter[str] = Counter()
    while missing := [t for t in wanted for _ in range(wanted[t] - len(found[t]))]:
        drafts = [next(streams[t]) for t in missing]
        for t, draft, answers in zip(missing, drafts, _answers(module, tokenizer, drafts), strict=True):
            example = _example(tokenizer, f"{task.family}/t{t:02d}", draft, answers)
            if isinstance(example, Example):
                found[t].append(example)
            else:
                rejected[example] += 1
    examples = [found[templates[i % len(templates)]][i // len(templates)] for i in range(n)]
    return Block.of(task.family, split, draw, examples, rejected)


def _example(tokenizer: Tokenizer, template: str, draft: Draft, answers: tuple[str, str]) -> Example | str:
    prompts, family = (" ".join(draft.clean), " ".join(draft.corrupt)), template.partition("/")[0]
    return align(tokenizer, family, template, *prompts, f" {answers[0]}", f" {answers[1]}")


def _drafts(task: Task, template: int, draw: int, dice: Dice) -> Iterator[Draft]:
    """Drafts of one draw, each clean prompt once."""
    seen: set[tuple[str, ...]] = set()
    barren = 0
    while barren < _PATIENCE:
        draft, barren = task.draft(template, dice), barren + 1
        if draft.clean not in seen and bucket(task.family, " ".join(draft.clean)) == draw:
            seen.add(draft.clean)
            barren = 0
            yield draft
    raise ValueError(f"{task.family} has only {len(seen)} prompts of template {template} in draw {draw}")


def _answers(module: nn.Module, tokenizer: Tokenizer, drafts: Sequence[Draft]) -> list[tuple[str, str]]:
    if all(draft.answers for draft in drafts):
        return [draft.answers for draft in drafts if draft.answers]
    prompts = [" ".join(prompt) for draft in drafts for prompt in (draft.clean, draft.corrupt)]
    logits = last_logits(module, [encoding.ids for encoding in tokenizer.encode_batch(prompts)])
    own = [tokenizer.decode([1 + token]) for token in logits[:, 1:].argmax(-1).tolist()]
    return list(zip(own[::2], own[1::2], strict=True))
