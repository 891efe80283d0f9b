"""engine: a Ray cluster: joining it, and how much of it a worker takes. Ray is imported when it is joined."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import MachineError, UsageError
from .measure import cores, is_small

if TYPE_CHECKING:
    from .needs import Group

OBJECT_STORE = 200_000_000
"""Bytes, of a cluster that is started here: results are small and do not stay."""

PROCESS_BYTES = 1_000_000_000
"""Memory of a worker with a small model."""

COPIES = 4
"""Memory of a larger one, in sizes of its weights on disk: wider numbers, and what is computed."""

GPU_BYTES = 2_000_000_000
"""Memory of a GPU that a process takes beside that."""

MOST_SHARING = 4
"""Workers on one GPU."""


class Needs(NamedTuple):
    """What one worker takes of a node, as Ray counts it; memory in bytes."""

    cpus: int
    memory: int
    gpus: float

    def fits(self, node: Mapping[str, float]) -> int:
        """How many such workers a node has room for, when it is empty."""
        asked = {"CPU": self.cpus, "memory": self.memory, "GPU": self.gpus}
        return min(int(node.get(name, 0) / much + 1e-6) for name, much in asked.items() if much)


def needs_of(group: Group, device: str, nodes: Sequence[Mapping[str, float]], gpu_bytes: int | None) -> Needs:
    """By the size of a group's models: one core for small ones, all of the smallest node for others; a share of a GPU.

    `gpu_bytes`: memory of a GPU; None: not known, and each worker has one to itself.
    """
    weights = sum(each.bytes for each in (group.located, *group.others.values()))
    gigabytes = -(-(PROCESS_BYTES + COPIES * weights) // PROCESS_BYTES)
    memory = PROCESS_BYTES if is_small(group) else PROCESS_BYTES << (gigabytes - 1).bit_length()
    if device.startswith("cuda"):
        sharing = gpu_bytes // (GPU_BYTES + COPIES * weights) if gpu_bytes else 1
        return Needs(1, memory, 10_000 // max(1, min(sharing, MOST_SHARING)) / 10_000)
    cpus = 1 if is_small(group) else int(min((node["CPU"] for node in nodes if node.get("CPU", 0) >= 1), default=1))
    return Needs(cpus, memory, 0)


@dataclass(frozen=True)
class Cluster:
    """Where an audit's runs go instead of processes of its own."""

    address: str | None = None
    """Of a Ray cluster; None: that of RAY_ADDRESS, else one is started here."""

    def check(self, device: str | None) -> None:
        """Whether it can be used at all.

        Raises:
            UsageError: Ray is not installed, or something was asked for that cannot be had with it.
        """
        missing = [name for name in ("ray", "pyarrow") if find_spec(name) is None]
        if missing:
            what = f"--executor ray needs {' and '.join(missing)}: pip install 'mi-atlas[ray]'"
            raise UsageError(what)
        if self.address and self.address.startswith("ray://"):
            raise UsageError(
                "--address names the cluster itself, `auto` or HOST:6379, on one of its machines; not ray://"
            )
        if device and device.startswith("cuda:"):
            raise UsageError(f"--device {device} is one of this machine; with --executor ray say --device cuda")

    def connect(self) -> None:
        """Join the cluster, or start one; it lasts until this program ends.

        Raises:
            MachineError: there is none.
        """
        import ray

        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = self.address or os.environ.get("RAY_ADDRESS")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if address:
                ray.init(address=address, **quiet)
            else:
                os.environ.setdefault("RAY_worker_niceness", "0")
                here: dict[str, Any] = {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
                ray.init(address="local", num_cpus=cores(), **here, **quiet)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise MachineError(f"no Ray cluster at {address or 'this machine'}: {line_of(error)}") from error


def gpu_bytes_here() -> int | None:
    """Memory of a GPU of this machine, which stands for the others; None: it has none."""
    import torch

    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None


def line_of(error: Exception) -> str:
    """What an error says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:300]
