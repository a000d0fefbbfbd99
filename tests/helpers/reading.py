"""Reading as the tests of several formats do it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spring_mpi.events.formats.reader import Frame, Reader, Scan
from spring_mpi.events.geometry import Geometry


def read_backwards(reader: Reader, path: str | Path, found: Scan) -> list[Frame]:
    """The frames of all events in their order, the last one read first."""
    assert found.rows is not None
    with contextlib.closing(reader.open(str(path))) as handle:
        frames = [handle.event(found.dataset, row) for row in reversed(found.rows.tolist())]
    return frames[::-1]


def is_read_or_refused(read: Callable[[], Geometry]) -> None:
    """A geometry, or the fault of its text: nothing else is raised."""
    with contextlib.suppress(ValueError):
        geometry = read()
        assert geometry.gather.max() < np.prod(geometry.shape)
