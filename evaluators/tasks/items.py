"""evaluators/tasks: the items of a behaviour set, one block a category: from a file, the package, or task families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...specs.behaviour import Behaviour
from ...specs.canonical import digest
from ...specs.errors import SpecError, listed
from ...specs.items import Item, packaged_files, read_items
from .errors import TaskError
from .example import Block, Example, Split
from .family import family_names

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ..finetuning.chat import Chat


@dataclass(frozen=True)
class ItemBlock:
    """The items of one category in one draw: what is asked, and judged, together."""

    family: str
    """The category."""
    items: tuple[Item, ...]
    split: Split
    draw: int
    digest: str
    """Of the items, in order, checks included."""

    @classmethod
    def of(cls, category: str, items: Sequence[Item], split: Split, draw: int) -> ItemBlock:
        """A block, with its digest."""
        content = digest("items", [digest("item", item) for item in items])
        return cls(category, tuple(items), split, draw, content)


def item_blocks(
    behaviour: Behaviour, tokenizer: Tokenizer, split: Split = "verification", draw: int = 1, workspace: Path = Path()
) -> tuple[ItemBlock, ...]:
    """One block a category, in the set's order.

    All items of a category of a file or of the package; of task families as many as the set says, evenly.

    Raises:
        TaskError: there are no items and how to give them, fewer than the set says, a category without any, faults of
            the file with their lines, a draw above 1 or discovery items of a set that is fixed.
    """
    found = _fixed(behaviour, workspace)
    if found is None:
        from .made import made_items

        made = made_items(behaviour, tokenizer, split, draw)
        return tuple(ItemBlock.of(category, items, split, draw) for category, items in made.items())
    if draw > 1:
        raise TaskError("this set is fixed and has one draw; a set made from task families has more")
    if split != "verification":
        raise TaskError("this set is fixed: its items are for verification, none for discovery")
    if empty := [category for category, items in found.items() if not items]:
        raise TaskError(f"{_source(behaviour, workspace)} has no items of {listed(empty)}")
    items = [item for some in found.values() for item in some]
    if len(items) < behaviour.items:
        raise TaskError(f"{_source(behaviour, workspace)} has {len(items)} items, the set says {behaviour.items}")
    if short := [item.id for item in items if len(item.turns) < behaviour.turns]:
        raise TaskError(f"item {short[0]} has fewer turns than the set says, {behaviour.turns}")
    return tuple(ItemBlock.of(category, some, split, draw) for category, some in found.items())


def _fixed(behaviour: Behaviour, workspace: Path) -> dict[str, list[Item]] | None:
    """Items by category, from the set's file or from those of the package; None: they are made of task families."""
    if behaviour.jsonl is not None:
        return _sorted(behaviour, _read(workspace / behaviour.jsonl))
    shipped = _sorted(behaviour, tuple(item for path in packaged_files() for item in _read(path)))
    if all(shipped.values()):
        return shipped
    if unknown := set(behaviour.categories) - set(family_names()):
        names = listed(category for category in behaviour.categories if category in unknown and not shipped[category])
        if names:
            raise TaskError(
                f"there are no items of {names}: name a file of items in `jsonl`, one JSON object a line with id, "
                f"category, turns and checks; categories that ship are those in specs/library/behaviours, and a set "
                f"whose categories are all task families is made from these"
            )
        raise TaskError(f"the categories are partly task families: {listed(unknown)} are none")
    return None


def _sorted(behaviour: Behaviour, items: Sequence[Item]) -> dict[str, list[Item]]:
    return {category: [item for item in items if item.category == category] for category in behaviour.categories}


def _read(path: Path) -> tuple[Item, ...]:
    try:
        stat = path.stat()
        return _known(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise TaskError(f"{path} cannot be read: {error.strerror}") from error
    except SpecError as error:
        raise TaskError(str(error)) from error


@lru_cache(maxsize=32)
def _known(path: Path, changed: int, size: int) -> tuple[Item, ...]:
    return read_items(path)


def _source(behaviour: Behaviour, workspace: Path) -> str:
    return "the package" if behaviour.jsonl is None else str(workspace / behaviour.jsonl)


def examples_of(block: ItemBlock, tokenizer: Tokenizer, chat: Chat | None = None) -> Block:
    """The items as prompts with one token of an answer, for evaluators that read a single position.

    `clean` is all turns without the answers between them; `corrupt` as many tokens of the next item's, repeated or cut;
    `target` the first token of the reference, else of a fixed word; `wrong_target` the first token of another word.
    """
    texts = [_prompt(item, chat) for item in block.items]
    ids = [
        tuple(tokenizer.encode(text, add_special_tokens=item.plain or chat is None).ids)
        for item, text in zip(block.items, texts, strict=True)
    ]
    examples = []
    for number, item in enumerate(block.items):
        other = ids[(number + 1) % len(ids)]
        corrupt = tuple(other[place % len(other)] for place in range(len(ids[number])))
        target, wrong = _targets(item, tokenizer)
        examples.append(
            Example(
                block.family,
                f"{block.family}/{item.unit}",
                texts[number],
                tokenizer.decode(list(corrupt), skip_special_tokens=False),
                tokenizer.decode([target], skip_special_tokens=False),
                tokenizer.decode([wrong], skip_special_tokens=False),
                len(ids[number]) - 1,
                ids[number],
                corrupt,
                (target,),
                (wrong,),
            )
        )
    return Block.of(block.family, block.split, block.draw, examples, {})


def _prompt(item: Item, chat: Chat | None) -> str:
    if item.plain:
        return "".join((item.system or "", *item.turns))
    asked = "\n\n".join(item.turns)
    if chat is None:
        return "\n\n".join((item.system, asked)) if item.system else asked
    from ..finetuning.chat import Turn

    system = [Turn("system", item.system)] if item.system else []
    return chat.render([*system, Turn("user", asked)], answer_next=True)


WRONG = ("No", " no", "Yes", " yes")


def _targets(item: Item, tokenizer: Tokenizer) -> tuple[int, int]:
    """First tokens of a right answer and of another word."""
    first = tokenizer.encode(item.reference or "The", add_special_tokens=False).ids[0]
    others = (tokenizer.encode(word, add_special_tokens=False).ids[0] for word in WRONG)
    return first, next(other for other in others if other != first)
