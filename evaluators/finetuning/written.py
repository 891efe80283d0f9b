"""evaluators/finetuning: finite sets of rows: a file, a dataset of the hub, or a canonical set. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...specs.canonical import digest
from ...specs.errors import Fault
from ...specs.recipe import Data
from ..cells import NotEvaluated
from ..tasks.errors import TaskError
from ..tasks.jsonl import jsonl_rows
from . import formats
from .chat import Chat, conversation
from .rows import Row, plain
from .shapes import Written, read

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST = 4096
"""Tokens of a row; a longer one is an error in a file, and left out of a dataset."""

COMMIT = re.compile(r"[0-9a-f]{40}")


def rows_of(data: Data, tokenizer: Tokenizer, workspace: Path = Path(), chat: Chat | None = None) -> list[Row]:
    """The first `examples` different rows, or all, in their own order; a row that was there before is passed over.

    Raises:
        NotEvaluated: not here, or too few rows; bad rows of a file: the file, the line, and what would be right.
    """
    chat = chat or Chat()
    source = str(data.jsonl or data.hub or data.canonical)
    if data.canonical is not None:
        made: Iterable[Row] = formats.rows_of(data.canonical, str(data.format), tokenizer, chat)
    elif data.jsonl is not None:
        made = _of_file(workspace / data.jsonl, data, tokenizer, chat)
    else:
        made = _of_dataset(data, tokenizer, chat)
    found: dict[Row, None] = {}
    repeated = 0
    for row in made:
        repeated += row in found
        found[row] = None
        if len(found) == data.examples:
            break
    if not found or len(found) < (data.examples or 0):
        text = f"{source} has {len(found)} rows that can be used, and {repeated} copies of them"
        raise NotEvaluated("too_few_examples", f"{text}; data.examples asks for {data.examples or 'all'}")
    return list(found)


def content_digest(data: Data, workspace: Path, file_digest: Callable[[Path], str]) -> str:
    """What identifies the content, see `rows.data_digest`."""
    if data.canonical is not None:
        return formats.content_digest(data.canonical)
    if data.jsonl is not None:
        path = workspace / data.jsonl
        if not path.is_file():
            raise NotEvaluated("data_missing", f"there is no file {path}; data.jsonl starts at the workspace")
        return file_digest(path)
    snapshot = _snapshot(data)
    _require_datasets(data)
    return digest("hub", [data.hub, snapshot.name])


def _of_file(path: Path, data: Data, tokenizer: Tokenizer, chat: Chat) -> list[Row]:
    """Every row of a file, all of which have to be right."""
    try:
        lines, faults = jsonl_rows(path)
    except TaskError as error:
        raise NotEvaluated("data_missing", str(error)) from error
    made: list[Row] = []
    for number, fields in lines.items():
        try:
            made.append(encoded(read(fields, data.pairs is not None), tokenizer, chat, path.name))
        except ValueError as error:
            faults.append(Fault(path, number, 1, "", str(error)))
        except NotEvaluated as error:
            faults.append(Fault(path, number, 1, "", f"{error.code}: {error}"))
    if faults:
        raise NotEvaluated("bad_rows", "\n".join(map(str, sorted(faults, key=lambda fault: fault.line))))
    return made


def _of_dataset(data: Data, tokenizer: Tokenizer, chat: Chat) -> Iterator[Row]:
    """The rows of a dataset's training split; those that cannot be used are left out, as long as there are others."""
    hub, first = str(data.hub), ""
    usable = 0
    for number, fields in enumerate(_table(data), 1):
        try:
            row = encoded(read(fields, data.pairs is not None), tokenizer, chat, hub)
        except (ValueError, NotEvaluated) as error:
            first = first or str(Fault(Path(hub), number, 1, "", str(error)))
            continue
        usable += 1
        yield row
    if first and not usable:
        raise NotEvaluated("no_such_shape", f"no row of {hub} can be used; the first: {first}")


def encoded(written: Written, tokenizer: Tokenizer, chat: Chat, key: str) -> Row:
    """A written example as a row.

    Raises:
        NotEvaluated: the tokenizer or the chat template joins its parts.
        ValueError: it is too long.
    """
    row: Row | None
    if written.turns:
        row = conversation(tokenizer, chat, written.turns, written.worse, key)
    elif not written.prompt:
        row = Row((), tuple(tokenizer.encode(written.answer).ids), None, key)
    else:
        row = plain(tokenizer, written.prompt, written.answer, written.worse, key)
    if row is None:
        raise NotEvaluated("boundary", "this tokenizer joins the prompt with its answer; begin the answer with a space")
    if written.closed and (end := tokenizer.token_to_id(chat.eos)) is not None:
        row = Row(row.prompt, (*row.target, end), row.worse, key)
    if (length := len(row.prompt) + max(len(row.target), len(row.worse or ()))) > LONGEST:
        raise ValueError(f"is {length} tokens long; {LONGEST} are the most")
    return row


def _table(data: Data) -> Iterator[Mapping[str, Any]]:
    folder = _snapshot(data)
    _require_datasets(data)
    import datasets  # type: ignore[import-untyped]

    try:
        splits = datasets.get_dataset_split_names(str(folder), data.subset)
        return iter(datasets.load_dataset(str(folder), data.subset, split=_training_split(data, splits)))
    except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
        raise NotEvaluated("data_unreadable", f"{data.hub} cannot be read: {str(error).splitlines()[0]}") from error


def _require_datasets(data: Data) -> None:
    if find_spec("datasets") is None:
        raise NotEvaluated("no_datasets", f"{data.hub} needs the library `datasets`: pip install 'mi-atlas[datasets]'")


def _training_split(data: Data, splits: list[str]) -> str:
    """`train`, or, as UltraChat and UltraFeedback have them, `train_sft` or `train_prefs`."""
    wanted = "train_prefs" if data.pairs else "train_sft"
    found = next((name for name in (wanted, "train") if name in splits), None)
    if found is None:
        raise NotEvaluated("no_such_split", f"{data.hub} has no split `train`; it has {', '.join(splits)}")
    return found


def _snapshot(data: Data) -> Path:
    """Folder of the dataset at its commit, in the hub client's cache.

    Raises:
        NotEvaluated: no commit is named, or it is not here; with the command that fetches it.
    """
    from huggingface_hub import constants

    hub = str(data.hub)
    fetch = f"hf download --repo-type dataset {hub} --revision"
    if data.revision is None:
        text = f"no commit of {hub} is pinned: name one as data.revision; `{fetch} main` fetches the newest and says it"
        raise NotEvaluated("not_pinned", text)
    if not COMMIT.fullmatch(data.revision):
        raise NotEvaluated("not_pinned", f"revision {data.revision} of {hub} is no commit of 40 hex digits")
    folder = Path(constants.HF_HUB_CACHE) / f"datasets--{hub.replace('/', '--')}" / "snapshots" / data.revision
    if not folder.is_dir():
        text = f"{hub} at {data.revision[:12]} is not on this machine; `{fetch} {data.revision}` fetches it"
        raise NotEvaluated("data_missing", text)
    return folder
