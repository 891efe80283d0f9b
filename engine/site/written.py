"""engine: a few of the answers that a claim was judged on, as its page shows them; templates escape them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ..judging.answers import by_item
from ..judging.panel import prompt_of
from ..measure import Place, items_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..audit import Audit
    from ..needs import Resolved

    Values = Mapping[str, Mapping[str, NDArray[np.float64]]]

MOST, OF_A_CATEGORY = 12, 2
LONGEST = 600
"""Characters that are shown of a text."""


@dataclass(frozen=True)
class Answer:
    """One answer, and what was said of it."""

    condition: str
    category: str
    task: str
    answer: str
    said: str
    """`passed 1`, mean over draws and judges."""


def answers(state: Audit, resolved: Resolved, values: Values) -> tuple[Answer, ...]:
    """The first of each category and condition; none of a claim whose answers are not judged, or not yet."""
    if resolved.claim.metric.judging is None or not resolved.series:
        return ()
    return tuple(islice(_answers(state, resolved, values), MOST))


def _answers(state: Audit, resolved: Resolved, values: Values) -> Iterator[Answer]:
    main = [(address, keys) for address, keys in resolved.series.items() if address.arm == "main"]
    runs = [(address.site, resolved.runs[key]) for address, keys in main for key in keys if key in values]
    texts = state.ledger.texts(run.reads[0] for _, run in runs)
    quantity, seen = resolved.claim.metric.quantity, set[tuple[str, str]]()
    for condition, run in runs:
        if (condition, run.cell.family) in seen or run.reads[0] not in texts or quantity not in values[run.key]:
            continue
        seen.add((condition, run.cell.family))
        assert run.group.writing is not None
        blocks = {
            block.family: block.items for block in items_of(run.group.writing, Place(state.workspace.root, "cpu"))
        }
        items = blocks[run.cell.family]
        wrote = by_item(texts[run.reads[0]], len(items))
        for place, item in enumerate(items[:OF_A_CATEGORY]):
            said = f"{quantity.replace('_', ' ')} {values[run.key][quantity][place]:.3g}"
            yield Answer(condition, item.category, _cut(prompt_of(item)), _cut(wrote[place][0]), said)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [{len(text) - LONGEST} characters more]"
