"""An open HDF5 file whose datasets are looked up once, and read by rows or as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..fields import row_for
from ..reader import Empty
from .contents import find_dataset
from .opening import open_file
from .places import Rows
from .rows import row_reader
from .sizes import read_all
from .stored import refuse_missing, unwritten
from .virtual import VirtualParts


class Hdf5File:
    """What the handles of HDF5 formats read through."""

    def __init__(self, path: str) -> None:
        self.root = open_file(path)
        # Looking a dataset up costs more than reading a row of it.
        self._datasets: dict[str, h5py.Dataset] = {}
        self._rows: dict[str, Rows] = {}
        self._held: dict[str, bool] = {}
        self._shared: dict[str, NDArray[Any]] = {}

    def dataset(self, name: str) -> h5py.Dataset:
        """The dataset of that name; `SourceError` with what there is if there is none."""
        if name not in self._datasets:
            self._datasets[name] = find_dataset(self.root, name)
        return self._datasets[name]

    def name(self, name: str, dataset: h5py.Dataset) -> None:
        """Give a dataset, maybe of another file, the name by which it will be asked for."""
        self._datasets[name] = dataset

    def many(
        self, name: str, rows: Sequence[int], empty: Empty = np.empty, leading: int = 1
    ) -> list[NDArray[Any]]:
        """Rows of a dataset, whose first ``leading`` axes number them."""
        if name not in self._rows:
            self._rows[name] = row_reader(self.dataset(name), leading)
        reader = self._rows[name]
        return reader.many(rows, empty) if len(rows) > 1 else [reader.one(row) for row in rows]

    def frames(self, name: str, rows: Sequence[int], empty: Empty) -> list[NDArray[Any]]:
        """As `many`; a dataset with two axes is a single frame."""
        if name not in self._rows and self.dataset(name).ndim == 2:
            return [read_all(self.dataset(name)) for _ in rows]
        return self.many(name, rows, empty)

    def holes(self, name: str, rows: Sequence[int]) -> list[NDArray[np.bool_] | None]:
        """For each of the rows that were read the pixels without a value; see `Rows.hole`."""
        if name in self._rows:
            return [self._rows[name].hole(row) for row in rows]
        whole = self.dataset(name)
        parts = VirtualParts(whole) if whole.is_virtual else None
        return [parts.hole(()) if parts else unwritten(whole, ()) for _ in rows]

    def whole(self, name: str) -> NDArray[Any]:
        """All values, which are the same for all events; read once."""
        if name not in self._shared:
            self._shared[name] = read_all(self.dataset(name))
            self._shared[name].flags.writeable = False
        return self._shared[name]

    def holds(self, name: str) -> bool:
        """Whether there is a dataset of that name."""
        if name not in self._held:
            self._held[name] = isinstance(self.root.get(name), h5py.Dataset)
        return self._held[name]

    def field(self, name: str, row: int) -> NDArray[Any]:
        """The row's values of a dataset, or all of it where it is the same for all events."""
        place = row_for(self.dataset(name).shape, row)
        return self.whole(name) if place is None else self.many(name, (place,))[0]

    def check(self, name: str) -> None:
        """Raises `SourceError` if values of a dataset are in files that are missing."""
        refuse_missing(self.dataset(name))

    def close(self) -> None:
        """Release the file."""
        # Rows know its descriptor, which will be another file's.
        self._rows.clear()
        self.root.close()
