"""Where the rows of an HDF5 dataset are: its first axes number them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from ..reader import Empty

Place = tuple[int, ...]
"""Of a row along the axes that number the rows."""


class Rows(Protocol):
    """Reads rows of a dataset."""

    def one(self, row: int) -> NDArray[Any]:
        """The row; `IndexError` if there is none."""
        ...

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """Each of the rows, in any order, an array of its own from ``empty``; errors as `one`."""
        ...

    def hole(self, row: int) -> NDArray[np.bool_] | None:
        """The pixels of a row that have no value, but the fill value; None where all have one."""
        ...


@dataclass(frozen=True)
class Places:
    """The rows of a dataset, counted through all the axes that number them."""

    dataset: h5py.Dataset
    chunks: tuple[int, ...]
    """Extents of a chunk; none where there are no chunks."""
    numbers: tuple[int, ...]
    """Extents of the axes that number the rows."""
    shape: tuple[int, ...]
    """Of one row."""
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, dataset: h5py.Dataset, leading: int) -> Places:
        """Of a dataset whose first ``leading`` axes, one or two, number the rows."""
        shape = dataset.shape
        chunks = dataset.chunks or ()
        return cls(dataset, chunks, shape[:leading], shape[leading:], dataset.dtype)

    def place(self, row: int) -> Place:
        """Where a row is; `IndexError` if there is none."""
        if row >= math.prod(self.numbers):
            raise IndexError(f"{self.dataset.name} has no row {row} of {self.numbers}")
        return (row,) if len(self.numbers) == 1 else divmod(row, self.numbers[1])

    @property
    def bytes_of_row(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def bytes_of_chunk(self) -> int:
        """Bytes of the values of a chunk."""
        return math.prod(self.chunks) * self.dtype.itemsize

    @property
    def rows_of_chunk(self) -> tuple[int, ...]:
        """Extents of a chunk along the axes that number the rows."""
        return self.chunks[: len(self.numbers)]

    def chunk(self, place: Place) -> Any:
        """What HDF5 knows of the chunk of a row."""
        corner = (*place, *(0 for _ in self.chunks[len(place) :]))
        return self.dataset.id.get_chunk_info_by_coord(corner)

    def inside(self, place: Place) -> int:
        """Which row of its chunk a row is."""
        return flat(tuple(map(operator.mod, place, self.chunks)), self.chunks)


def flat(place: Place, extents: tuple[int, ...]) -> int:
    """The number of a place, counted through axes of these extents."""
    return place[0] if len(place) == 1 else place[0] * extents[1] + place[1]


def grouped(keys: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], list[int]]:
    """The positions of equal keys."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    return groups
