"""evaluators/timing: a session seen from outside: a fresh process, what it is given, what it tells. Imports no torch.

The process imports what it needs, says that it is ready and waits; so several can start side by side, and only one of
them is at work. It is given JSON and tells JSON, one line each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...specs.model import Model
from ..cells import NotEvaluated
from ..models.locate import Located

GO = "go\n"


class Session:
    """A process that measures once. A context: leaving it ends the process."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        """Start it; `job` is what `clock.Job` is made of."""
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.clock"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._tell(json.dumps(job) + "\n")

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def wait(self) -> None:
        """Until the process is ready.

        Raises:
            NotEvaluated: `session_failed`.
        """
        self._hear()

    def measure(self) -> dict[str, Any]:
        """What it measures: its process number, `pid`, and `works`: values, or `code` and `text` of why there are none.

        Raises:
            NotEvaluated: `session_failed`.
        """
        self._tell(GO)
        return self._hear()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _fail(self) -> None:
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["without a word"]
        raise NotEvaluated("session_failed", f"the process that measures ended with code {code}: {said[-1][:300]}")


def written(located: Located) -> dict[str, Any]:
    """A located model as JSON."""
    return {
        "spec": located.spec.model_dump(mode="json"),
        "folder": str(located.folder.absolute()),
        "config": dict(located.config),
        "layers": located.layers,
        "architecture": located.architecture,
        "tokenizer_file": str(located.tokenizer_file.absolute()),
        "parts": dict(located.parts),
        "bytes": located.bytes,
        "adapter": located.adapter and str(located.adapter.absolute()),
        "heads": list(located.heads),
        "untrained": located.untrained,
    }


def read(found: Mapping[str, Any]) -> Located:
    """A located model from JSON."""
    paths = {name: found[name] and Path(found[name]) for name in ("folder", "tokenizer_file", "adapter")}
    heads: Sequence[int] = found["heads"]
    return Located(**{**found, **paths, "spec": Model.model_validate(found["spec"]), "heads": tuple(heads)})
