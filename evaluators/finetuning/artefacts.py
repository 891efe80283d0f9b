"""evaluators/finetuning: what trainings leave behind, kept by content: safetensors and JSON, nothing else.

    adapters/<digest>/     adapter_config.json, adapter_model.safetensors
    weights/<digest>/      model.safetensors: the weights that differ from the base model's
    trainings/<key>.json   what came of a training, and the sha256 of its files; written last

A digest names the files' content, a key what determines a training. Nothing is seen before it is whole: files are
written aside and moved. A training that was killed has no entry, and is made anew; one whose files are damaged too.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from ...specs.canonical import digest, digest_file


class Artefacts:
    """A folder of trainings, which several processes share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def alone(self, key: str) -> Iterator[Path]:
        """One process at a time makes the training of a key; an empty folder to write its files into."""
        aside = self._folder / "unfinished" / key
        aside.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(aside.with_suffix(".lock")):
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            try:
                yield aside
            finally:
                shutil.rmtree(aside, ignore_errors=True)

    def find(self, key: str) -> tuple[dict[str, Any], Path] | None:
        """What is recorded of a training and the folder of its files; None unless all of it is there, undamaged."""
        try:
            record = json.loads(self._entry(key).read_text(encoding="utf-8"))
            folder = self._folder / record["folder"]
            whole = all(digest_file(folder / name) == known for name, known in record["files"].items())
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (record, folder) if whole and record["files"] else None

    def keep(self, key: str, kind: str, aside: Path, record: dict[str, Any]) -> None:
        """Move the files to where their content says, then write the entry."""
        files = {path.name: digest_file(path) for path in sorted(aside.iterdir())}
        place = Path(kind) / digest(kind, files)
        self._move(aside, self._folder / place, files)
        entry = self._entry(key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record | {"folder": place.as_posix(), "files": files}, indent=1, sort_keys=True)
        draft = entry.with_suffix(f".{os.getpid()}")
        draft.write_text(text + "\n", encoding="utf-8")
        os.replace(draft, entry)

    def _move(self, aside: Path, place: Path, files: dict[str, str]) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            try:
                os.rename(aside, place)
                return
            except OSError:
                if _whole(place, files):
                    return
                shutil.rmtree(place, ignore_errors=True)
        os.rename(aside, place)

    def _entry(self, key: str) -> Path:
        return self._folder / "trainings" / f"{key}.json"


def _whole(folder: Path, files: dict[str, str]) -> bool:
    try:
        return all(digest_file(folder / name) == known for name, known in files.items())
    except OSError:
        return False
