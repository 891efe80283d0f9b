"""tests: what is read from others, given any bytes: YAML claims, recorded JSON, judges' replies, exported Parquet.

A target takes bytes and returns; whatever it raises beside the errors that are written for a person is a fault of ours.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from mi_atlas.engine.recorded.record import read_record
from mi_atlas.engine.tolerance import agree
from mi_atlas.judges.reading import Unscored, Verdict, read
from mi_atlas.specs.canonical import digest, digest_file
from mi_atlas.specs.claim import ClaimAdapter
from mi_atlas.specs.judge import Dimension, Rubric
from mi_atlas.specs.library import Library
from mi_atlas.specs.load import validate
from mi_atlas.specs.yaml_document import parse
from mi_atlas.store import FinishedRun, Ledger, LedgerError

from .engine.recorded.conftest import MAP

CORPUS = Path(__file__).parent / "corpus"
"""Inputs that once were faults, in a folder for each target."""

CLAIM = {
    "claim": "a/hub",
    "statement": "Layer 1 matters most.",
    "model": "pocket-qwen",
    "suite": "main-12",
    "metric": {"evaluator": "ablation", "quantity": "kl", "sites": {"granularity": "layer"}},
    "counterfactual": {"intervention": "zero"},
    "robustness": [{"intervention": "mean"}],
    "control": {"kind": "matched_norm_noise"},
    "expect": {"form": "top_component", "component": "L1"},
    "threshold": {"high": 0.995, "medium": 0.95},
}

RECORDED = {"families": ["copying", "arithmetic"], "m": {"0": [0.1, 0.2], "1": [0.3, None]}, "model": "org/model"}

RUBRIC = Rubric(dimensions=(Dimension(name="overall", asks="How good?"),))


def claim(data: bytes) -> None:
    """A claim file."""
    validate(parse(data, Path("claim.yaml")), ClaimAdapter)


def judge(data: bytes) -> None:
    """A judge's reply as it came."""
    assert isinstance(read(RUBRIC, data), Verdict | Unscored)


def recorded(data: bytes) -> None:
    """A recorded result file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "matrix_seed1.json").write_bytes(data)
        read_record(Path(folder), _library())


def parquet(data: bytes) -> None:
    """A file of an export, under a manifest that has its digest; what is refused leaves nothing behind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in _exported().items():
            (folder / file).write_bytes(content)
        (folder / "measurement.parquet").write_bytes(data)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"]["measurement"]["sha256"] = digest_file(folder / "measurement.parquet")
        (folder / "manifest.json").write_text(json.dumps(manifest))
        ledger = Ledger(folder / "other.duckdb")
        try:
            ledger.take_files(folder, agree)
        except LedgerError:
            assert ledger.hits([_run().key]) == set()


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "claim": claim,
    "judge": judge,
    "recorded": recorded,
    "parquet": parquet,
}


@cache
def seeds(target: str) -> tuple[bytes, ...]:
    """Inputs that are right, from which others are made."""
    if target == "parquet":
        return (_exported()["measurement.parquet"],)
    if target == "claim":
        return (yaml.safe_dump(CLAIM, sort_keys=False).encode(), json.dumps(CLAIM).encode())
    if target == "recorded":
        return (json.dumps(RECORDED).encode(),)
    said = 'Thinking {"scores": {"overall": 1}}, no: {"reasoning": "good", "scores": {"overall": 4}}'
    message = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}}
    return (json.dumps(message).encode(),)


PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"'",
        b":",
        b",",
        b"-",
        b"&a ",
        b"*a",
        b"!!python/object:os.system ",
        b"<<: ",
        b"\n",
    ),
    *(
        b"\x00",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"\\u0000",
        b"1e999",
        b"-0",
        b"NaN",
        b"Infinity",
        b"null",
        b"true",
    ),
    *(b"9" * 400, b"[" * 2000, b"{" * 2000, b"? " * 300, b"0x", b"2026-01-01", b"~", b"|\n", b">\n", b"---\n", b"<<: "),
)


def mutated(data: bytes, edits: Sequence[tuple[int, int, int]]) -> bytes:
    """Edits of bytes: (what, where, how much); what comes out may be anything."""
    for what, where, much in edits:
        at = where % (len(data) + 1)
        match what % 5:
            case 0:
                data = data[:at] + data[at + much % 64 :]
            case 1:
                data = data[:at] + PIECES[much % len(PIECES)] + data[at:]
            case 2:
                data = data[:at] + bytes([much % 256]) + data[at + 1 :]
            case 3:
                data = data[:at] + data[at : at + much % 200] * 2 + data[at + much % 200 :]
            case _:
                data = data[:at] if much % 8 == 0 else data[:at] + data[at:][::-1][: much % 64] + data[at + much % 64 :]
    return data


def drawn(target: str, draw: random.Random) -> bytes:
    """An input of a target."""
    edits = [(draw.randrange(5), draw.randrange(10_000), draw.randrange(10_000)) for _ in range(draw.randrange(1, 9))]
    return mutated(draw.choice(seeds(target)), edits)


@cache
def _library() -> Library:
    folder = Path(tempfile.mkdtemp())
    (folder / "recorded").mkdir()
    (folder / "recorded" / "matrix.yaml").write_text(yaml.safe_dump({"recorded": "matrix", **MAP}))
    return Library((folder,))


def _run() -> FinishedRun:
    parts: dict[str, Any] = {"site": "L1", "model": "m", "evaluator": "ablation@1"}
    values = {"kl": [0.1, float("nan"), 3.0]}
    return FinishedRun(digest("cell", parts), parts, values, "2026-01-01", 0.1, "cpu", {"torch": "2"}, ())


@cache
def _exported() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.duckdb")
        ledger.commit([_run()])
        ledger.export(Path(folder) / "out")
        return {path.name: path.read_bytes() for path in (Path(folder) / "out").iterdir()}
