"""Rows of an HDF5 dataset in filtered chunks, decoded outside of HDF5's one lock."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reader import Empty
from .chunks import Chunk, Decode, read_chunks
from .places import Places, Rows, grouped

_PAGE = 4096


@dataclass(frozen=True)
class CodedRows:
    """Decodes rows from the chunks as they are stored."""

    places: Places
    """Of a dataset each of whose chunks has whole rows."""
    through_hdf5: Rows
    """For chunks that are not as expected, and rows that were never written."""
    descriptor: int
    """Of the open file."""
    decode: Decode
    """Undoes the filters of a chunk."""

    def one(self, row: int) -> NDArray[Any]:
        """The row; HDF5 keeps chunks of many for the next ones, and tells what is wrong."""
        if math.prod(self.places.rows_of_chunk) == 1:
            with contextlib.suppress(ValueError):
                return self.many((row,), np.empty)[0]
        return self.through_hdf5.one(row)

    def many(self, rows: Sequence[int], empty: Empty = np.empty) -> list[NDArray[Any]]:
        """The rows, every chunk decoded once, by a few threads."""
        places = [self.places.place(row) for row in rows]
        extents = self.places.rows_of_chunk
        groups = grouped(tuple(map(operator.floordiv, place, extents)) for place in places)
        known: list[tuple[list[int], Chunk]] = []
        found = dict[int, NDArray[Any]]()
        for members in groups.values():
            info = self.places.chunk(places[members[0]])
            if info.byte_offset is None or info.filter_mask or info.size > self._largest:
                found |= {member: self.through_hdf5.one(rows[member]) for member in members}
            else:
                inside = tuple(self.places.inside(places[member]) for member in members)
                known.append((members, Chunk(int(info.byte_offset), int(info.size), inside)))
        wanted = [chunk for _, chunk in known]
        shape = (math.prod(extents), *self.places.shape)
        dtype = self.places.dtype
        read = read_chunks(self.descriptor, wanted, self.decode, shape, dtype, empty)
        for (members, _), values in zip(known, read, strict=True):
            found |= zip(members, values, strict=True)
        return [found[position] for position in range(len(rows))]

    def hole(self, row: int) -> NDArray[np.bool_] | None:
        """As `Rows.hole`."""
        return self.through_hdf5.hole(row)

    @property
    def _largest(self) -> int:
        """Bytes of a stored chunk, beyond which it is damaged."""
        # Noise does not get smaller, and filters put headers before what they store.
        return 2 * self.places.bytes_of_chunk + _PAGE
