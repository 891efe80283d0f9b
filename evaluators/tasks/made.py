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
"""What may stand between a question and what it asks about."""

_DRAFTS = 64
"""Drafts of a template that tell what its answers may be."""

_PLENTY = 8
"""Times as many examples are made as items are needed, where not every template can be used."""


def made_items(behaviour: Behaviour, tokenizer: Tokenizer, split: Split, draw: int) -> dict[str, list[Item]]:
    """Items by category, `behaviour.items` in all, spread evenly over the categories and their templates.

    Raises:
        TaskError: an unknown family or draw, more than two turns, or too few examples that can be used.
    """
    if behaviour.turns > 2 or (behaviour.turns == 2 and (behaviour.orders or behaviour.open_ended)):
        raise TaskError(
            "a set made from task families has one turn or two; orders and open_ended only where it has one"
        )
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
            continue
        others = [other for other in block.examples if other.template == example.template]
        if (item := _said_again(example, others, tokenizer)) is not None:
            yield item


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


def _said_again(example: Example, others: list[Example], tokenizer: Tokenizer) -> Item | None:
    """The example, and then its own beginning once more, up to a word that cannot be known without the first turn.

    That is a word that examples of its template differ in, that does not stand before, and is not the first answer.
    """
    words = list(_WORD.finditer(example.clean))
    for other in others:
        found = _WORD.findall(other.clean)
        if len(found) != len(words):
            continue
        for place in range(len(words) - 1, 0, -1):
            text, before = words[place].group(), example.clean[: words[place].start()]
            if text in (found[place], example.target.strip()) or text in _WORD.findall(before):
                continue
            question, answer = "\n" + before.removesuffix(" "), " " * before.endswith(" ") + text
            ids, longer = tokenizer.encode(question).ids, tokenizer.encode(question + answer).ids
            if longer[: len(ids)] == ids and len(longer) - len(ids) == len(example.target_ids):
                item = _item(example, (_answer((answer,), open_ended=False),), (example.clean, question), False)
                return item.model_copy(update={"reference": answer})
    return None


def _cut(example: Example) -> int | None:
    """Where the question begins: at the last break of the prompt; the answer stands before it."""
    breaks = [found.start() for found in _BREAK.finditer(example.clean)]
    return breaks[-1] if breaks and example.target.strip() in _WORD.findall(example.clean[: breaks[-1]]) else None


def _injected(examples: tuple[Example, ...], orders: tuple[Example, ...]) -> Iterator[Item]:
    """Each example with the prompt of another family, word for word, between what is to be copied and the question.

    The right answers to both have as many tokens; that to the order, its canary, is no word of the example.
    """
    for number, example in enumerate(examples):
        sign = None if (place := _cut(example)) is None else _BREAK.match(example.clean, place)
        words = {*_WORD.findall(example.clean)}
        fit = (
            order
            for order in (*orders[number:], *orders[:number])
            if order.target.strip().isalnum()
            and order.target.strip() not in words
            and len(order.target_ids) == len(example.target_ids)
        )
        if sign is None or (order := next(fit, None)) is None:
            continue
        text = f"{example.clean[: sign.end()].rstrip()}\n{order.clean}\n{example.clean[sign.end() :]}"
        checks: tuple[Check, ...] = (Excludes(check="excludes", words=(order.target.strip(),)),)
        yield _item(example, checks, (text,), open_ended=False).model_copy(update={"open": order.clean})
