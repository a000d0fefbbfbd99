"""Single rows of HDF5 datasets: the fastest way to each, never more memory than the file is worth.

A dataset says how large it is, and a damaged or hostile file may say anything. What is read at
once is therefore compared with the size of the file first: it may be `LEAST_LIMIT` bytes, or
`RATIO` times the file.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

Row = Callable[[int], NDArray[Any]]
Locate = Callable[[tuple[int, ...], int], int | None]

LEAST_LIMIT = 2**27
"""Bytes, so that one large frame of a small file of compressed or unwritten frames is read."""
RATIO = 4
_LARGEST_OFFSET = 2**63 - 1


def read_all(dataset: h5py.Dataset) -> NDArray[Any]:
    """All values of a dataset; `ValueError` for one that cannot be in its file."""
    check_size(dataset, dataset.shape or ())
    return np.asarray(dataset[()])


def row_reader(dataset: h5py.Dataset, leading: int = 1) -> Row:
    """What reads one row of a dataset, whose first ``leading`` axes number the rows.

    Numbers that lie in the file as they are in memory are copied from there, which is faster than
    HDF5's selections; all others go through HDF5.

    Raises
    ------
    ValueError
        If a row is larger than its file can hold.
    """
    chunks, shape = dataset.chunks, dataset.shape
    check_size(dataset, shape[leading:])
    check_size(dataset, chunks or ())
    descriptor = dataset.file.id.get_vfd_handle() if _lies_as_it_is(dataset) else 0
    rows = _Rows(dataset, shape[:leading], shape[leading:], dataset.dtype, descriptor)
    if not descriptor:
        return rows.through_hdf5
    if chunks is None:
        return partial(
            rows.from_file, partial(_in_one_piece, dataset.id.get_offset(), rows.numbers)
        )
    if chunks[leading:] == shape[leading:]:
        size = math.prod(chunks) * dataset.dtype.itemsize
        return partial(rows.from_file, partial(_in_chunks, dataset, chunks, size))
    return rows.through_hdf5


def check_size(dataset: h5py.Dataset, shape: tuple[int, ...], itemsize: int = 0) -> None:
    """Raises `ValueError` if so many values are far more than the dataset's file can hold."""
    needed = math.prod(shape) * (itemsize or dataset.dtype.itemsize)
    present = os.path.getsize(dataset.file.filename)
    if needed > max(LEAST_LIMIT, RATIO * present):
        raise ValueError(
            f"{dataset.name} claims {shape} values, {needed} bytes at once, in a file of "
            f"{present} bytes; it is damaged"
        )


def _lies_as_it_is(dataset: h5py.Dataset) -> bool:
    """Whether the file holds the values unfiltered, in the bytes that numpy has."""
    plist, file = dataset.id.get_create_plist(), dataset.file
    return (
        (file.driver, file.userblock_size) == ("sec2", 0)
        and not dataset.is_virtual
        and plist.get_nfilters() == plist.get_external_count() == 0
        and dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype)
    )


@dataclass(frozen=True)
class _Rows:
    dataset: h5py.Dataset
    numbers: tuple[int, ...]
    """Extents of the axes that number the rows."""
    shape: tuple[int, ...]
    """Of one row."""
    dtype: np.dtype[Any]
    file: int
    """Descriptor; 0 where the rows are not to be read from it."""

    def through_hdf5(self, row: int) -> NDArray[Any]:
        """The row, wherever it is."""
        return np.asarray(self.dataset[self._place(row)])

    def from_file(self, locate: Locate, row: int) -> NDArray[Any]:
        """The row from its bytes; `ValueError` if the file ends before."""
        values = np.empty(self.shape, self.dtype)
        start = locate(self._place(row), values.nbytes)
        if start is None:
            # It was never written: HDF5 knows the fill value.
            return self.through_hdf5(row)
        beyond = start > _LARGEST_OFFSET
        if beyond or os.preadv(self.file, [values.data], start) != values.nbytes:
            raise ValueError(f"{self.dataset.name} ends before row {row}, at byte {start}")
        return values

    def _place(self, row: int) -> tuple[int, ...]:
        if row >= math.prod(self.numbers):
            raise IndexError(f"{self.dataset.name} has no row {row} of {self.numbers}")
        return (row,) if len(self.numbers) == 1 else divmod(row, self.numbers[1])


def _in_one_piece(
    start: int | None, numbers: tuple[int, ...], place: tuple[int, ...], size: int
) -> int | None:
    """The first byte of a row of a contiguous dataset."""
    return None if start is None else start + _flat(place, numbers) * size


def _in_chunks(
    dataset: h5py.Dataset,
    chunks: tuple[int, ...],
    stored: int,
    place: tuple[int, ...],
    size: int,
) -> int | None:
    """The first byte of a row of a dataset whose chunks hold whole rows."""
    inside = tuple(number % extent for number, extent in zip(place, chunks, strict=False))
    start = (*place, *(0 for _ in chunks[len(place) :]))
    chunk = dataset.id.get_chunk_info_by_coord(start)
    # HDF5 stores chunks at the edge in full, so a shorter one is none to be trusted.
    if chunk.byte_offset is None or chunk.size != stored:
        return None
    return int(chunk.byte_offset) + _flat(inside, chunks) * size


def _flat(place: tuple[int, ...], extents: tuple[int, ...]) -> int:
    return place[0] if len(place) == 1 else place[0] * extents[1] + place[1]
