"""tests: fetching from a hub, here a small server of our own that speaks its protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from mi_atlas.evaluators.models.download import DownloadError, download
from mi_atlas.specs.canonical import digest_file
from mi_atlas.specs.model import Model

COMMIT = "0123456789abcdef0123456789abcdef01234567"

PROGRAM = """
import sys
from pathlib import Path
from mi_atlas.evaluators.models.download import DownloadError, download
from mi_atlas.evaluators.models.locate import locate
from mi_atlas.specs.model import Model
model = Model.model_validate({"model": "tiny", "source": {"hub": sys.argv[1], "revision": sys.argv[2]}})
try:
    folder = download(model)
except DownloadError as fault:
    print("DownloadError:", fault)
else:
    print(sorted(path.name for path in folder.iterdir()))
    print(locate(model, Path()).parts["weights"])
"""


class Hub(BaseHTTPRequestHandler):
    """The calls that `snapshot_download` makes of a hub: revision, tree, and the files themselves."""

    repositories: dict[str, Path]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        """Find the repository that is asked for and what of it."""
        path = unquote(urlparse(self.path).path).strip("/").removeprefix("api/models/")
        name = next((name for name in self.repositories if path.startswith(name + "/")), None)
        if name is None:
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
        if name == "someone/gated":
            return self.send(403, b"", {"X-Error-Code": "GatedRepo"}, body)
        folder, what = self.repositories[name], path.removeprefix(name + "/").split("/")
        if what[0] not in ("revision", "tree", "resolve") or what[1] not in ("main", COMMIT):
            return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"}, body)
        if what[0] == "revision":
            files = [{"rfilename": file.name} for file in folder.iterdir()]
            return self.send_json({"id": name, "sha": COMMIT, "siblings": files}, body)
        if what[0] == "tree":
            return self.send_json([self.entry(file) for file in sorted(folder.iterdir())], body)
        file = folder / what[2]
        headers = {"ETag": f'"{digest_file(file)}"', "X-Repo-Commit": COMMIT}
        return self.send(200, file.read_bytes(), headers, body)

    def entry(self, file: Path) -> dict[str, object]:
        """A file as the hub lists it."""
        return {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": digest_file(file)}

    def send_json(self, value: object, body: bool) -> None:
        """Answer with a document."""
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, body)

    def send(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
        """Answer."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tiny: Path, tmp_path: Path) -> Iterator[str]:
    """Address of a hub with `someone/tiny`, which has more than we want, and two others."""
    (tiny / "pytorch_model.bin").write_bytes(b"pickled")
    (tiny / "modeling_own.py").write_text("raise SystemExit")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    for name in ("config.json", "pytorch_model.bin"):
        (pickled / name).write_bytes((tiny / name).read_bytes())
    handler = type(
        "Served", (Hub,), {"repositories": {"someone/tiny": tiny, "someone/pickled": pickled, "someone/gated": pickled}}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch(address: str, cache: Path, name: str, revision: str = "main", **variables: str) -> list[str]:
    """Run `download` in a process whose hub is at `address`; gives the lines it prints."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    settings = {"HF_ENDPOINT": address, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-c", PROGRAM, name, revision]
    run = subprocess.run(command, env=clean | settings | variables, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_weights_and_text_are_fetched_and_no_code(hub: str, tiny: Path, tmp_path: Path) -> None:
    files, weights = fetch(hub, tmp_path / "home", "someone/tiny")
    wanted = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
    assert files == str(sorted(wanted & {path.name for path in tiny.iterdir()}))
    assert "model.safetensors" in files
    assert len(weights) == 64


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("someone/else", "main", "no such model on the hub, or private"),
        ("someone/tiny", "v7", "no such revision"),
        ("someone/pickled", "main", "has no safetensors"),
        ("someone/gated", "main", "accept the terms"),
    ],
)
def test_what_cannot_be_fetched_says_why(hub: str, tmp_path: Path, name: str, revision: str, message: str) -> None:
    (line,) = fetch(hub, tmp_path / "home", name, revision)
    assert line.startswith(f"DownloadError: {name}, revision {revision}: ")
    assert message in line


@pytest.mark.parametrize("variables", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_a_network(tmp_path: Path, variables: dict[str, str]) -> None:
    (line,) = fetch("http://127.0.0.1:9", tmp_path / "home", "someone/tiny", **variables)
    assert line == "DownloadError: someone/tiny, revision main: the hub cannot be reached from here"


def test_only_hub_models_are_fetched() -> None:
    with pytest.raises(DownloadError, match="does not come from the hub"):
        download(Model.model_validate({"model": "m", "source": {"path": "somewhere"}}))
