"""What an index holds beside its events: their frames, transitions and statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..formats.reader import TRANSITION

TRANSITIONS = np.dtype([*TRANSITION.descr, ("source", np.uint32)])
"""A `formats.reader.TRANSITION` and the number of its source."""


@dataclass(frozen=True)
class Frames:
    """The frames of a source."""

    dataset: str
    """Name of the dataset; empty where the format has only one."""
    shape: tuple[int, ...]
    """(rows, columns)."""
    dtype: str


@dataclass(frozen=True, eq=False)
class Statistics:
    """What `statistics.measure` found in the frame of each event."""

    sum: NDArray[np.float64]
    """(events,): of its raw values, excluded ones left out; NaN where it could not be read."""
    lit: NDArray[np.uint32]
    """(events,): pixels at and above the threshold."""
    threshold: float
    """Raw value."""

    def __post_init__(self) -> None:
        for column in (self.sum, self.lit):
            column.flags.writeable = False
