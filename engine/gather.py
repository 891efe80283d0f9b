"""engine: from the ledger's rows to the evidence of one claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..evaluators.models.locate import Located
from ..specs.canonical import digest
from .execute import Failure
from .grade import GRADER_VERSION
from .grade.evidence import Absent, Evidence
from .registrations import Standing
from .resolve import Address, Resolved

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = Mapping[str, Mapping[str, NDArray[np.float64]]]


def missing_arms(resolved: Resolved, failures: Mapping[str, Failure]) -> dict[str, tuple[str, str]]:
    """Arm -> (code, reason) of what could not be had: not resolvable, or failed when it was run."""
    absent = dict(resolved.absent)
    for address, keys in resolved.series.items():
        for key in keys:
            if key in failures and address.arm not in absent:
                absent[address.arm] = (failures[key].code, failures[key].reason)
    return absent


def evidence_digest(resolved: Resolved, absent: Mapping[str, tuple[str, str]], standing: Standing | None) -> str:
    """What a grade rests on beside the claim itself: the runs, what is missing, the look, and the grader (64 hex)."""
    return digest(
        "evidence",
        {
            "runs": sorted(resolved.runs),
            "absent": {arm: list(why) for arm, why in absent.items()},
            "look": [standing.look, standing.before_data] if standing else None,
            "grader": GRADER_VERSION,
        },
    )


def gather(resolved: Resolved, values: Values, absent: Mapping[str, tuple[str, str]], standing: Standing) -> Evidence:
    """Put each series where the grade looks for it; arrays run over all examples of all blocks."""
    import numpy as np

    located = resolved.located
    assert isinstance(located, Located)
    arrays: dict[str, dict[Any, NDArray[np.float64]]] = {
        role: {} for role in ("effect", "control", "clean", "positive_control")
    }
    for address, keys in resolved.series.items():
        if address.arm not in absent:
            quantity = _quantity(resolved, address)
            arrays[address.role][_place(address)] = np.concatenate([values[key][quantity] for key in keys])
    return Evidence(
        families=tuple(block.family for block in resolved.blocks for _ in block.examples),
        templates=tuple(template for block in resolved.blocks for template in block.templates),
        examples=tuple(example for block in resolved.blocks for example in block.examples),
        effects=arrays["effect"],
        control=arrays["control"],
        positive=next(iter(arrays["positive_control"].values()), None),
        noise=next(iter(arrays["clean"].values()), None),
        absent={arm: Absent(code, reason) for arm, (code, reason) in absent.items()},
        look=standing.look,
        registered_before_data=standing.before_data,
        origin="measured",
        layers=located.layers,
        dtype=located.spec.dtype,
    )


def _quantity(resolved: Resolved, address: Address) -> str:
    return str(resolved.claim.metric.quantity) if address.role in ("effect", "control") else "kl"


def _place(address: Address) -> tuple[Any, ...]:
    place = (address.intervention, address.site)
    return (*place, address.draw) if address.role == "control" else place
