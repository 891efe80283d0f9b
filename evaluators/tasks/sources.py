"""evaluators/tasks: the digest of the code that makes suites."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...specs import checks, items
from ...specs.canonical import digest, digest_file
from .family import family_modules


def source_digest() -> str:
    """Digest (64 hex digits) of everything that decides what a suite contains, beside its spec and tokenizer.

    With it, the content of a generated suite can be remembered: nothing is generated, no family is imported.
    """
    room = Path(__file__).parent
    files = {path.relative_to(room).as_posix(): digest_file(path) for path in room.rglob("*.py")}
    for path in (Path(checks.__file__), Path(items.__file__), *items.packaged_files()):
        files[f"specs/{path.name}"] = digest_file(path)
    for module in family_modules():
        if not module.startswith(f"{__package__}."):
            spec = find_spec(module)
            files[module] = digest_file(Path(spec.origin)) if spec and spec.origin else ""
    return digest("task-sources", files)
