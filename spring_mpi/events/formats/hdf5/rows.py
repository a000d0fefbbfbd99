"""Rows of HDF5 datasets: the fastest way to one or many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..reader import Empty
from .chunks import decoder
from .coded_rows import CodedRows
from .places import Places, Rows, grouped
from .plain_rows import PlainRows
from .sizes import check_size, refuse_unknown_filter
from .stored import refuse_missing, unwritten
from .virtual import VirtualParts


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
    places = Places.of(dataset, leading)
    check_size(dataset, places.shape)
    check_size(dataset, places.chunks)
    through_hdf5 = Hdf5Rows(places)
    if dataset.is_virtual:
        return VirtualRows(places, through_hdf5, VirtualParts(dataset))
    refuse_missing(dataset)
    refuse_unknown_filter(dataset)
    has_whole_rows = not places.chunks or places.chunks[leading:] == places.shape
    if not (has_whole_rows and _has_plain_numbers(dataset)):
        return through_hdf5
    file = dataset.file.id.get_vfd_handle()
    if not dataset.id.get_create_plist().get_nfilters():
        return PlainRows(places, through_hdf5, file)
    decode = decoder(dataset)
    return CodedRows(places, through_hdf5, file, decode) if decode else through_hdf5


def _has_plain_numbers(dataset: h5py.Dataset) -> bool:
    """Whether the file itself holds the values, maybe filtered, in the bytes that numpy has."""
    plist, file = dataset.id.get_create_plist(), dataset.file
    return (
        (file.driver, file.userblock_size) == ("sec2", 0)
        and plist.get_external_count() == 0
        and dataset.id.get_type() == h5py.h5t.py_create(dataset.dtype)
    )


@dataclass(frozen=True)
class Hdf5Rows:
    """Reads rows of any dataset, through HDF5."""

    places: Places

    def one(self, row: int) -> NDArray[Any]:
        """As `Rows.one`."""
        return np.asarray(self.places.dataset[self.places.place(row)])

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """As `Rows.many`; chunks of which several rows are wanted are read once."""
        chunks, dataset = self.places.chunks, self.places.dataset
        extent = chunks[0] if chunks else 1
        places = [self.places.place(row) for row in rows]
        slabs = grouped((place[0] // extent, *place[1:]) for place in places)
        found = dict[int, NDArray[Any]]()
        for (_, *rest), members in slabs.items():
            first, last = (side(places[member][0] for member in members) for side in (min, max))
            slab = dataset[(slice(first, last + 1), *rest)]
            for member in members:
                found[member] = empty(self.places.shape, self.places.dtype)
                found[member][...] = slab[places[member][0] - first]
        return [found[position] for position in range(len(rows))]

    def hole(self, row: int) -> NDArray[np.bool_] | None:
        """As `Rows.hole`: what was never written."""
        return unwritten(self.places.dataset, self.places.place(row))


@dataclass(frozen=True)
class VirtualRows:
    """Reads rows whose values are in other datasets; `SourceError` where one is missing."""

    places: Places
    through_hdf5: Rows
    parts: VirtualParts
    """Which source has which values."""

    def one(self, row: int) -> NDArray[Any]:
        """As `Rows.one`."""
        self.parts.refuse_missing(self.places.place(row)[0])
        return self.through_hdf5.one(row)

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """As `Rows.many`."""
        for first in dict.fromkeys(self.places.place(row)[0] for row in rows):
            self.parts.refuse_missing(first)
        return self.through_hdf5.many(rows, empty)

    def hole(self, row: int) -> NDArray[np.bool_] | None:
        """As `Rows.hole`: pixels to which no source is mapped."""
        return self.parts.hole(self.places.place(row))
