"""What a worker finds where it was started, as rank 0 has to know it to give it a device."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import LaunchError, RunDirectoryError
from ..launch.devices import VISIBLE_DEVICES, Gpu, gpus
from ..launch.environment import is_whole_node
from ..rundir.lock import Lock

_SHARED_WITHIN, _LOOK_EVERY = 10.0, 0.1
"""Seconds; clients of NFS keep for a while what they know of a folder."""


@dataclass(frozen=True)
class InventoryRequest:
    """Rank 0 asks a worker what it has; the answer is an `Inventory`."""

    wants_gpus: bool = False
    lock: str = ""
    """Of the run directory, which every worker must see; empty: there is none yet."""
    holder: Mapping[str, Any] | None = None
    """What stands in that lock."""


@dataclass(frozen=True)
class Inventory:
    """Where a worker is, and what there is to work with."""

    host: str
    node: int
    """The lowest rank on the same machine."""
    version: str
    """Of spring-mpi."""
    gpus: tuple[Gpu, ...] = ()
    """Those it may use, in the order of its environment; none where CuPy is not installed."""
    has_own_gpus: bool = False
    """Whether the environment chose them."""
    cpus: tuple[int, ...] = ()
    """Processors that are the campaign's own; empty where others may use them, too."""
    sees_rundir: bool = True
    disk_fault: str = ""
    """What keeps it from reading in the run directory."""


def take_inventory(
    request: InventoryRequest, node: int, environment: Mapping[str, str] = os.environ
) -> Inventory:
    """Look around on this machine."""
    sees_rundir = not request.lock or _appears(Path(request.lock), request.holder)
    return Inventory(
        host=platform.node(),
        node=node,
        version=version("spring-mpi"),
        gpus=_usable_gpus(environment) if request.wants_gpus else (),
        has_own_gpus=VISIBLE_DEVICES in environment,
        cpus=own_cpus(_allowed_cpus(), os.cpu_count() or 1, environment),
        sees_rundir=sees_rundir,
        disk_fault="" if sees_rundir else _disk_fault(Path(request.lock)),
    )


def own_cpus(
    allowed: Collection[int], total: int, environment: Mapping[str, str]
) -> tuple[int, ...]:
    """The processors that nobody else uses, as far as that can be told; empty where it cannot.

    A scheduler confines us to them, or says that it gave us as many as there are. Elsewhere two
    campaigns that pin their threads would both take the first processors.
    """
    is_confined = len(allowed) < total
    are_ours = is_confined or is_whole_node(len(allowed), environment)
    return tuple(sorted(allowed)) if are_ours else ()


def _allowed_cpus() -> Collection[int]:
    """Of this process; macOS does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()


def _usable_gpus(environment: Mapping[str, str]) -> tuple[Gpu, ...]:
    if find_spec("cupy") is None:
        return ()
    try:
        return tuple(gpus(environment))
    except LaunchError:
        # The driver's tools without a driver: the child finds out, and says why.
        return ()


def _disk_fault(lock: Path) -> str:
    try:
        Lock(lock).read()
    except RunDirectoryError as fault:
        return str(fault)
    return ""


def _appears(
    lock: Path, holder: Mapping[str, Any] | None, rest: Callable[[float], None] = time.sleep
) -> bool:
    """Whether a lock says what rank 0 wrote; a shared file system may take seconds to show it."""
    deadline = time.monotonic() + _SHARED_WITHIN
    while Lock(lock).holder() != holder:
        if time.monotonic() > deadline:
            return False
        rest(_LOOK_EVERY)
    return True
