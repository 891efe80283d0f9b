"""engine: what became of runs as an Arrow table, which is how the workers of a cluster tell it.

One row a run. Of a measured one `quantities` and `values` go together, one list of values per example for each; of one
that gave nothing only `key`, `code` and `reason` are there. The parts of its key stay with whoever asked for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..store import FinishedRun
from .measure import Failure, Lost

if TYPE_CHECKING:
    import numpy as np
    import pyarrow
    from numpy.typing import NDArray

    from .needs import Run


def to_table(events: Iterable[FinishedRun | Lost]) -> pyarrow.Table:
    """A table of events; doubles stay what they are, to the last bit."""
    import pyarrow as pa

    text, events = pa.string(), list(events)
    schema = pa.schema(
        {
            "key": text,
            "quantities": pa.list_(text),
            "texts": pa.list_(text),
            "measured_at": text,
            "seconds": pa.float64(),
            "device": text,
            "versions": pa.map_(text, text),
            "code": text,
            "reason": text,
        }
    )
    table = pa.Table.from_pylist([row for event in events for row in _rows(event)], schema)
    return table.append_column("values", _lists(events))


def _lists(events: Iterable[FinishedRun | Lost]) -> pyarrow.Array:
    """The column of values: the numbers in one piece, with where each quantity begins, and each row."""
    import numpy as np
    import pyarrow as pa

    rows: list[list[NDArray[np.float64]]] = []
    for event in events:
        if isinstance(event, Lost):
            rows += [[] for _ in event.keys]
        else:
            rows.append([np.asarray(values, np.float64) for values in event.values.values()])
    series = [each for row in rows for each in row]
    ends = np.cumsum([0, *map(len, series)], dtype=np.int32)
    quantities = pa.ListArray.from_arrays(ends, pa.array(np.concatenate([np.empty(0), *series])))
    return pa.ListArray.from_arrays(np.cumsum([0, *map(len, rows)], dtype=np.int32), quantities)


def _rows(event: FinishedRun | Lost) -> Iterator[dict[str, Any]]:
    if isinstance(event, Lost):
        yield from ({"key": key, "code": event.why.code, "reason": event.why.reason} for key in event.keys)
        return
    yield {
        "key": event.key,
        "quantities": list(event.values),
        "texts": list(event.texts),
        "measured_at": event.measured_at,
        "seconds": event.seconds,
        "device": event.device,
        "versions": list(event.versions.items()),
    }


def from_table(table: pyarrow.Table, runs: Mapping[str, Run]) -> Iterator[FinishedRun | Lost]:
    """The events of a table about these runs; the runs that one reason took are one event."""
    rows = table.drop_columns(["values"]).to_pylist()
    lost: dict[Failure, list[str]] = {}
    for row, values in zip(rows, _values(table), strict=True):
        if row["code"] is not None:
            lost.setdefault(Failure(row["code"], row["reason"]), []).append(row["key"])
            continue
        about = row["measured_at"], row["seconds"], row["device"], dict(row["versions"])
        by_quantity = dict(zip(row["quantities"], values, strict=True))
        yield FinishedRun(row["key"], runs[row["key"]].parts, by_quantity, *about, tuple(row["texts"]))
    yield from (Lost(tuple(keys), why) for why, keys in lost.items())


def _values(table: pyarrow.Table) -> Iterator[list[Sequence[float]]]:
    """Of each row one array a quantity, without a copy."""
    for chunk in table.column("values").chunks:
        inner = chunk.values
        starts, numbers = inner.offsets.to_numpy(), inner.values.to_numpy()
        for first, last in zip(chunk.offsets.to_numpy()[:-1], chunk.offsets.to_numpy()[1:], strict=True):
            yield [numbers[starts[i] : starts[i + 1]] for i in range(first, last)]
