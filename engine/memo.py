"""engine: what is costly to compute and cheap to check: file digests, and the content of generated suites.

Neither is evidence. A file's digest is remembered under its path, size and modification time; a
suite's blocks under the suite's spec, the tokenizer, the draw and the source of the generator, and so what training
data are, so that a warm audit hashes no weights, generates no prompts and imports no task family.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..specs.behaviour import Behaviour
from ..specs.canonical import digest, digest_file
from ..specs.suite import Suite

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ..evaluators.models.locate import Located
    from ..evaluators.tasks.example import Block, Split
    from ..evaluators.tasks.items import ItemBlock
    from ..specs.recipe import Data
    from ..store import Ledger


@dataclass(frozen=True)
class BlockInfo:
    """A block without its prompts: what keys and grades need of it."""

    family: str
    digest: str
    examples: tuple[str, ...]
    templates: tuple[str, ...]
    rejected: Mapping[str, int]
    checks: str = "-"
    """Digest of what a program would say of answers to it, of the questions of a behaviour set."""


class Memo:
    """What the ledger remembers, read once; what is new is written back by `save`."""

    def __init__(self, files: Mapping[str, str], suites: Mapping[str, str], workspace: Path) -> None:
        self._known = {"file": dict(files), "suite": dict(suites)}
        self._new: dict[str, dict[str, str]] = {"file": {}, "suite": {}}
        self._workspace = workspace

    def file_digest(self, path: Path) -> str:
        """sha256 of a file, computed again only when its size or modification time changed."""
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        if key not in self._known["file"]:
            self._add("file", key, digest_file(path))
        return self._known["file"][key]

    def blocks(self, suite: Suite, located: Located, draw: int, split: Split = "verification") -> tuple[BlockInfo, ...]:
        """The blocks of a draw of a suite under a model's tokenizer.

        Raises:
            TaskError: the suite cannot be generated; the text says why.
        """
        source = suite.jsonl or (suite.behaviour.jsonl if isinstance(suite.behaviour, Behaviour) else None)
        rows = self._rows_digest(source) if source else None
        code, tokenizer = _generator_digest(), located.parts["tokenizer"]
        parts = {"suite": suite, "tokenizer": tokenizer, "draw": draw, "rows": rows, "generator": code, "split": split}
        key = digest("suite-memo", parts)
        if key not in self._known["suite"]:
            infos = infos_of(suite, located, draw, self._workspace, split)
            self._add("suite", key, json.dumps([asdict(info) for info in infos]))
        return self._infos(key)

    def data_digest(self, data: Data) -> str:
        """What identifies the data of a training; what is generated is not generated again to be known.

        Raises:
            NotEvaluated: the data are not here; the text says how to get them.
        """
        from ..evaluators.finetuning.rows import data_digest

        if data.families is None and data.canonical is None:
            return data_digest(data, self._workspace, self.file_digest)
        key = digest("data-memo", {"data": data, "rows": _rows_code_digest(), "generator": _generator_digest()})
        if key not in self._known["suite"]:
            self._add("suite", key, data_digest(data, self._workspace, self.file_digest))
        return self._known["suite"][key]

    def _rows_digest(self, jsonl: str) -> str:
        from ..evaluators.tasks import TaskError

        try:
            return self.file_digest(self._workspace / jsonl)
        except OSError as error:
            raise TaskError(f"{self._workspace / jsonl}: cannot be read: {error.strerror}") from error

    @cache  # noqa: B019 - a memo lives as long as its audit
    def _infos(self, key: str) -> tuple[BlockInfo, ...]:
        return tuple(
            BlockInfo(**{**row, "examples": tuple(row["examples"]), "templates": tuple(row["templates"])})
            for row in json.loads(self._known["suite"][key])
        )

    def save(self, ledger: Ledger) -> None:
        """Write what is new to the ledger."""
        for kind, values in self._new.items():
            ledger.remember_many(kind, values)
            values.clear()

    def _add(self, kind: str, key: str, value: str) -> None:
        self._known[kind][key] = self._new[kind][key] = value


@cache
def _generator_digest() -> str:
    from ..evaluators.tasks import source_digest

    return source_digest()


@cache
def _rows_code_digest() -> str:
    from ..evaluators.finetuning import rows

    folder = Path(rows.__file__).parent
    return digest("rows-code", [digest_file(folder / name) for name in ("rows.py", "canonical.py", "formats.py")])


def generate_blocks(
    suite: Suite, located: Located, draw: int, workspace: Path, split: Split = "verification"
) -> tuple[Block, ...]:
    """The prompts themselves, tokenized for a model."""
    from ..evaluators.tasks import generate

    tokenizer = _tokenizer(located)
    if not suite.behaviour:
        return generate(suite, tokenizer, split, draw, workspace)
    from ..evaluators.finetuning.chat import Chat
    from ..evaluators.tasks.items import examples_of

    chat = Chat.of(located)
    return tuple(
        examples_of(block, tokenizer, chat) for block in generate_items(suite, located, draw, workspace, split)
    )


def generate_items(
    suite: Suite, located: Located, draw: int, workspace: Path, split: Split = "verification"
) -> tuple[ItemBlock, ...]:
    """The questions of a behaviour set; none, where a suite is not one."""
    from ..evaluators.tasks.items import item_blocks

    behaviour = suite.behaviour
    if not isinstance(behaviour, Behaviour):
        return ()
    return item_blocks(behaviour, _tokenizer(located), split, draw, workspace)


def infos_of(
    suite: Suite, located: Located, draw: int, workspace: Path, split: Split = "verification"
) -> list[BlockInfo]:
    """What keys and grades need of the blocks of a suite, a behaviour set or another."""
    if suite.behaviour:
        return [_info_of_items(block) for block in generate_items(suite, located, draw, workspace, split)]
    return [_info(block) for block in generate_blocks(suite, located, draw, workspace, split)]


def _tokenizer(located: Located) -> Tokenizer:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(located.tokenizer_file))


def _info(block: Block) -> BlockInfo:
    ids = tuple(example.id for example in block.examples)
    templates = tuple(example.template for example in block.examples)
    return BlockInfo(block.family, block.digest, ids, templates, dict(block.rejected))


def _info_of_items(block: ItemBlock) -> BlockInfo:
    """What is asked decides what is written; what is checked decides what is said of it."""
    from ..specs.items import asked

    content = digest("asked", [asked(item) for item in block.items])
    ids = tuple(digest("item", item)[:16] for item in block.items)
    templates = tuple(f"{block.family}/{item.unit}" for item in block.items)
    return BlockInfo(block.family, content, ids, templates, {}, block.digest)
