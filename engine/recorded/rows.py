"""engine: the numbers of recorded files, each with the file, its digest and the path inside it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from ...specs.errors import printable
from ...specs.recorded import Numbers, RecordedMap
from ...specs.recorded_paths import at, filled, number, walk
from .files import Finding, RecordedFile

RATE_TOLERANCE = 1e-3
"""A rate is rounded: times n it is a whole number but for this much of n."""

LONGEST_LABEL = 160
"""Characters."""

MOST_ROWS = 200_000
"""Of one table in one file; the rest is not read."""


class Row(NamedTuple):
    """One recorded number, and what it is."""

    source: str
    """Map and table: `layer-ablation-seeds#0`. Numbers of two sources are never put together."""
    file: str
    digest: str
    pointer: str
    """JSON pointer inside the file (of JSON lines: into the list of rows)."""
    value: float
    model: str
    evaluator: str
    quantity: str
    unit: str
    """With the positions it was read at: `nats, sum over positions`."""
    intervention: str
    component: str
    control: str
    """Which control it is a draw of; empty for an effect."""
    family: str
    prompt: str
    seed: str
    draw: str
    n: int
    """Prompts behind it."""
    spread: float | None
    """Standard deviation over those prompts, where it is recorded."""
    strength: float | None
    """Signed strength, where the map says that it has one."""
    layers: int
    """Of the model; 0: not known."""
    settings: tuple[tuple[str, str], ...]
    """Fields of the metric that it was measured with."""
    recipe: str
    """Name of the recipe by which the components were trained; empty where none is named."""
    void: str = ""
    """Why it does not count; empty where it does."""


def read_rows(
    files: Mapping[str, list[RecordedFile]], maps: Mapping[str, RecordedMap]
) -> tuple[list[Row], list[Finding]]:
    """Every number of every table, in the order of the maps and their files; and what was left out, and why."""
    rows: list[Row] = []
    findings: list[Finding] = []
    read: set[str] = set()
    for name, found in files.items():
        for index, table in enumerate(maps[name].numbers):
            for file in found:
                more, left_out = _of_file(f"{name}#{index}", maps[name], table, file)
                rows += more
                findings += left_out
                read |= {file.path} if more or left_out else set()
    empty = sorted({file.path for found in files.values() for file in found} - read)
    findings += [Finding("empty", path, "holds no number where its map looks: taken as missing") for path in empty]
    return rows, findings


def unit_of(table: Numbers) -> str:
    """`nats`, `nats, sum over positions`."""
    over = {"mean": "mean over positions", "sum": "sum over positions"}.get(table.positions or "", "")
    return ", ".join(filter(None, (table.unit, over)))


def _of_file(source: str, spec: RecordedMap, table: Numbers, file: RecordedFile) -> tuple[list[Row], list[Finding]]:
    findings: list[Finding] = []
    left_out: Counter[str] = Counter()
    rows: list[Row] = []
    for pointer, fields, value in walk(file.document, table.values, file.fields):
        if len(rows) >= MOST_ROWS:
            left_out[f"beyond the first {MOST_ROWS}"] += 1
            continue
        row = _row(source, spec, table, file, (pointer, fields, value))
        if isinstance(row, str):
            left_out[row] += 1
        else:
            rows += _items(row) if table.rate else [row]
    for why, count in left_out.items():
        code = "other" if why.startswith("not asked") else "missing"
        findings.append(Finding(code, file.path, f"{source}: {count} of {count + len(rows)} left out: {why}"))
    for why, count in Counter(row.void for row in rows if row.void).items():
        findings.append(Finding("no_ratio", file.path, f"{source}: {count} of {len(rows)} do not count: {why}"))
    findings += _incomplete(source, table, file, rows)
    return rows, findings


def _items(row: Row) -> Iterator[Row]:
    """A rate over n items as the items that it counts, so that exact statistics know how many there are."""
    events = round(row.value * row.n)
    if abs(events - row.value * row.n) > RATE_TOLERANCE * row.n:
        yield row._replace(void="it is no count of its items")
        return
    for item in range(row.n):
        yield row._replace(value=float(item < events), prompt=f"item {item + 1}", n=1)


def _incomplete(source: str, table: Numbers, file: RecordedFile, rows: list[Row]) -> Iterator[Finding]:
    if table.expected:
        for component, count in Counter(row.component for row in rows).items():
            if count < table.expected:
                gone = f"{table.expected - count} of {table.expected} are missing at {component}"
                yield Finding("incomplete", file.path, f"{source}: {gone}")


def _row(
    source: str, spec: RecordedMap, table: Numbers, file: RecordedFile, found: tuple[str, dict[str, str], Any]
) -> Row | str:
    """The row of one value, or why it is left out."""
    pointer, bound, raw = found
    fields = _bound(spec, table, file, bound)
    if isinstance(fields, str):
        return fields
    value = number(raw)
    if math.isnan(value):
        return "no number"
    strength = _float(fields[table.signed]) if table.signed else None
    labels = _labels(spec, table, fields)
    spread = number(at(file.document, table.spread, fields)) if table.spread else math.nan
    return Row(
        source=source,
        file=file.path,
        digest=file.digest,
        pointer=pointer,
        value=1 - value if table.complement else value,
        model=filled(spec.model, labels),
        evaluator=filled(table.evaluator, labels),
        quantity=filled(table.quantity, labels),
        unit=unit_of(table),
        intervention=filled(table.intervention, labels),
        component=filled(table.component, labels),
        control=filled(table.control, labels) if table.control else "",
        family=labels.get("family", ""),
        prompt=labels.get("prompt", ""),
        seed=labels.get("seed", ""),
        draw=labels.get("draw", ""),
        n=_count(table.n, file, fields) or 1,
        spread=None if math.isnan(spread) else spread,
        strength=strength,
        layers=_count(spec.layers, file, fields) or 0,
        settings=tuple((name, filled(label, labels)) for name, label in table.settings.items()),
        recipe=filled(table.recipe, labels) if table.recipe else "",
        void=_no_ratio(table, file, fields, value),
    )


def _bound(spec: RecordedMap, table: Numbers, file: RecordedFile, fields: dict[str, str]) -> dict[str, str] | str:
    """All fields, as found, or why their number is left out."""
    for name, path in (*spec.fields.items(), *table.fields.items()):
        if (text := _text(at(file.document, path, fields))) is None:
            return f"nothing says its {name}"
        fields = {**fields, name: text}
    asked = (*spec.only.items(), *table.only.items())
    if any(fields[name] not in allowed for name, allowed in asked if name in fields):
        return "not asked for by the map"
    return fields


def _labels(spec: RecordedMap, table: Numbers, fields: Mapping[str, str]) -> dict[str, str]:
    """The fields in the words of claims."""
    labels = dict(fields)
    for name, words in (*spec.words.items(), *table.words.items()):
        if name in labels:
            labels[name] = words.get(fields[name], labels[name])
    return {name: _short(value) for name, value in labels.items()}


def _short(text: str) -> str:
    """Foreign text on one line that cannot steer a terminal; what is long keeps its beginning and a digest."""
    if len(text) > LONGEST_LABEL:
        text = f"{text[: LONGEST_LABEL // 2]}... {sha256(text.encode()).hexdigest()[:16]}"
    return printable(text)


def _no_ratio(table: Numbers, file: RecordedFile, fields: Mapping[str, str], value: float) -> str:
    """Why a recorded ratio is none."""
    if not table.denominator:
        return ""
    below, floor = number(at(file.document, table.denominator.at, fields)), table.denominator.floor
    return (
        "" if value >= 0 and below >= floor else f"its denominator is below {floor:g}, or of the other sign: no ratio"
    )


def _count(given: int | str | None, file: RecordedFile, fields: Mapping[str, str]) -> int | None:
    """A count that the map states, or where it is recorded; None where there is none."""
    count = number(at(file.document, given, fields)) if isinstance(given, str) else given
    return int(count) if count and count >= 1 else None


def _text(value: Any) -> str | None:
    """A JSON scalar as a field."""
    if value is None or isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
