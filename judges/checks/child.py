"""judges/checks: the process that runs an answer. Started as a script by `sandbox`; imports nothing of the package."""

from __future__ import annotations

import io
import json
import os
import resource
import sys
from typing import Any

DENIED = (
    *("socket.", "subprocess.", "ctypes.", "shutil.", "urllib.", "ftplib.", "smtplib.", "http.", "webbrowser."),
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.kill", "os.startfile", "pty.", "mmap."),
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown"),
    *("os.chflags", "os.setxattr", "os.utime", "os.putenv", "signal.pthread_kill", "sys.addaudithook", "gc.get_"),
)
"""How the events of `sys.audit` begin that end a program."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def guard(event: str, about: tuple[Any, ...]) -> None:
    """End the program where it reaches for what it must not."""
    opens = event == "open" and isinstance(about[2], int) and about[2] & WRITES
    if opens or event.startswith(DENIED):
        os._exit(DENIED_EXIT)


DENIED_EXIT = 77


def limit(limits: dict[str, int]) -> None:
    """Set this process's limits, for good."""
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            hard = resource.getrlimit(number)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (value, value))


def run(task: dict[str, Any]) -> dict[str, Any]:
    """Run the program, then evaluate the expressions; where it stopped writing, and what they give."""
    world: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    try:
        exec(compile(task["program"], "<answer>", "exec"), world)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    sys.stdout.flush()
    written = os.lseek(1, 0, os.SEEK_CUR)
    return {"written": written, "values": [eval(call, world) for call in task["calls"]]}  # noqa: S307 - this is the sandbox


def main() -> None:
    """Read a task from stdin, write what came of it to the file that was left open for it."""
    task = json.load(sys.stdin)
    sys.stdin = io.StringIO()
    limit(task["limits"])
    sys.addaudithook(guard)
    result = json.dumps(run(task), allow_nan=False).encode()
    os.write(task["result"], result)


if __name__ == "__main__":
    main()
