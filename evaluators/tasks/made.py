"""evaluators/tasks: items made from the examples of task families, for models that were trained on nothing else.

They are plain text: a prompt, and the continuation that is right. Such a model was never shown how an answer ends, so
an answer is read for as many tokens as the right one has (`most`), unless the set is open-ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...specs.behaviour import Behaviour
from ...specs.checks import Begins, Check, Exact, Excludes
from ...specs.items import Item
from ...specs.suite import Suite
from .dice import Dice
from .errors import TaskError
from .example import Block, Example, Split
from .family import Family, find_family
from .generate import generate

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_WORD = re.compile(r"\w+")
_BREAK = re.compile(r"\n|\. |; ")
"""Where a question may be cut off from what it asks about."""

_DRAFTS = 64
"""Drafts of a template that tell what its answers may be."""

_PLENTY = 8
"""Times as many examples are made as items are needed, where not every template can be used."""


def made_items(behaviour: Behaviour, tokenizer: Tokenizer, split: Split, draw: int) -> dict[str, list[Item]]:
    """Items by category, `behaviour.items` in all, spread evenly over the categories and their templates.

    Raises:
        TaskError: an unknown family or draw, more than two turns, or too few examples that can be used.
    """
    if behaviour.turns > 2 or (behaviour.turns == 2 and behaviour.orders):
        raise TaskError("a set made from task families has one turn or two, and orders only where it has one")
    made: dict[str, list[Item]] = {}
    for number, category in enumerate(behaviour.categories):
        share, more = divmod(behaviour.items, len(behaviour.categories))
        wanted = share + (number < more)
        some = behaviour.turns == 2 or behaviour.orders is not None
        block = _block(category, wanted * (_PLENTY if some else 1), tokenizer, split, draw)
        found = list(_items(behaviour, block, tokenizer, split, draw))[:wanted]
        if len(found) < wanted:
            raise TaskError(f"{category} has only {len(found)} examples that can be used, the set asks for {wanted}")
        made[category] = [item.model_copy(update={"id": f"{category}-{place:04d}"}) for place, item in enumerate(found)]
    return made


def _block(name: str, items: int, tokenizer: Tokenizer, split: Split, draw: int) -> Block:
    templates = min(items, len(find_family(name).split(split)), 30)
    return generate(Suite(families=(name,), templates=templates, items=items), tokenizer, split, draw)[0]


def _items(behaviour: Behaviour, block: Block, tokenizer: Tokenizer, split: Split, draw: int) -> Iterator[Item]:
    if behaviour.orders is not None:
        orders = _block(behaviour.orders, len(block.examples), tokenizer, split, draw).examples
        yield from _injected(block.examples, orders)
        return
    family = find_family(block.family)
    for example in block.examples:
        if behaviour.turns == 1:
            checks = _checks(example, _options(family, example.template), behaviour.open_ended)
            yield _item(example, checks, (example.clean,), behaviour.open_ended)
        elif turns := _two_turns(example):
            yield _item(example, (_answer((example.target,), behaviour.open_ended),), turns, behaviour.open_ended)


def _item(example: Example, checks: tuple[Check, ...], turns: tuple[str, ...], open_ended: bool) -> Item:
    return Item(
        id=example.id,
        category=example.family,
        template=example.template.rpartition("/")[2],
        turns=turns,
        plain=True,
        most=None if open_ended else len(example.target_ids),
        reference=example.target,
        checks=checks,
    )


def _answer(texts: tuple[str, ...], open_ended: bool) -> Check:
    """The answer is one of the texts, or begins with it where nothing ends it."""
    if open_ended:
        return Begins(check="begins", of=texts, case=True)
    return Exact(check="exact", of=texts, case=True)


def _checks(example: Example, options: tuple[str, ...], open_ended: bool) -> tuple[Check, ...]:
    """It is the kind of thing that is asked for; a word of the prompt, where the right one is; and the right one."""
    kinds = [tuple(dict.fromkeys((*options, example.target)))]
    words = tuple(dict.fromkeys(_WORD.findall(example.clean)))
    if example.target.strip() in words:
        kinds.append(words)
    return tuple(_answer(kind, open_ended) for kind in (*kinds, (example.target,)))


def _options(family: Family, template: str) -> tuple[str, ...]:
    """Answers that a template has."""
    source = next(each.source for each in family.templates if each.name == template)
    dice = Dice("options", template)
    return tuple(sorted({source.draft(dice).target for _ in range(_DRAFTS)}))


def _two_turns(example: Example) -> tuple[str, str] | None:
    """Another question about the same things, then the example's own, which needs the first turn.

    None where the prompt does not end in a question that can be cut off, or where the answers differ in length.
    """
    place = _cut(example, _shared(example.clean, example.corrupt))
    if place is None or len(example.target_ids) != len(example.wrong_target_ids):
        return None
    question = example.clean[place:]
    return None if example.target.strip() in _WORD.findall(question) else (example.corrupt, question)


def _shared(one: str, other: str) -> str:
    """What both texts begin with."""
    same = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    return one[:same]


def _cut(example: Example, within: str) -> int | None:
    """Where the question begins: at the last break of a beginning of the prompt; the answer stands before it."""
    breaks = [found.start() for found in _BREAK.finditer(within)]
    return breaks[-1] if breaks and example.target.strip() in _WORD.findall(within[: breaks[-1]]) else None


def _injected(examples: tuple[Example, ...], orders: tuple[Example, ...]) -> Iterator[Item]:
    """Each example with the prompt of another family, word for word, between what is to be copied and the question."""
    for example, order in zip(examples, orders, strict=True):
        place, canary = _cut(example, example.clean), order.target.strip()
        apart = canary.isalnum() and canary not in _WORD.findall(example.clean)
        if place is None or not apart or len(order.target_ids) != len(example.target_ids):
            continue
        sign = _BREAK.match(example.clean, place)
        end = sign.end() if sign else place
        text = f"{example.clean[:end].rstrip()}\n{order.clean}\n{example.clean[end:]}"
        checks: tuple[Check, ...] = (Excludes(check="excludes", words=(canary,)),)
        item = _item(example, checks, (text,), open_ended=False)
        yield item.model_copy(update={"open": order.clean})
