"""tests: against a real LLM server: `transformers serve` with a pocket model is reached, and fails the gate."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import mi_atlas
import pytest

from .conftest import Desk
from .test_judged_audit import judge, judged

POCKET = Path(mi_atlas.__file__).parent / "evaluators" / "pocket" / "weights" / "pocket-qwen"
SERVE = shutil.which("transformers", path=str(Path(sys.executable).parent))
MISSING = [name for name in ("fastapi", "uvicorn", "openai") if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(
    bool(MISSING) or SERVE is None, reason=f"`transformers serve` needs {', '.join(MISSING) or 'its command'}"
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    words = [str(SERVE), "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", str(POCKET)]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as out, subprocess.Popen(words, stdout=out, stderr=out, env=environ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(600):
                assert process.poll() is None, log.read_text()
                try:
                    if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
            else:
                raise AssertionError(log.read_text())
            yield url
        finally:
            process.terminate()


def test_a_pocket_model_is_reached_as_a_judge_and_fails_the_gate(
    thin_desk: Desk, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("A_URL", address)
    sampling = {"temperature": 0.0, "draws": 1, "max_tokens": 2}
    document = judged(thin_desk, judge("a", model=str(POCKET), sampling=sampling))
    thin_desk.write("small/judged", document)
    verdict = thin_desk.audit().verdicts["small/judged"]
    assert (verdict.grade, verdict.code) == ("Pending", "judge_failed")
    assert "judge failed: gold agreement" in verdict.reason
    raw = next(iter(thin_desk_replies(thin_desk)))
    assert json.loads(raw)["object"] == "chat.completion"


def thin_desk_replies(desk: Desk) -> Iterator[bytes]:
    """What the server sent, as the ledger has it."""
    import duckdb

    with duckdb.connect(str(desk.workspace.ledger), read_only=True) as connection:
        yield from (bytes(raw) for (raw,) in connection.execute("select raw from reply").fetchall())
