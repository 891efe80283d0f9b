"""tests: a cache of the hub, laid out as the hub client lays it out, from which data sets are read offline."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def snapshot_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a data set `someone/NAME` at one commit, in a cache beside which nothing can be reached."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="the library `datasets` is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "arrow")
    snapshot = tmp_path / "hub" / f"datasets--someone--{name}" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot
