"""Pids out of the numbers in files: 64-bit integers, exact or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .reader import Scan


def as_pid(values: Any) -> tuple[int, ...]:
    """One pid as integers.

    Raises
    ------
    ValueError
        If the values are not one row of 64-bit integers.
    """
    numbers = whole_numbers(np.atleast_1d(np.asarray(values)))
    if numbers.ndim != 1:
        raise ValueError(f"a pid must be one row of integers, not {numbers.shape}")
    return tuple(int(number) for number in numbers)


def whole_numbers(values: NDArray[Any]) -> NDArray[np.int64]:
    """The same numbers as int64.

    Raises
    ------
    ValueError
        If one of them is no integer, or too large to be exact.
    """
    exact = values.dtype.kind in "iuf"
    if values.dtype.kind == "u":
        exact = bool((values <= np.iinfo(np.int64).max).all())
    elif values.dtype.kind == "f":
        exact = bool(((np.abs(values) < 2**53) & (values == np.floor(values))).all())
    if not exact:
        raise ValueError(f"pids are 64-bit integers, these {values.dtype} values are not")
    return values.astype(np.int64)


def numbered_scan(dataset: str, pid: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> Scan:
    """The scan of a source with one event whose pid is a plain row of numbers, maybe none.

    Raises
    ------
    ValueError
        If the frame is no two-dimensional array of numbers.
    """
    if len(shape) != 2 or np.dtype(dtype).kind not in "iuf":
        raise ValueError(f"frame is {shape} {dtype}, not numbers with the axes (rows, columns)")
    names = tuple(f"pid_{number}" for number in range(1, len(pid) + 1))
    pids = np.array([pid], dtype=np.int64) if pid else None
    return Scan(dataset, pids, names, (1, *shape), dtype)
