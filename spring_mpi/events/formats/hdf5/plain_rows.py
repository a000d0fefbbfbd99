"""Rows of an HDF5 dataset whose bytes in the file are those in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reader import Empty
from ..threads import cores, fewest_of, in_threads
from .places import Place, Places, Rows, flat

_LARGEST_OFFSET, _NOWHERE = 2**63 - 1, -1
_MOST_PIECES, _MOST_BYTES = 512, 2**22
"""Of one call of the system; Linux takes 1024 pieces. Several threads share a window's bytes."""


@dataclass(frozen=True)
class PlainRows:
    """Copies rows from where they lie in the file, past HDF5 and its one lock."""

    places: Places
    """Of a dataset without filters, each of whose chunks has whole rows."""
    through_hdf5: Rows
    """For rows that were never written: HDF5 knows the fill value."""
    descriptor: int
    """Of the open file."""

    def one(self, row: int) -> NDArray[Any]:
        """The row from its bytes; `ValueError` if the file ends before."""
        start = self._start(self.places.place(row))
        if start == _NOWHERE:
            return self.through_hdf5.one(row)
        found = np.empty(self.places.shape, self.places.dtype)
        self._fill([found], [start], [[0]])
        return found

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """The rows, those that are neighbours in the file by one call, by a few threads."""
        places = self.places
        found = [empty(places.shape, places.dtype) for _ in rows]
        starts = [self._start(places.place(row)) for row in rows]
        runs = list(_runs(starts, places.bytes_of_row))
        fewest = fewest_of(len(rows) / max(len(runs), 1) * places.bytes_of_row)
        in_threads(partial(self._fill, found, starts), runs, cores(), fewest=fewest)
        for position, start in enumerate(starts):
            if start == _NOWHERE:
                found[position] = self.through_hdf5.one(rows[position])
        return found

    def hole(self, row: int) -> NDArray[np.bool_] | None:
        """As `Rows.hole`."""
        return self.through_hdf5.hole(row)

    def _fill(
        self, found: Sequence[NDArray[Any]], starts: Sequence[int], runs: Sequence[Sequence[int]]
    ) -> None:
        """Read what is to be found at some of the starts."""
        for run in runs:
            start, size = starts[run[0]], len(run) * self.places.bytes_of_row
            pieces = [found[position].data for position in run]
            if start > _LARGEST_OFFSET or os.preadv(self.descriptor, pieces, start) != size:
                name = self.places.dataset.name
                raise ValueError(f"{name}: the file ends in the rows at byte {start}")

    def _start(self, place: Place) -> int:
        """The first byte of a row, or `_NOWHERE`."""
        places = self.places
        if not places.chunks:
            start = places.dataset.id.get_offset()
            inside = flat(place, places.numbers) * places.bytes_of_row
            return _NOWHERE if start is None else start + inside
        chunk = places.chunk(place)
        # HDF5 stores chunks at the edge in full, so a shorter one is none to be trusted.
        if chunk.byte_offset is None or chunk.size != places.bytes_of_chunk:
            return _NOWHERE
        return int(chunk.byte_offset) + places.inside(place) * places.bytes_of_row


def _runs(starts: Sequence[int], size: int) -> Iterator[list[int]]:
    """Which pieces of equal size follow each other in a file, a bounded number of them."""
    most, run = max(1, min(_MOST_PIECES, _MOST_BYTES // max(size, 1))), list[int]()
    for position in sorted(range(len(starts)), key=starts.__getitem__):
        start = starts[position]
        if start == _NOWHERE:
            continue
        if run and (start != starts[run[-1]] + size or len(run) == most):
            yield run
            run = []
        run.append(position)
    if run:
        yield run
