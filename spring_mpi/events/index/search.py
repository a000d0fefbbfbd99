"""Rows of integers in lexicographic order: sorting them, and finding many at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def sorting(rows: NDArray[np.int64], *ties: NDArray[np.unsignedinteger]) -> NDArray[np.intp]:
    """The order (n,) that sorts rows (n, numbers).

    Equal rows are in the order of the columns ``ties`` (n,), or else keep theirs.
    """
    return np.lexsort((*ties[::-1], *rows.T[::-1]))


def repeated(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the sorted rows occur more than once."""
    like_next = (rows[1:] == rows[:-1]).all(axis=1)
    found = np.zeros(len(rows), dtype=np.bool_)
    found[:-1] |= like_next
    found[1:] |= like_next
    return found


def places_of(numbers: NDArray[np.unsignedinteger], count: int) -> list[NDArray[np.intp]]:
    """Where each of the numbers 0 to ``count`` - 1 occurs, in ascending order."""
    order = np.argsort(numbers, kind="stable")
    edges = np.searchsorted(numbers[order], np.arange(count + 1))
    return [order[start:end] for start, end in pairwise(edges)]


def first_not_below(rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each wanted row the first place in the sorted rows that is not below it."""
    low = np.zeros(len(wanted), dtype=np.int64)
    high = np.full(len(wanted), len(rows), dtype=np.int64)
    for _ in range(len(rows).bit_length()):
        middle = (low + high) // 2
        below = (low < high) & _less(rows[np.minimum(middle, len(rows) - 1)], wanted)
        low = np.where(below, middle + 1, low)
        high = np.where(below, high, middle)
    return low


def _less(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Row by row, in lexicographic order."""
    less = np.zeros(len(left), dtype=np.bool_)
    for a, b in zip(left.T[::-1], right.T[::-1], strict=True):
        less = (a < b) | ((a == b) & less)
    return less
