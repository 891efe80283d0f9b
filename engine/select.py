"""engine: the claims of a workspace, and which of them a command is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ..specs.claim import CompositeClaim, MeasuredClaim
from ..specs.errors import SpecError
from ..specs.library import Library, load_workspace
from ..specs.load import LoadedClaim
from .errors import UsageError
from .workspace import Workspace

Claims = Mapping[str, LoadedClaim]


@dataclass(frozen=True)
class Selection:
    """What was asked for: ids or globs, tags, model names; empty means all."""

    patterns: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def load(workspace: Workspace) -> tuple[Claims, Library]:
    """All claims, checked, with the library their names refer to.

    Raises:
        SpecError: with every fault of every file.
    """
    library = Library(workspace.libraries)
    claims, faults = load_workspace(workspace.claims, library)
    if faults:
        raise SpecError(faults)
    return claims, library


def select(claims: Claims, selection: Selection) -> dict[str, LoadedClaim]:
    """The claims asked for, and the children of composites among them, in the order of their ids.

    Raises:
        UsageError: a pattern, tag or model matches no claim.
    """
    chosen = {
        name
        for name, loaded in claims.items()
        if _matches(selection.patterns, [name], fnmatchcase)
        and _matches(selection.tags, loaded.claim.tags, str.__eq__)
        and _matches(selection.models, [model_name(loaded.claim)], fnmatchcase)
    }
    _refuse_idle(claims, selection)
    children = {
        child
        for name in chosen
        if isinstance(claim := claims[name].claim, CompositeClaim)
        for child in claim.expect.claims
    }
    return {name: claims[name] for name in sorted(chosen | children)}


def _matches(wanted: Iterable[str], has: Iterable[str], same: object) -> bool:
    wanted, has = tuple(wanted), tuple(has)
    return not wanted or any(same(value, pattern) for value in has for pattern in wanted)  # type: ignore[operator]


def model_name(claim: MeasuredClaim | CompositeClaim) -> str:
    """The name of the model that a claim is about; empty for a claim over other claims, or a model without a name."""
    if isinstance(claim, CompositeClaim):
        return ""
    return claim.model if isinstance(claim.model, str) else claim.model.model or ""


def _refuse_idle(claims: Claims, selection: Selection) -> None:
    known = {
        "claim": (selection.patterns, set(claims)),
        "tag": (selection.tags, {tag for loaded in claims.values() for tag in loaded.claim.tags}),
        "model": (selection.models, {model_name(loaded.claim) for loaded in claims.values()} - {""}),
    }
    for what, (patterns, values) in known.items():
        for pattern in patterns:
            if not any(fnmatchcase(value, pattern) for value in values):
                near = get_close_matches(pattern, values, 1)
                hint = (
                    f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(sorted(values)[:12]) or 'none'}"
                )
                raise UsageError(f"no claim has {what} `{pattern}`; {hint}")
