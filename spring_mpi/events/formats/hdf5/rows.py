"""Rows of HDF5 datasets: the fastest way to one or many, no more memory than the file is worth.

A dataset says how large it is, and a damaged or hostile file may say anything. What is read at
once is therefore compared with the size of the file first: it may be `LEAST_LIMIT` bytes, or
`RATIO` times the file.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..reader import Empty
from ..threads import cores, fewest_of, in_threads
from .chunks import Chunk, Decode, decoder, read_chunks
from .faults import missing_filter
from .stored import refuse_missing, unwritten
from .virtual import VirtualParts

LEAST_LIMIT = 2**27
"""Bytes, so that one large frame of a small file of compressed or unwritten frames is read."""
RATIO = 4
_LARGEST_OFFSET, _NOWHERE, _PAGE = 2**63 - 1, -1, 4096
_MOST_PIECES, _MOST_BYTES = 512, 2**22
"""Of one call of the system; Linux takes 1024 pieces. Several threads share a window's bytes."""


def read_all(dataset: h5py.Dataset) -> NDArray[Any]:
    """All values of a dataset.

    Raises
    ------
    ValueError
        If they cannot be in its file.
    SourceError
        If they are in other files that are missing.
    """
    check_size(dataset, dataset.shape or ())
    refuse_missing(dataset)
    _refuse_unknown_filter(dataset)
    return np.asarray(dataset[()])


def row_reader(dataset: h5py.Dataset, leading: int = 1) -> Rows:
    """What reads rows of a dataset, whose first ``leading`` axes number them.

    Numbers that lie in the file as they are in memory are copied from there, and chunks that hold
    whole rows are decoded here where that is possible: both are faster than HDF5, and leave its
    lock to others. All other rows go through HDF5.

    Raises
    ------
    ValueError
        If a row is larger than its file can hold.
    SourceError
        If the values are in files of external storage that are missing. Those of virtual datasets
        are asked for when a row of theirs is read.
    """
    chunks, shape = dataset.chunks, dataset.shape
    check_size(dataset, shape[leading:])
    check_size(dataset, chunks or ())
    known = (dataset, chunks or (), shape[:leading], shape[leading:], dataset.dtype)
    if dataset.is_virtual:
        return _VirtualRows(*known, VirtualParts(dataset))
    refuse_missing(dataset)
    _refuse_unknown_filter(dataset)
    has_whole_rows = not chunks or chunks[leading:] == shape[leading:]
    if not (has_whole_rows and _has_plain_numbers(dataset)):
        return Rows(*known)
    file = dataset.file.id.get_vfd_handle()
    if not dataset.id.get_create_plist().get_nfilters():
        return _PlainRows(*known, file)
    decode = decoder(dataset)
    return _CodedRows(*known, file, decode) if decode else Rows(*known)


def _refuse_unknown_filter(dataset: h5py.Dataset) -> None:
    if reason := missing_filter(dataset):
        raise SourceError(f"{dataset.file.filename}: {reason}")


def check_size(dataset: h5py.Dataset, shape: tuple[int, ...], itemsize: int = 0) -> None:
    """Raises `ValueError` if so many values are far more than the dataset's file can hold."""
    needed = math.prod(shape) * (itemsize or dataset.dtype.itemsize)
    present = os.path.getsize(dataset.file.filename)
    if needed > max(LEAST_LIMIT, RATIO * present):
        raise ValueError(
            f"{dataset.name} claims {shape} values, {needed} bytes at once, in a file of "
            f"{present} bytes; it is damaged"
        )


def _has_plain_numbers(dataset: h5py.Dataset) -> bool:
    """Whether the file itself holds the values, maybe filtered, in the bytes that numpy has."""
    plist, file = dataset.id.get_create_plist(), dataset.file
    return (
        (file.driver, file.userblock_size) == ("sec2", 0)
        and plist.get_external_count() == 0
        and dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype)
    )


@dataclass(frozen=True)
class Rows:
    """Rows of a dataset, read through HDF5."""

    dataset: h5py.Dataset
    chunks: tuple[int, ...]
    """Extents of a chunk; none where there are no chunks."""
    numbers: tuple[int, ...]
    """Extents of the axes that number the rows."""
    shape: tuple[int, ...]
    """Of one row."""
    dtype: np.dtype[Any]

    def one(self, row: int) -> NDArray[Any]:
        """The row; `IndexError` if there is none."""
        return np.asarray(self.dataset[self._place(row)])

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """Each of the rows, in any order, an array of its own from ``empty``; errors as `one`.

        Chunks of which several rows are wanted are read once.
        """
        extent = self.chunks[0] if self.chunks else 1
        places = [self._place(row) for row in rows]
        slabs = _grouped((place[0] // extent, *place[1:]) for place in places)
        found = dict[int, NDArray[Any]]()
        for (_, *rest), members in slabs.items():
            first, last = (side(places[one][0] for one in members) for side in (min, max))
            slab = self.dataset[(slice(first, last + 1), *rest)]
            for one in members:
                found[one] = empty(self.shape, self.dtype)
                found[one][...] = slab[places[one][0] - first]
        return [found[one] for one in range(len(rows))]

    def hole(self, row: int) -> NDArray[np.bool_] | None:
        """The pixels of a row that have no value, but the fill value; None where all have one."""
        return unwritten(self.dataset, self._place(row))

    def _place(self, row: int) -> tuple[int, ...]:
        if row >= math.prod(self.numbers):
            raise IndexError(f"{self.dataset.name} has no row {row} of {self.numbers}")
        return (row,) if len(self.numbers) == 1 else divmod(row, self.numbers[1])

    def _chunk(self, place: tuple[int, ...]) -> Any:
        """What HDF5 knows of the chunk of a row."""
        corner = (*place, *(0 for _ in self.chunks[len(place) :]))
        return self.dataset.id.get_chunk_info_by_coord(corner)

    def _inside(self, place: tuple[int, ...]) -> int:
        """Which row of its chunk a row is."""
        return _flat(tuple(map(operator.mod, place, self.chunks)), self.chunks)


@dataclass(frozen=True)
class _VirtualRows(Rows):
    """Rows whose values are in other datasets; `SourceError` where one of these is missing."""

    parts: VirtualParts

    def one(self, row: int) -> NDArray[Any]:
        """As `Rows.one`."""
        self.parts.refuse_missing(self._place(row)[0])
        return super().one(row)

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """As `Rows.many`."""
        for first in dict.fromkeys(self._place(row)[0] for row in rows):
            self.parts.refuse_missing(first)
        return super().many(rows, empty)

    def hole(self, row: int) -> NDArray[np.bool_] | None:
        """As `Rows.hole`, where no source is mapped."""
        return self.parts.hole(self._place(row))


@dataclass(frozen=True)
class _PlainRows(Rows):
    """Rows whose bytes in the file are those in memory."""

    file: int
    """Descriptor."""

    def one(self, row: int) -> NDArray[Any]:
        """The row from its bytes; `ValueError` if the file ends before."""
        start = self._start(self._place(row))
        if start == _NOWHERE:
            return super().one(row)
        found = np.empty(self.shape, self.dtype)
        self._fill([found], [start], [[0]])
        return found

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """The rows, those that are neighbours in the file by one call, by a few threads."""
        found = [empty(self.shape, self.dtype) for _ in rows]
        starts = [self._start(self._place(row)) for row in rows]
        runs = list(_runs(starts, self._size))
        fewest = fewest_of(len(rows) / max(len(runs), 1) * self._size)
        in_threads(partial(self._fill, found, starts), runs, cores(), fewest=fewest)
        for one, start in enumerate(starts):
            if start == _NOWHERE:
                # It was never written: HDF5 knows the fill value.
                found[one] = super().one(rows[one])
        return found

    def _fill(
        self, found: Sequence[NDArray[Any]], starts: Sequence[int], runs: Sequence[Sequence[int]]
    ) -> None:
        """Read what is to be found at some of the starts."""
        for run in runs:
            start, size = starts[run[0]], len(run) * self._size
            pieces = [found[one].data for one in run]
            if start > _LARGEST_OFFSET or os.preadv(self.file, pieces, start) != size:
                raise ValueError(f"{self.dataset.name}: the file ends in the rows at byte {start}")

    @property
    def _size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def _start(self, place: tuple[int, ...]) -> int:
        """The first byte of a row, or `_NOWHERE`."""
        if not self.chunks:
            start = self.dataset.id.get_offset()
            return _NOWHERE if start is None else start + _flat(place, self.numbers) * self._size
        chunk = self._chunk(place)
        # HDF5 stores chunks at the edge in full, so a shorter one is none to be trusted.
        stored = math.prod(self.chunks) * self.dtype.itemsize
        if chunk.byte_offset is None or chunk.size != stored:
            return _NOWHERE
        return int(chunk.byte_offset) + self._inside(place) * self._size


@dataclass(frozen=True)
class _CodedRows(Rows):
    """Rows in filtered chunks, each of them with whole rows."""

    file: int
    """Descriptor."""
    decode: Decode

    def one(self, row: int) -> NDArray[Any]:
        """The row; HDF5 keeps chunks of many for the next ones, and tells what is wrong."""
        if math.prod(self._extents) == 1:
            with contextlib.suppress(ValueError):
                return self.many((row,), np.empty)[0]
        return super().one(row)

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """The rows, every chunk decoded once, by a few threads."""
        places = [self._place(row) for row in rows]
        groups = _grouped(tuple(map(operator.floordiv, place, self._extents)) for place in places)
        known: list[tuple[list[int], Chunk]] = []
        found = dict[int, NDArray[Any]]()
        for members in groups.values():
            info = self._chunk(places[members[0]])
            if info.byte_offset is None or info.filter_mask or info.size > self._largest:
                found |= {one: super(_CodedRows, self).one(rows[one]) for one in members}
            else:
                inside = tuple(self._inside(places[one]) for one in members)
                known.append((members, Chunk(int(info.byte_offset), int(info.size), inside)))
        wanted = [chunk for _, chunk in known]
        shape = (math.prod(self._extents), *self.shape)
        read = read_chunks(self.file, wanted, self.decode, shape, self.dtype, empty)
        for (members, _), values in zip(known, read, strict=True):
            found |= zip(members, values, strict=True)
        return [found[one] for one in range(len(rows))]

    @property
    def _extents(self) -> tuple[int, ...]:
        """Of a chunk, along the axes that number the rows."""
        return self.chunks[: len(self.numbers)]

    @property
    def _largest(self) -> int:
        """Bytes of a stored chunk, beyond which it is damaged."""
        return 2 * math.prod(self.chunks) * self.dtype.itemsize + _PAGE


def _grouped(keys: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], list[int]]:
    """The places of equal keys."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return groups


def _runs(starts: Sequence[int], size: int) -> Iterator[list[int]]:
    """Which pieces of equal size follow each other in a file, a bounded number of them."""
    most, run = max(1, min(_MOST_PIECES, _MOST_BYTES // max(size, 1))), list[int]()
    for one in sorted(range(len(starts)), key=starts.__getitem__):
        if starts[one] == _NOWHERE:
            continue
        if run and (starts[one] != starts[run[-1]] + size or len(run) == most):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _flat(place: tuple[int, ...], extents: tuple[int, ...]) -> int:
    return place[0] if len(place) == 1 else place[0] * extents[1] + place[1]
