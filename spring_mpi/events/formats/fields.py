"""Arrays that belong to events and are no frames: masks, centres, and numbers of their own."""

from __future__ import annotations

from typing import Any

import numpy as np


def has_rows(shape: tuple[int, ...]) -> bool:
    """Whether an array that is no frame has an axis of events, by its shape.

    A single number, a centre (2,) and a frame (rows, columns) have none; centres (events, 2),
    frames (events, rows, columns) and stacks (events, modules, rows, columns) have.
    """
    return len(shape) in (3, 4) or (len(shape) == 2 and shape[1] == 2)


def row_for(shape: tuple[int, ...], row: int) -> int | None:
    """Where an array that is no frame holds what belongs to the event in that row of its source.

    None: the array as a whole is the same for all events. What has an axis of events with a single
    place, such as a mask (1, rows, columns), is the same for all of them, too.

    Raises
    ------
    IndexError
        If the array has too few rows.
    """
    if not has_rows(shape):
        return None
    if shape[0] == 1:
        return 0
    if row >= shape[0]:
        raise IndexError(
            f"it holds {shape[0]} entries of {shape[1:]}, none for row {row}: give one for all "
            "events, or one for each"
        )
    return row


def as_center(values: Any) -> tuple[float, float]:
    """(row, column) as floats; raises `ValueError` for anything but two finite numbers."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (2,) or not np.isfinite(numbers).all():
        raise ValueError(f"center must be two numbers (row, column), not {values!r}")
    return float(numbers[0]), float(numbers[1])
