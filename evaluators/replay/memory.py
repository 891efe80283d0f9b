"""evaluators/replay: let the C library keep freed memory, since a pass asks for the same few sizes over and over.

By default glibc maps large buffers anew each time, and the kernel clears every page: on a CPU that can cost as much as
the arithmetic of a small model.
"""

from __future__ import annotations

import ctypes
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""

KEPT = 256 * 2**20
"""Bytes: larger buffers are mapped, more free memory at the heap's end than this goes back."""


@cache
def keep_freed_memory() -> None:
    """Once a process; without glibc nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
