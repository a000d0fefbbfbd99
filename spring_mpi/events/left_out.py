"""Events of a source that an index leaves out, since they have no frame of its dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_FRAME = "frame"
"""What most are left out for the lack of: one of the dataset."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Some events of a source that an index leaves out, all for the same reason."""

    events: int
    holds: tuple[str, ...] = ()
    """Detectors or datasets that are in them instead, in alphabetic order."""
    pids: NDArray[np.int64] | None = None
    """(events, numbers): the first numbers of their pids, where an event may be in several sources,
    one of which has its frame. Indexes in files keep the number of events alone."""
    unit: str = "events"
    """What they are called, if not that: ``trains`` are events without the number of the pulse."""
    lack: str = NO_FRAME
    """What they do not have."""
    source: int = 0
    """Number of the source in the index."""
