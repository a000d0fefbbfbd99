"""Cutting a square about the centre, and binning it by summation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError

Frame = NDArray[np.float32]
Flags = NDArray[np.bool_]


def check_binning(cropsize: int, size: int) -> int:
    """The binning factor; raises `PatternError` naming the nearest legal cropsizes."""
    if size < 8 or cropsize < size:
        raise PatternError(f"size {size} must be at least 8 and at most cropsize {cropsize}")
    if cropsize % size:
        below = cropsize // size * size
        raise PatternError(
            f"cropsize {cropsize} is not a multiple of size {size}; "
            f"nearest legal: {below} and {below + size}"
        )
    return cropsize // size


def crop_start(
    center: tuple[float, float], size: int, binning: int
) -> tuple[tuple[int, int], tuple[float, float]]:
    """First (row, column) of the crop, and how far the centre is off the grid in binned pixels.

    Binned pixel ``size // 2`` covers raw pixels from ``start + binning * (size // 2)``, so its
    centre lies ``(binning - 1) / 2`` further on: that is where the zero frequency belongs.
    """
    middle = binning * (size // 2) + (binning - 1) / 2
    start = [math.floor(coordinate - middle + 0.5) for coordinate in center]
    offset = [
        (coordinate - middle - first) / binning
        for coordinate, first in zip(center, start, strict=True)
    ]
    return (start[0], start[1]), (offset[0], offset[1])


def crop(array: NDArray[Any], start: tuple[int, int], side: int) -> NDArray[Any]:
    """The square window; what lies outside the frame is 0 (False: not valid)."""
    window = np.zeros((side, side), array.dtype)
    rows, columns = (first + np.arange(side) for first in start)
    in_rows, in_columns = (
        (index >= 0) & (index < length)
        for index, length in zip((rows, columns), array.shape, strict=True)
    )
    window[np.ix_(in_rows, in_columns)] = array[np.ix_(rows[in_rows], columns[in_columns])]
    return window


def binned(
    counts: NDArray[np.float64], valid: Flags, full: Flags, binning: int
) -> tuple[Frame, Flags, Flags]:
    """Intensity, masked and saturated pixels after binning."""
    size = len(counts) // binning
    blocks = (size, binning, size, binning)
    number = valid.reshape(blocks).sum(axis=(1, 3))
    total = np.where(valid, counts, 0).reshape(blocks).sum(axis=(1, 3))
    masked = number * 2 < binning**2
    mean = total / np.maximum(number, 1)
    with np.errstate(over="ignore"):
        intensity = np.where(masked, 0, mean * binning**2).astype(np.float32)
    return intensity, masked, full.reshape(blocks).any(axis=(1, 3)) & ~masked
