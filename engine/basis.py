"""engine: what a grade rests on, part by part, so that two grades of a claim can be told apart by their cause.

A verdict keeps two digests, of the claim and of its evidence. What went into them is kept beside them under
`basis_key`, once for all audits in which nothing changed. Nothing here imports numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from ..evaluators.models.locate import Located, Reason
from ..specs.canonical import digest
from ..specs.claim import PROSE
from .grade import GRADER_VERSION

if TYPE_CHECKING:
    from ..specs.claim import MeasuredClaim
    from .findings import Found
    from .needs import Resolved
    from .registrations import Standing

KIND = "basis"
"""Under which the ledger remembers them."""

CATEGORIES = ("spec", "model", "data", "judge", "code", "sampling", "machine", "twins", "claims")
"""spec: what is claimed and asked. model: weights, tokenizer, number format. data: the suite's prompts. judge: who
scored. code: evaluators and grader. sampling: the draw of the suite, the look, a repetition. machine: what could not be
run there. twins: adversarial versions of the claim. claims: those that it rests on."""

UNKNOWN = "not recorded"
"""Category of a change whose parts the ledger was not told."""

MODEL_CODES = frozenset((*get_args(Reason), "model_changed"))
DATA_CODES = frozenset({"suite_not_generated", "suite_changed"})
MACHINE_CODES = frozenset({"run_failed", "out_of_memory"})

Basis = Mapping[str, Mapping[str, Any]]
"""Category -> name of a part -> its value."""


@dataclass(frozen=True)
class Cause:
    """One part that differs between two grades."""

    category: str
    part: str
    before: str | None = None
    """None: there was none."""
    after: str | None = None

    @property
    def text(self) -> str:
        """`spec: expect.at_least 0.5 -> 0.7`."""
        if self.before is None and self.after is None:
            return f"{self.category}: {self.part}"
        return f"{self.category}: {self.part} {self.before or 'none'} -> {self.after or 'none'}"


def basis_key(claim_hash: str, evidence_digest: str) -> str:
    """Where the basis of a verdict is kept (64 hex digits)."""
    return digest("basis", [claim_hash, evidence_digest])


def basis_of(
    resolved: Resolved, absent: Mapping[str, tuple[str, str]], standing: Standing | None, found: Found | None
) -> dict[str, dict[str, Any]]:
    """The parts of a measured claim's grade; digests and short words only."""
    located = resolved.located
    versions = {f"evaluator {name}": version for name, version in resolved.runs.evaluators}
    parts: dict[str, dict[str, Any]] = {
        "spec": _spec(resolved.claim, resolved.estimand),
        "model": dict(located.parts) if isinstance(located, Located) else {},
        "data": {"prompts": digest("blocks", [block.digest for block in resolved.blocks])} if resolved.blocks else {},
        "code": {"grader": GRADER_VERSION, **versions},
        "sampling": {"draw": resolved.draw},
    }
    if resolved.runs:
        parts["code"]["runs"] = resolved.runs.cells
    if resolved.labels:
        parts["judge"] = {"labels": resolved.labels}
    if standing:
        parts["sampling"] |= {"look": standing.look, "registered before data": standing.before_data}
    for name, value in resolved.more.items():
        if name != "settings":
            parts.setdefault(_category_of_part(name), {})[name] = value
    for arm, (code, _) in absent.items():
        parts.setdefault(_category_of_code(code), {})[f"missing {arm}"] = code
    if found:
        parts["twins"] = {"found": found.said}
    return parts


def basis_of_record(claim: MeasuredClaim, estimand: str, files: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """That of a claim that was graded as recorded: file -> its digest."""
    data = {"evidence": "as recorded", **files}
    return {"spec": _spec(claim, estimand), "data": data, "code": {"grader": GRADER_VERSION}}


def basis_of_composite(children: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """That of a claim over others: child -> claim hash, evidence digest."""
    return {"claims": {name: digest("child", list(hashes)) for name, hashes in children.items()}}


def causes(before: Basis | None, after: Basis | None) -> tuple[Cause, ...]:
    """What differs between two bases, by category; where one of them is not known, that."""
    if before is None or after is None:
        return (Cause(UNKNOWN, "the ledger of then does not say which part of the evidence"),)
    found = [each for category in CATEGORIES for each in _differing(category, before, after)]
    changed = {cause.category for cause in found}
    said = [cause for cause in found if not _implied(cause, found, changed)]
    return tuple(said)


def _differing(category: str, before: Basis, after: Basis) -> Iterator[Cause]:
    old, new = before.get(category, {}), after.get(category, {})
    for part in sorted(old.keys() | new.keys()):
        if old.get(part) != new.get(part):
            yield Cause(category, part, _shown(old.get(part)), _shown(new.get(part)))


def _implied(cause: Cause, found: list[Cause], changed: set[str]) -> bool:
    """Whether another change says the same more plainly."""
    if cause.part == "runs":
        return bool(changed & {"spec", "model", "machine"}) or any(part.startswith("missing") for part in _parts(found))
    if cause.part in ("look", "registered before data"):
        return cause.before is None or cause.after is None
    if cause.part.startswith("the named"):
        return any(other.category == "spec" and other is not cause for other in found)
    return cause.part == "prompts" and any(other.part == "draw" for other in found)


def _parts(found: list[Cause]) -> Iterator[str]:
    return (cause.part for cause in found)


def _category_of_part(name: str) -> str:
    if name.startswith("judge"):
        return "judge"
    if name == "machine":
        return name
    return "model" if name.startswith("donor.") else "data"


def _category_of_code(code: str) -> str:
    if code in MODEL_CODES:
        return "model"
    if code in DATA_CODES:
        return "data"
    if code.startswith("judge"):
        return "judge"
    return "machine" if code in MACHINE_CODES else "code"


def _spec(claim: MeasuredClaim, estimand: str) -> dict[str, Any]:
    """What is claimed and asked, by path."""
    parts: dict[str, Any] = {}
    _flatten(claim.model_dump(mode="json", exclude=set(PROSE), exclude_none=True), "", parts)
    return parts | {"the named model and suite in full": estimand}


def _flatten(value: Any, path: str, parts: dict[str, Any]) -> None:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            _flatten(part, f"{path}.{name}" if path else name, parts)
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        for number, part in enumerate(value, 1):
            _flatten(part, f"{path}[{number}]", parts)
    else:
        parts[path] = value


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return f"{value[:12]}..." if len(value) == 64 else value
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else f"{value}"
