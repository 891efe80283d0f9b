"""tests: what a program in the sandbox cannot do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from mi_atlas.judges.checks import sandbox
from mi_atlas.judges.checks.sandbox import ran

HARMFUL = {
    "socket": "import socket\nsocket.socket().connect(('127.0.0.1', 9))",
    "download": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')",
    "write": "open('{path}', 'w').write('x')",
    "write by descriptor": "import os\nos.open('{path}', os.O_CREAT | os.O_WRONLY)",
    "remove": "import os\nos.remove('{kept}')",
    "shell": "import os\nos.system('touch {path}')",
    "process": "import subprocess\nsubprocess.run(['touch', '{path}'])",
    "fork": "import os\nos.fork()",
    "kill": "import os\nos.kill(os.getppid(), 9)",
    "memory": "x = bytearray(2**30)",
    "recursion": "def f(): f()\nf()",
    "flood": "while True: print('x' * 1000)",
}


@pytest.mark.parametrize("name", HARMFUL)
def test_a_harmful_program_fails_and_does_no_harm(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("here")
    program = HARMFUL[name].format(path=tmp_path / "new", kept=kept) + "\nprint('done')"
    assert ran(program) is None
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_an_endless_program_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 1.0)
    start = time.monotonic()
    assert ran("import time\nwhile True: time.sleep(1)") is None
    assert time.monotonic() - start < 8


def test_a_program_sees_no_environment_and_an_empty_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_ATLAS_PLANTED", "secret")
    found = ran("import os, sys", ["'MI_ATLAS_PLANTED' in os.environ", "os.listdir('.')", "'mi_atlas' in sys.modules"])
    assert found is not None
    assert found.values == [False, [], False]


def test_only_what_is_printed_before_the_expressions_counts() -> None:
    found = ran("def f():\n    print('later')\n    return (1, [2])\nprint('now')", ["f()"])
    assert found is not None
    assert (found.printed, found.values) == ("now\n", [[1, [2]]])
    assert ran("x = 1", ["{1, 2}"]) is None
    assert ran("x = float('nan')", ["x"]) is None
