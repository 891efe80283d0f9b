"""engine: what simulated claims have in common, made once a process: suites, models, and a ledger that knows them.

Numbers of claims are simulated, but every audit digests weights, makes prompts, and measures the clean pass and the
positive control of a genuine model. A ledger that has these is copied for each batch of claims. Trainings that differ
in their seed are copies of one pocket model under configurations that differ in a note.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...evaluators.pocket import packaged
from ...specs.library import Library
from ..audit import Audit, Options
from ..talk import Silent
from ..workspace import Workspace
from .worlds import MODEL, ONE_FAMILY, SIZES, TRAININGS, measured_claim

PROMPTS = {10: 2, 30: 1}
"""Templates a family -> prompts of each, so that clones can be told from templates."""


class Warm:
    """A workspace without claims of known truth, which lasts as long as this object."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._root, self._have = Path(self._folder.name), set[tuple[str, str]]()
        for name in TRAININGS:
            _copy(self._root / "models" / name, name)

    def workspace(self, root: Path, models_and_suites: Iterable[tuple[str, str]]) -> Workspace:
        """A workspace at `root` whose ledger has the checks of these models on these suites."""
        self._measure(set(models_and_suites) - self._have)
        (root / ".mi-atlas").mkdir()
        shutil.copyfile(workspace_at(self._root).ledger, workspace_at(root).ledger)
        self._specs(root)
        return workspace_at(root)

    def _measure(self, wanted: set[tuple[str, str]]) -> None:
        if not wanted:
            return
        self._specs(self._root)
        for model, suite in wanted:
            document = {**measured_claim(f"warm/{model}-{suite}"), "model": model, "suite": suite}
            write(self._root / "claims", str(document["claim"]), document)
        Audit(workspace_at(self._root), Options(calibration=True, processes=1), Silent()).run()
        self._have |= wanted

    def _specs(self, root: Path) -> None:
        library = root / "specs" / "library"
        for templates in SIZES:
            write(library / "suites", f"simulated-{templates}", _suite(templates))
        for templates in SIZES:
            write(
                library / "suites",
                single(templates),
                {**_suite(templates), "suite": single(templates), "items": templates},
            )
        one = {"families": [_suite(30)["families"][0]], "templates": 30, "items": 30}
        write(library / "suites", ONE_FAMILY, {"suite": ONE_FAMILY, **one})
        for name in TRAININGS:
            source = {"path": str(self._root / "models" / name)}
            write(library / "models", name, {"model": name, "source": source})


def single(templates: int) -> str:
    """The suite that has one prompt of each template."""
    return f"simulated-{templates}-single"


def workspace_at(root: Path) -> Workspace:
    """A workspace of this folder."""
    return Workspace(root, root / "claims", root / ".mi-atlas" / "ledger.duckdb")


def write(folder: Path, name: str, document: object) -> None:
    """A YAML file; JSON is YAML."""
    path = folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _suite(templates: int) -> dict[str, Any]:
    families, items = Library().suite("main-12").families or (), templates * PROMPTS[templates]
    return {"suite": f"simulated-{templates}", "families": list(families), "templates": templates, "items": items}


def _copy(folder: Path, name: str) -> None:
    original = packaged(MODEL)
    assert original is not None
    folder.mkdir(parents=True)
    for file in ("model.safetensors", "tokenizer.json"):
        (folder / file).symlink_to(original / file)
    config = json.loads((original / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "simulated_training": name}), encoding="utf-8")
