"""engine: from the ledger's rows to the evidence of one claim."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ..evaluators.cells import APPLIES, COUNTED, OF
from ..evaluators.models.locate import Located
from ..specs.canonical import digest
from .controls import dealt_anew
from .grade import GRADER_VERSION
from .grade.evidence import Absent, Evidence
from .grade.forms import find_form
from .judging.answers import GATE, LENGTH, LENGTH_VERSUS
from .measure import CONFLICT, Failure
from .needs import Address, Resolved
from .registrations import Standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = Mapping[str, Mapping[str, NDArray[np.float64]]]


TELLING = "answer_loss"
"""What tells answers apart of which programs say the same: how likely each item's right answer was."""


DAMAGED = "damaged_run"
_wrong_size = "run {}... has {} values for {} examples; `mi-atlas audit --rerun` measures it again"


def missing_arms(resolved: Resolved, failures: Mapping[str, Failure]) -> dict[str, tuple[str, str]]:
    """Arm -> (code, reason) of what could not be had: not resolvable, or failed when it was run."""
    absent = dict(resolved.absent)
    if failures.keys().isdisjoint(resolved.runs):
        return absent
    shown: set[str] = set()
    for address, keys in resolved.series.items():
        for key in (each for own in keys for each in (own, *resolved.runs[own].reads)):
            shown.add(key)
            if key in failures and address.arm not in absent:
                absent[address.arm] = (failures[key].code, failures[key].reason)
    for key in failures.keys() & resolved.runs.keys() - shown if "main" not in absent else ():
        if failures[key].code == CONFLICT:
            absent["main"] = (failures[key].code, failures[key].reason)
    return absent


def evidence_digest(resolved: Resolved, absent: Mapping[str, tuple[str, str]], standing: Standing | None) -> str:
    """What a grade rests on beside the claim itself: the runs, what is missing, the look, and the grader (64 hex)."""
    look = (standing.look, standing.before_data) if standing else None
    return _evidence_digest(tuple(resolved.runs), tuple(absent.items()), look, GRADER_VERSION, resolved.labels)


@lru_cache(maxsize=1024)
def _evidence_digest(
    runs: tuple[str, ...], absent: tuple[Any, ...], look: tuple[int, bool] | None, grader: int, labels: str
) -> str:
    parts = {"runs": sorted(runs), "absent": dict(absent), "look": look, "grader": grader}
    return digest("evidence", {**parts, "labels": labels} if labels else parts)


def gather(resolved: Resolved, values: Values, absent: Mapping[str, tuple[str, str]], standing: Standing) -> Evidence:
    """Put each series where the grade looks for it; arrays run over all examples of all blocks."""
    import numpy as np

    located = resolved.located
    assert isinstance(located, Located)
    marks = _marks(resolved, values, absent)
    arrays: dict[str, dict[Any, NDArray[np.float64]]] = {
        role: {} for role in ("effect", "control", "clean", "positive_control", "denominator", "companion")
    }
    names = {*find_form(resolved.claim.expect.form).companions(resolved.claim)}
    if resolved.claim.metric.judging is not None:
        names.add(TELLING)
    absent = {**absent, **_not_given(resolved, values, absent), **_damaged(resolved, values, absent)}
    versus = (resolved.claim.metric.judging or {}).get("versus")
    counts, left_out = _counting(resolved, values, absent)
    for address, keys in resolved.series.items():
        if address.arm in absent or address.role == GATE:
            continue
        place, quantity = _place(address), _quantity(resolved, address)

        def series(name: str, keys: tuple[str, ...] = keys) -> NDArray[np.float64]:
            array = np.concatenate([values[key][name] for key in keys])[counts]
            array.flags.writeable = False
            return array

        arrays[address.role][place] = series(quantity)
        if address.role == "effect" and f"{quantity}{OF}" in values[keys[0]]:
            arrays["denominator"][place] = series(f"{quantity}{OF}")
        if address.role == "effect":
            arrays["companion"].update({(name, *place): series(name) for name in names if name in values[keys[0]]})
            for name, site in ((LENGTH, address.site), (LENGTH_VERSUS, versus)):
                if name in values[keys[0]]:
                    arrays["companion"][LENGTH, address.intervention, site] = series(name)
    if resolved.rearranged and "main" not in absent:
        arrays["control"] = dealt_anew(resolved.claim, resolved.sweep, arrays["effect"])
    rows = [
        (block.family, template, example)
        for block in resolved.blocks
        for template, example in zip(block.templates, block.examples, strict=True)
    ]
    rows = [rows[i] for i in np.flatnonzero(counts)]
    return Evidence(
        families=tuple(family for family, _, _ in rows),
        templates=tuple(template for _, template, _ in rows),
        examples=tuple(example for _, _, example in rows),
        effects=arrays["effect"],
        control=arrays["control"],
        positive=next(iter(arrays["positive_control"].values()), None),
        noise=next(iter(arrays["clean"].values()), None),
        absent={arm: Absent(code, reason) for arm, (code, reason) in absent.items()},
        look=standing.look,
        registered_before_data=standing.before_data,
        origin="simulated" if resolved.claim.metric.SIMULATED else "measured",
        sweep=resolved.sweep,
        dtype=located.spec.dtype,
        denominators=arrays["denominator"],
        companions=arrays["companion"],
        marks=marks["effect"],
        draw_marks=marks["control"],
        left_out=left_out,
    )


def _not_given(resolved: Resolved, values: Values, absent: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Arms of which some run gives other quantities than the claim's, as a model that was not trained has no loss.

    What was counted of a training that does not fit is the least it takes, which speaks for no other claim than that it
    takes so much.
    """
    found: dict[str, tuple[str, str]] = {}
    claim = resolved.claim
    at_least = claim.expect.form == "threshold" and not find_form("threshold").negative(claim)
    for address, keys in resolved.series.items():
        quantity = _quantity(resolved, address)
        if address.arm not in absent and not at_least and any(COUNTED in values[key] for key in keys):
            least = max(float(values[key][quantity][0]) for key in keys if COUNTED in values[key])
            found[address.arm] = "out_of_memory", f"{address.site} does not fit: it takes at least {least:.0f} bytes"
        if address.role != GATE and address.arm not in absent and any(quantity not in values[key] for key in keys):
            found[address.arm] = "not_given", f"there is no {quantity} of {address.site} under {address.intervention}"
    return found


def _damaged(resolved: Resolved, values: Values, absent: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Arms of which some run has not a value an example, as evidence of others may have under a right key."""
    found: dict[str, tuple[str, str]] = {}
    for address, keys in resolved.series.items():
        if address.role == GATE or address.arm in absent:
            continue
        for key, block in zip(keys, resolved.blocks, strict=True):
            wrong = {len(numbers) for numbers in values[key].values()} - {len(block.examples)}
            if wrong:
                found[address.arm] = DAMAGED, _wrong_size.format(key[:12], min(wrong), len(block.examples))
    return found


def _counting(
    resolved: Resolved, values: Values, absent: Mapping[str, tuple[str, str]]
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which examples of all blocks count, and why the others do not."""
    import numpy as np

    counts = np.ones(sum(len(block.examples) for block in resolved.blocks), dtype=bool)
    left_out: dict[str, int] = {}

    def leave_out(keep: NDArray[np.bool_], why: str) -> None:
        nonlocal counts
        if gone := int((counts & ~keep).sum()):
            left_out[why] = gone
        counts = counts & keep

    for address, keys in resolved.series.items():
        if address.arm not in absent and all(APPLIES in values[key] for key in keys):
            keep = np.concatenate([values[key][APPLIES] for key in keys]) > 0
            leave_out(keep, f"{address.site} is not in them")
        if address.role == "clean" and address.arm not in absent and resolved.claim.metric.only == "clean_correct":
            keep = np.concatenate([values[key]["exact_match"] for key in keys]) > 0
            leave_out(keep, "the clean model does not answer them")
    return counts, left_out


def _marks(resolved: Resolved, values: Values, absent: Mapping[str, tuple[str, str]]) -> dict[str, dict[int, str]]:
    """Of effects by repetition, of controls by draw: digest of all that was measured in it, of all components."""
    metric, found = resolved.claim.metric, dict[tuple[str, int], Any]()
    for address, keys in resolved.series.items() if metric.repeated else ():
        if address.arm in absent or (address.role, address.arm) not in (("effect", "main"), ("control", "control")):
            continue
        for key in keys:
            number = address.draw if address.role == "control" else resolved.runs[key].cell.seed
            content = found.setdefault((address.role, number), sha256())
            for name, numbers in sorted(values[key].items()):
                if name == COUNTED:  # what needs no run is no copy of one
                    content.update(str(number).encode())
                elif name not in metric.OF_MACHINE:
                    content.update(name.encode() + numbers.tobytes())
    each = {place: content.hexdigest() for place, content in found.items()}
    return {role: {n: mark for (its, n), mark in each.items() if its == role} for role in ("effect", "control")}


def _quantity(resolved: Resolved, address: Address) -> str:
    return str(resolved.claim.metric.quantity) if address.role in ("effect", "control") else "kl"


def _place(address: Address) -> tuple[Any, ...]:
    place = (address.intervention, address.site)
    return (*place, address.draw) if address.role == "control" else place
