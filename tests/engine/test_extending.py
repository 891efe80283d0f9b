"""tests: the evaluator of docs/extending.md, taken from that page, works as another package's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import mi_atlas

from .conftest import Desk, claim

PAGE = Path(mi_atlas.__file__).parent / "docs" / "extending.md"

PROGRAM = """
import json, sys
from mi_atlas.engine.cli import main
main()
"""


def install(folder: Path) -> None:
    """The page's file and entry points, as pip would lay them out."""
    page = PAGE.read_text(encoding="utf-8")
    code = re.search(r'```python\n("""Entropy.*?)```', page, re.DOTALL)
    entry_points = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert code
    assert entry_points
    (folder / "entropy.py").write_text(code[1])
    info = folder / "entropy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: entropy\nVersion: 1.0\n")
    groups = re.sub(r'\[project\.entry-points\."(.*?)"\]', r"[\1]", entry_points[1]).replace('"', "")
    (info / "entry_points.txt").write_text(groups)


def test_the_page_s_evaluator_is_audited(thin_desk: Desk, tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    install(package)
    site = "L1.mlp"
    metric = {"evaluator": "entropy", "quantity": "entropy_rise", "sites": {"granularity": "mlp"}}
    document = claim(
        metric=metric,
        control={"kind": "untrained_model", "draws": 20},
        expect={"form": "threshold", "component": site, "at_least": -100.0},
    )
    thin_desk.write("small/entropy", document)
    environment = os.environ | {"PYTHONPATH": str(package)}

    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, *words]
        return subprocess.run(command, cwd=thin_desk.root, env=environment, capture_output=True, text=True, timeout=300)

    audit = typed("audit")
    assert audit.returncode in (0, 2), audit.stderr
    explained = typed("explain", "small/entropy").stdout
    assert f"{site}: mean entropy rise" in explained, explained
    without = thin_desk.type("validate")
    assert without[0] == 3
    assert "entropy" in without[2]
