"""engine: `mi-atlas doctor`: what is here, and what is wrong with it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

from ..evaluators.models.locate import Absent, locate
from ..specs.errors import SpecError
from ..store import Ledger, LedgerError
from .errors import EngineError
from .registrations import load_registrations
from .select import load
from .workspace import Workspace

PACKAGES = ("torch", "transformers", "peft", "duckdb", "pydantic", "scipy", "bitsandbytes")
OPTIONAL = frozenset({"bitsandbytes"})
LOW_DISK = 1_000_000_000


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    fine: bool
    detail: str


def examine(workspace: Workspace) -> list[Finding]:
    """Look at everything an audit needs."""
    return [*_software(), *_machine(workspace), *_claims(workspace), _ledger(workspace), _registrations(workspace)]


def _software() -> Iterator[Finding]:
    yield Finding("python", True, platform.python_version())
    for name in PACKAGES:
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, name in OPTIONAL, "not installed" + (" (optional)" if name in OPTIONAL else ""))


def _machine(workspace: Workspace) -> Iterator[Finding]:
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    yield Finding("device", True, ", ".join(names) or f"cpu, {torch.get_num_threads()} threads")
    free = shutil.disk_usage(workspace.root).free
    yield Finding("disk", free > LOW_DISK, f"{free / 1e9:.1f} GB free at {workspace.root}")


def _claims(workspace: Workspace) -> Iterator[Finding]:
    try:
        claims, library = load(workspace)
    except SpecError as error:
        yield Finding("claims", False, f"{len(error.faults)} faults; run `mi-atlas validate`")
        return
    yield Finding("claims", True, f"{len(claims)} in {workspace.claims}")
    for name in library.models:
        located = locate(library.model(name), workspace.root)
        if isinstance(located, Absent):
            yield Finding(f"model {name}", located.reason == "weights_missing", located.message)
        else:
            yield Finding(f"model {name}", True, f"{located.architecture}, weights {located.parts['weights'][:12]}")


def _ledger(workspace: Workspace) -> Finding:
    try:
        ledger = Ledger(workspace.ledger, patience_s=2)
        audits = ledger.audits()
    except LedgerError as error:
        return Finding("ledger", False, str(error))
    if not workspace.ledger.exists():
        return Finding("ledger", True, f"{workspace.ledger} will be made by the first audit")
    unfinished = sum(audit.finished_at is None for audit in audits)
    size = workspace.ledger.stat().st_size / 1e6
    return Finding(
        "ledger", True, f"{workspace.ledger}, {size:.1f} MB, {len(audits)} audits ({unfinished} not finished)"
    )


def _registrations(workspace: Workspace) -> Finding:
    try:
        known = load_registrations(workspace.registrations, workspace.claims / "registrations.lock")
    except EngineError as error:
        return Finding("registrations", False, str(error))
    return Finding("registrations", True, f"{len(known.estimands)} estimands in {workspace.registrations}")
