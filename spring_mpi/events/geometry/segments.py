"""The sensors that psana geometries are made of: where the pixels lie in the sensor's own frame.

Sizes and axes as in the classes ``SegGeometry*`` of ``psana.pscalib.geometry``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import LARGEST

Line = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segment:
    """One sensor; lengths in micrometres."""

    x: Line
    """(rows, columns)"""
    y: Line
    """(rows, columns)"""
    wide: Flags
    """(rows, columns): pixels between readout chips, larger than the others."""
    pitch: float


def find_segment(name: str) -> Segment | None:
    """The sensor of that name and version, such as ``SENS2X1:V1``; None if there is none.

    Raises
    ------
    ValueError
        If the name of a ``MTRX`` gives pixels that are not squares, or too many.
    """
    match name:
        case "SENS2X1:V1":  # CSPAD 2x1
            rows = np.arange(185)
            return _segment(*_halves(388, 109.92, 274.8), -(rows - 92) * 109.92, rows < 0, 109.92)
        case "EPIX100:V1":
            return _segment(*_halves(768, 50, 175), *_halves(704, 50, 175), 50)
        case "EPIX10KA:V1":
            y, wide = _halves(352, 100, 225)
            return _segment(*_halves(384, 100, 225), -y, wide, 100)
        case "JUNGFRAU:V1":
            return _jungfrau(-1, 0.0)
        case "JUNGFRAU:V2":
            return _jungfrau(1, 0.5)
        case "PNCCD:V1":
            return _matrix(512, 512, 75)
        case "EPIXMASIC:V1":
            return _matrix_v2(192, 384, 50)
        case "EPIXUHRASIC:V1":
            return _matrix_v2(168, 192, 100)
    return _named_matrix(name)


def _segment(x: Line, wide_x: Flags, y: Line, wide_y: Flags, pitch: float) -> Segment:
    """From the coordinates of the columns and those of the rows."""
    columns, rows = np.meshgrid(x, y)
    return Segment(columns, rows, np.logical_or.outer(wide_y, wide_x), pitch)


def _halves(count: int, pitch: float, wide: float) -> tuple[Line, Flags]:
    """Pixels left and right of a gap that the two innermost, ``wide`` ones fill, and which those
    are; as a wide pixel counts the outer part that is as large as the others."""
    half = np.arange(count // 2) * pitch + wide - pitch / 2
    numbers = np.arange(count)
    return np.concatenate([-half[::-1], half]), np.abs(numbers - (count - 1) / 2) < 1


def _jungfrau(up: int, shift: float) -> Segment:
    """2 x 4 chips of 256 x 256 pixels with two pixels between them; ``shift`` of wide pixels."""
    x, wide_x = _chips(4, shift)
    y, wide_y = _chips(2, shift)
    return _segment(x * 75, wide_x, up * y * 75, wide_y, 75)


def _chips(count: int, shift: float) -> tuple[Line, Flags]:
    """Pixels of chips with 258 pixels from one to the next, and which lie where two chips meet."""
    place = np.arange(count * 256)
    chip, within = np.divmod(place, 256)
    ends = (within == 255) & (chip < count - 1)
    starts = (within == 0) & (chip > 0)
    line = within + 258.0 * chip + shift * ends - shift * starts
    return line - (258 * count - 3) / 2, ends | starts


def _named_matrix(name: str) -> Segment | None:
    """``MTRX:rows:columns:height:width``, or with ``MTRX:V2``; sizes in micrometres."""
    found = re.fullmatch(r"MTRX(:V2)?:(\d{1,5}):(\d{1,5}):([\d.]{1,9}):([\d.]{1,9})", name)
    if found is None:
        return None
    rows, columns = int(found[2]), int(found[3])
    height, width = float(found[4]), float(found[5])
    if height != width or not (height and rows and columns):
        raise ValueError(f"{name} has no square pixels")
    if rows * columns > LARGEST:
        raise ValueError(f"{name} has too many pixels to hold")
    return (_matrix_v2 if found[1] else _matrix)(rows, columns, height)


def _matrix(rows: int, columns: int, pitch: float) -> Segment:
    """x along the rows' numbers, y along the columns', 0 at the first pixel."""
    x, y = np.meshgrid(np.arange(rows) * pitch, np.arange(columns) * pitch, indexing="ij")
    return Segment(x, y, np.zeros((rows, columns), np.bool_), pitch)


def _matrix_v2(rows: int, columns: int, pitch: float) -> Segment:
    """x to the right, y up, 0 in the middle."""
    x = (np.arange(columns) - (columns - 1) / 2) * pitch
    y = ((rows - 1) / 2 - np.arange(rows)) * pitch
    return _segment(x, x > x[-1], y, y > y[0], pitch)
