"""tests: the house keeps its shape: who may import whom, and what a help text may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import mi_atlas
import pytest

ROOT = Path(mi_atlas.__file__).parent
OURS = {
    "specs": set(),
    "store": {"specs"},
    "evaluators": {"specs"},
    "judges": {"specs"},
    "engine": {"specs", "store", "evaluators", "judges"},
}
"""Room -> the other rooms it may import."""
FOREIGN = {
    "specs": {"pydantic", "pydantic_core", "yaml", "jsonschema"},
    "store": {"duckdb", "numpy", "filelock"},
    "evaluators": {
        "torch",
        "transformers",
        "tokenizers",
        "peft",
        "safetensors",
        "numpy",
        "datasets",
        "huggingface_hub",
        "yaml",
    }
    | {"bitsandbytes", "filelock", "jinja2", "lion_pytorch", "pydantic", "schedulefree"},
    "judges": {"httpx", "jsonschema"},
    "engine": {"typer", "rich", "scipy", "numpy", "torch", "transformers", "tokenizers", "jinja2", "markupsafe"}
    | {"pyarrow", "ray"},
}
"""Room -> the packages of others it may import."""
FILES = [path for room in OURS for path in sorted((ROOT / room).rglob("*.py"))]


def imports(path: Path) -> list[tuple[str, str]]:
    """(room or package, line) of every import in a file, also inside functions."""
    found = []
    depth_of_file = len(path.relative_to(ROOT).parts) - 1
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, f"{path}:{node.lineno}") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", f"{path}:{node.lineno}"))
        elif isinstance(node, ast.ImportFrom):
            above = path.relative_to(ROOT).parts[: depth_of_file - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [("mi_atlas." + ".".join((*above, name)), f"{path}:{node.lineno}") for name in names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_what_they_may(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    for name, line in imports(path):
        package, *rest = name.split(".")
        if package == "mi_atlas":
            target = rest[0] if rest else "__init__"
            if target != room and target != "__init__":
                assert target in OURS[room], f"{line}: {room} may not import {target}"
        elif package not in sys.stdlib_module_names:
            assert package in FOREIGN[room], f"{line}: {room} may not import {package}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_what_room_it_is(path: Path) -> None:
    first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
    assert first.startswith(path.relative_to(ROOT).parts[0]), f"{path} begins with {first!r}"


def test_the_table_of_imports_can_fail(tmp_path: Path) -> None:
    bad = ROOT / "specs" / "not_written.py"
    tree = "from ..store import Ledger\nimport torch\nfrom .base import Spec\n"
    original = Path.read_text
    try:
        Path.read_text = lambda self, **kwargs: tree if self == bad else original(self, **kwargs)  # type: ignore[method-assign]
        assert [name for name, _ in imports(bad)] == ["mi_atlas.store", "torch", "mi_atlas.specs.base"]
        with pytest.raises(AssertionError, match="may not import store"):
            test_rooms_import_only_what_they_may(bad)
    finally:
        Path.read_text = original  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "words", [["--help"], ["audit", "--help"], ["validate"], ["schema", "out"]], ids=lambda words: "-".join(words)
)
def test_light_commands_load_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    program = (
        f"import sys; sys.argv = ['mi-atlas', *{words!r}]\n"
        "from mi_atlas.engine.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'transformers', 'duckdb', 'numpy', 'httpx', 'scipy', 'peft'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, capture_output=True, timeout=300)
