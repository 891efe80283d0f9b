"""engine: what of a machine decides how fast it is. It enters the keys of times and memory only. Imports no torch."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from ..specs.canonical import digest

TIMED = frozenset({"throughput"})
"""Evaluators whose numbers are of the machine, too, and that measure alone."""

LIBRARIES = ("torch", "transformers")


@cache
def machine_digest(device: str | None) -> str:
    """Of processor, cores, accelerators, the device that was asked for, and libraries (64 hex digits)."""
    return digest("machine", {"device": device or "best", **described()})


@cache
def described() -> dict[str, str]:
    """The same in words."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "accelerators": ", ".join(_accelerators()) or "none",
        "system": platform.system(),
        **{name: version(name) for name in LIBRARIES},
    }


def processor() -> str:
    """The processor's own name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _accelerators() -> list[str]:
    """Names of NVIDIA devices, as their driver has them."""
    found = []
    for about in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = about.read_text(encoding="utf-8").splitlines()
        found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return found
