"""engine: `mi-atlas doctor`: what is here, what is wrong with it, and the proofs of a model."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

from ..evaluators.cells import NotEvaluated
from ..evaluators.models.locate import Absent, Located, locate
from ..evaluators.tasks import TaskError
from ..specs.errors import SpecError
from ..specs.library import Library
from ..specs.sites import SITE_KINDS
from ..specs.suite import Suite
from ..store import Ledger, LedgerError
from .errors import EngineError
from .memo import generate_blocks
from .registrations import load_registrations
from .select import load
from .workspace import Workspace

if TYPE_CHECKING:
    from ..evaluators.models.load import LoadedModel
    from ..evaluators.tasks.example import Example

PACKAGES = ("torch", "transformers", "peft", "duckdb", "pydantic", "scipy", "bitsandbytes")
OPTIONAL = frozenset({"bitsandbytes"})
LOW_DISK = 1_000_000_000
PROMPTS = Suite(families=("copying",), templates=4, items=4)
"""What a model's proofs look at, of the discovery examples."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    fine: bool
    detail: str


def examine(workspace: Workspace) -> list[Finding]:
    """Look at everything an audit needs."""
    return [*_software(), *_machine(workspace), *_claims(workspace), _ledger(workspace), _registrations(workspace)]


def examine_model(workspace: Workspace, name: str, device: str) -> Iterator[Finding]:
    """Every proof of a model's interventions, at every kind of site that it has.

    Raises:
        SpecError: no model has that name.
    """
    located = locate(Library(workspace.libraries).model(name), workspace.root)
    yield _model(name, located, needed=True)
    if isinstance(located, Located):
        try:
            yield from _proofs(workspace, located, device)
        except (NotEvaluated, TaskError) as error:
            yield Finding("proofs", False, str(error))


def _proofs(workspace: Workspace, located: Located, device: str) -> Iterator[Finding]:
    from ..evaluators.anatomy import dissect
    from ..evaluators.models.load import load
    from ..evaluators.proofs import proofs

    loaded = load(located, device)
    anatomy = dissect(loaded.module)
    kinds = tuple(kind for kind in SITE_KINDS if anatomy.sites((kind,)))
    yield Finding("sites", True, f"{', '.join(kinds)}; {located.spec.dtype} on {device}")
    (block,) = generate_blocks(PROMPTS, located, 1, workspace.root, "discovery")
    hold = True
    for proof in proofs(loaded, block.examples, kinds):
        hold &= proof.holds
        yield Finding(proof.name, proof.holds, proof.what if proof.holds else proof.detail)
    if hold:
        yield from _numerics(loaded, block.examples)


def _numerics(loaded: LoadedModel, examples: Sequence[Example]) -> Iterator[Finding]:
    """How far arithmetic alone moves the model's numbers, beside the floor that is declared for its number format."""
    import numpy as np

    from ..evaluators.numerics import shifts
    from .tolerance import floor_of, same

    floor = floor_of({f"model.{part}": found for part, found in loaded.located.parts.items()})
    for shift in shifts(loaded, examples):
        moved = f"KL moves by at most {np.abs(shift.after - shift.before).max():.1e} nats"
        bound = f"{floor.absolute:.0e} nats and {100 * floor.relative:g}% of it"
        fine = same(shift.before, shift.after, floor)
        said = f"{moved}, {'within' if fine else 'beyond'} the floor of {bound}; logits by at most {shift.logits:.1e}"
        yield Finding(f"numerics, {shift.what}", fine, said)


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
        yield _model(name, locate(library.model(name), workspace.root))


def _model(name: str, located: Located | Absent, needed: bool = False) -> Finding:
    if isinstance(located, Absent):
        return Finding(f"model {name}", located.reason == "weights_missing" and not needed, located.message)
    return Finding(f"model {name}", True, f"{located.architecture}, weights {located.parts['weights'][:12]}")


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
