"""evaluators/tasks: from a suite and a tokenizer to blocks of examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...specs.canonical import digest
from ...specs.suite import Suite
from .align import align
from .buckets import DRAWS, TRAINING, bucket, question
from .dice import Dice
from .errors import TaskError
from .example import Block, Example, Split
from .family import Family, Template, find_family
from .hub_rows import dataset_rows
from .jsonl import jsonl_rows
from .rows import blocks_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PATIENCE = 20_000
_TWINS = 8


def generate(
    suite: Suite, tokenizer: Tokenizer, split: Split, draw: int, workspace: Path = Path()
) -> tuple[Block, ...]:
    """One block a family, in the suite's order: `items` unique examples spread evenly over the templates.

    The first examples do not depend on `items`: a smaller suite of the same templates is a prefix of a larger.

    Raises:
        TaskError: an unknown family or draw, too few templates, a template that cannot fill its items, a bad row.
    """
    if not 1 <= draw <= DRAWS:
        raise TaskError(f"there is no draw {draw}: draws are numbered 1 to {DRAWS}")
    if suite.jsonl is not None:
        path = workspace / suite.jsonl
        return blocks_of(*jsonl_rows(path), path, tokenizer, split, draw)
    if suite.dataset is not None:
        return blocks_of(dataset_rows(suite.dataset), (), Path(suite.dataset.hub), tokenizer, split, draw)
    if suite.families is None:
        raise TaskError("a behaviour set is answered at length; no evaluator here reads its items yet")
    return tuple(_block(find_family(name), suite, tokenizer, split, draw) for name in suite.families)


def _block(family: Family, suite: Suite, tokenizer: Tokenizer, split: Split, draw: int) -> Block:
    templates = _templates(family, suite, split)
    wanted = Counter(templates[item % len(templates)].name for item in range(suite.items))
    search = _Search(family.name, tokenizer, split, draw)
    streams = [
        search.examples(template, wanted[template.name], Dice("examples", template.name, split, draw, suite.seed))
        for template in templates
    ]
    examples = [next(streams[item % len(streams)]) for item in range(suite.items)]
    return Block.of(family.name, split, draw, examples, search.rejected)


def _templates(family: Family, suite: Suite, split: Split) -> list[Template]:
    """The suite's templates of a split: a random subset by the suite's seed, each smaller one inside every larger."""
    templates = family.split(split)
    if split == "verification" and len(templates) < suite.templates:
        raise TaskError(
            f"{family.name} has {len(templates)} verification templates; the suite asks for {suite.templates}"
        )
    return sorted(templates, key=lambda template: digest("order", [template.name, suite.seed]))[: suite.templates]


@dataclass
class _Search:
    """The search for one family's examples, counting what is refused on the way."""

    family: str
    tokenizer: Tokenizer
    split: Split
    draw: int
    rejected: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def examples(self, template: Template, wanted: int, dice: Dice) -> Iterator[Example]:
        """New examples of a template; an error once a long search finds no more."""
        found = barren = 0
        while barren < _PATIENCE:
            barren += 1
            example = self._candidate(template, dice)
            if example is not None:
                self.seen.add(question(example.clean))
                found, barren = found + 1, 0
                yield example
        refused = ", ".join(f"{reason} {count}" for reason, count in sorted(self.rejected.items()))
        raise TaskError(
            f"{template.name} has only {found} unique examples for {self.split} draw {self.draw} under this tokenizer, "
            f"the suite asks for {wanted} of each template (refused so far: {refused}); ask for fewer items"
        )

    def _candidate(self, template: Template, dice: Dice) -> Example | None:
        draft = template.source.draft(dice)
        if bucket(self.family, draft.clean) != self.draw:
            return None
        if question(draft.clean) in self.seen:
            self.rejected["duplicate"] += 1
            return None
        for _ in range(_TWINS):
            corrupt, wrong_target = draft.twin(dice)
            if bucket(self.family, corrupt) == TRAINING:
                continue
            example = align(
                self.tokenizer, self.family, template.name, draft.clean, corrupt, draft.target, wrong_target
            )
            if isinstance(example, Example):
                return example
            self.rejected[example] += 1
        return None
