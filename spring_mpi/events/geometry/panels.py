"""Panels: rectangles of a module whose pixels lie on one straight grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .layout import LARGEST

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Panel:
    """One rectangle of a stack; lengths in metres, axes as in `spring_mpi.events.geometry`."""

    name: str
    module: int
    rows: slice
    columns: slice
    corner: Vector
    """The outer corner of the first pixel."""
    ss: Vector
    """From one row to the next."""
    fs: Vector
    """From one column to the next."""

    @property
    def place(self) -> tuple[int, slice, slice]:
        """Its index in a stack."""
        return self.module, self.rows, self.columns

    def centers(self) -> NDArray[np.float64]:
        """(rows, columns, 3): centres of the pixels."""
        row = np.arange(self.rows.stop - self.rows.start)[:, np.newaxis, np.newaxis] + 0.5
        column = np.arange(self.columns.stop - self.columns.start)[:, np.newaxis] + 0.5
        corner, ss, fs = (np.asarray(vector) for vector in (self.corner, self.ss, self.fs))
        return np.asarray(corner + row * ss + column * fs)


def stack_shape(panels: Sequence[Panel]) -> tuple[int, int, int]:
    """(modules, rows, columns) of the smallest stack with all panels.

    Raises
    ------
    ValueError
        If it were too large.
    """
    shape = (
        1 + max(panel.module for panel in panels),
        max(panel.rows.stop for panel in panels),
        max(panel.columns.stop for panel in panels),
    )
    if math.prod(shape) > LARGEST:
        raise ValueError(f"describes a stack of {shape} pixels, too many to hold")
    return shape


def positions_of(panels: Sequence[Panel]) -> NDArray[np.float64]:
    """(modules, rows, columns, 3): centres of the pixels, metres; nan where there is no panel.

    Raises
    ------
    ValueError
        If two panels share a pixel, or the stack were too large.
    """
    shape = stack_shape(panels)
    owners = np.full(shape, -1, np.int32)
    positions = np.full((*shape, 3), np.nan)
    for number, panel in enumerate(panels):
        if (taken := int(owners[panel.place].max())) >= 0:
            raise ValueError(
                f"panels {panels[taken].name} and {panel.name} share pixels; the last row and "
                "column of a panel (max_ss, max_fs) belong to it"
            )
        owners[panel.place] = number
        positions[panel.place] = panel.centers()
    return positions
