"""Work on consecutive parts of many items, each in a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")

_WORTHWHILE = 2**21
"""Bytes to read and decode that take longer than a thread takes to begin."""
_MOST_CORES = 4
"""For reading: with more of them the memory, or the file system, is what takes the time."""


class Sliced(Protocol):
    """A list, tuple or array."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Any: ...


def in_threads(
    work: Callable[[Any], Result], items: Sliced, most: int, *, fewest: int = 4
) -> list[Result]:
    """What ``work`` gives for each part, of up to ``most`` with at least ``fewest`` items."""
    count = min(most, len(items) // fewest)
    if count < 2:
        return [work(items)]
    edges = [len(items) * part // count for part in range(count + 1)]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, [items[start:end] for start, end in pairwise(edges)]))


def fewest_of(size: float) -> int:
    """How many items of so many bytes are worth a thread."""
    return max(1, round(_WORTHWHILE / max(size, 1)))


def cores() -> int:
    """Processor cores that this process may use, but no more than are of use."""
    has_affinity = hasattr(os, "sched_getaffinity")
    count = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(count, _MOST_CORES)
