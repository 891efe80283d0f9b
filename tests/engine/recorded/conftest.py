"""tests: recorded files that a test makes itself, a workspace whose claims they speak to, and what comes out."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mi_atlas.engine.grade import Verdict
from mi_atlas.engine.recorded.record import Record, RecordedAudit, audit_record, read_record
from mi_atlas.engine.select import Selection
from mi_atlas.engine.workspace import Workspace
from mi_atlas.specs.library import Library

FAMILIES = (
    *("copying", "factual_recall", "json_schema", "arithmetic", "delimiter_tracking", "code_syntax"),
    *("code_semantics", "variable_renaming", "dead_code", "refusal_style", "verbosity", "uncertainty"),
)
CLAIM: dict[str, Any] = {
    "statement": "Something about a model.",
    "model": {"source": {"hub": "org/model"}},
    "suite": "main-12",
    "metric": {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "layer"}},
    "counterfactual": {"intervention": "zero"},
    "robustness": [{"intervention": "mean"}],
    "control": {"kind": "matched_norm_noise"},
    "expect": {"form": "top_component", "component": "L1"},
    "threshold": {"high": 0.995},
}
"""A claim on the layers of a model; a test changes fields of it."""

MAP: dict[str, Any] = {
    "about": "A matrix of layers and families.",
    "files": ["**/matrix_seed{seed}.json"],
    "model": "org/model",
    "numbers": [
        {
            "values": "m/{layer}/{column}",
            "fields": {"family": "families/{column}"},
            "evaluator": "ablation",
            "quantity": "kl",
            "unit": "nats",
            "positions": "last",
            "intervention": "zero",
            "component": "L{layer}",
        }
    ],
}
"""A map of one table; a test changes fields of it."""


class Folder:
    """A workspace with claims and maps of its own, and a folder of recorded files."""

    def __init__(self, root: Path) -> None:
        self.root, self.files = root, root / "files"
        self.files.mkdir()

    def put(self, path: str, content: Any) -> Path:
        """Write a recorded file: JSON, or by its suffix JSON lines or a table; text as it is."""
        file = self.files / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            file.write_text(content)
        elif path.endswith(".jsonl"):
            file.write_text("".join(f"{json.dumps(row)}\n" for row in content))
        elif path.endswith(".csv"):
            with file.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, content[0])
                writer.writeheader()
                writer.writerows(content)
        else:
            file.write_text(json.dumps(content))
        return file

    def matrix(self, rows: list[list[float]], seed: int = 1, families: tuple[str, ...] = FAMILIES, **more: Any) -> Path:
        """A file that MAP reads: effects by layer and family."""
        return self.put(f"matrix_seed{seed}.json", {"families": families, "m": rows, "seed": seed, **more})

    def map(self, name: str = "matrix", table: dict[str, Any] | None = None, **fields: Any) -> None:
        """Write MAP with changes into the workspace's own library."""
        spec = {"recorded": name, **MAP, **fields}
        spec["numbers"] = [{**each, **(table or {})} for each in spec["numbers"]]
        self._spec(f"specs/library/recorded/{name}.yaml", spec)

    def claim(self, name: str = "a/claim", **fields: Any) -> None:
        """Write CLAIM with changes."""
        self._spec(f"claims/{name}.yaml", {"claim": name, **CLAIM, **fields})

    def record(self) -> Record:
        """What the maps find."""
        return read_record(self.files, Library([self.root / "specs" / "library"]))

    def audit(self) -> RecordedAudit:
        """Every claim, as recorded."""
        return audit_record(self.workspace, Selection(), self.files)

    def verdict(self, **claim: Any) -> Verdict:
        """The verdict on one claim, after the map was written if there is none."""
        if not (self.root / "specs").exists():
            self.map()
        self.claim(**claim)
        return self.audit().verdicts["a/claim"]

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        return Workspace(self.root, self.root / "claims", self.root / ".mi-atlas" / "ledger.duckdb")

    def codes(self) -> set[str]:
        """The codes of what is found wrong."""
        return {finding.code for finding in self.record().findings}

    def _spec(self, path: str, spec: dict[str, Any]) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({key: value for key, value in spec.items() if value is not None}))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty workspace and an empty folder of files."""
    return Folder(tmp_path)


@pytest.fixture
def spread() -> Callable[..., list[list[float]]]:
    """Effects of layers whose means are given, with a scatter over families that is the same in every layer but one."""

    def rows(*means: float, scatter: float = 0.1) -> list[list[float]]:
        wobble = [scatter * ((7 * i) % 5 - 2) for i in range(len(FAMILIES))]
        return [[mean + (k + 1) * each / 2 for each in wobble] for k, mean in enumerate(means)]

    return rows
