"""Values that channels and files of a run hold for one event, found by its key.

At facilities every channel has a list of keys (train or pulse ids) of its own: its rows are those
of the pulses that it saw. What it holds for an event is found by the event's key, never by its
row in another channel. Here the number by which the index finds an event is that key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..reader import Empty, Frame
from .contents import find_dataset
from .plain import Hdf5Handle

_RUN = re.compile(r"(?<![A-Za-z0-9])(?:[rR]|run_?)(\d{4,9})(?!\d)")


def run_in_path(path: str) -> int:
    """The run in a file's name or else in that of a folder above it; 0 where none tells.

    Facilities write ``RAW-R0034-...``, ``run_000034.JF...``, ``..._run34567_file1...``, and
    folders ``r0034`` and ``run0034-name``.
    """
    for name in reversed(os.path.abspath(path).split(os.sep)):
        if found := _RUN.search(name):
            return int(found[1])
    return 0


@dataclass(frozen=True)
class Keys:
    """The keys of a channel's rows, ready for being found."""

    ascending: NDArray[np.int64]
    rows: NDArray[np.intp]
    """Row of each of the ascending keys."""

    @classmethod
    def of(cls, keys: NDArray[np.int64]) -> Keys:
        """From the key of each row."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], order)

    def row(self, key: int) -> int | None:
        """The row of that key, None where there is none; `ValueError` if there are several."""
        start = self.ascending.searchsorted(key)
        found = self.ascending[start : start + 2].tolist()
        if found == [key, key]:
            raise ValueError(f"several rows have the key {key}; which is meant is unknown")
        return int(self.rows[start]) if found and found[0] == key else None

    def repeated(self) -> NDArray[np.bool_]:
        """For each row whether another one has its key."""
        same = np.diff(self.ascending) == 0
        found = np.zeros(len(self.rows), dtype=np.bool_)
        found[self.rows[1:][same]] = found[self.rows[:-1][same]] = True
        return found


class KeyedFile(Hdf5Handle):
    """An open HDF5 file that finds the rows of its datasets by key."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._held: dict[str, bool] = {}

    def row_of(self, dataset: str, key: int) -> int | None:
        """The row of a dataset for the event of that key, None where it has none."""
        raise NotImplementedError

    def has_keys(self, dataset: str) -> bool:
        """Whether the rows of a dataset belong to keys."""
        raise NotImplementedError

    def holds(self, dataset: str) -> bool:
        """Whether there is a dataset of that name."""
        if dataset not in self._held:
            self._held[dataset] = isinstance(self._file.get(dataset), h5py.Dataset)
        return self._held[dataset]

    def missing(self, dataset: str) -> None:
        """Raises `SourceError` that says what there is instead."""
        find_dataset(self._file, dataset)

    def whole(self, dataset: str) -> NDArray[Any]:
        """A dataset that is the same for all events."""
        return self._all(dataset)

    def values(self, dataset: str, row: int) -> NDArray[Any]:
        """One row of a dataset."""
        return self._row(dataset, row)

    def frames(self, dataset: str, rows: Sequence[int], empty: Empty) -> list[Frame]:
        """The frames in those rows of the dataset; ``empty`` as in `BatchHandle`."""
        frames = self._many(dataset, rows, empty)
        return [
            Frame(data, hole) for data, hole in zip(frames, self._holes(dataset, rows), strict=True)
        ]


class JoinedHandle:
    """An open file and, as soon as they are asked for, others of the same run.

    Parameters
    ----------
    path
        The file with the frames.
    open_keyed
        Opens one file.
    beside
        The other files of the run in which values may be, from the path of this one.
    """

    def __init__(
        self,
        path: str,
        open_keyed: Callable[[str], KeyedFile],
        beside: Callable[[str], Sequence[str]],
    ) -> None:
        self._path, self._open, self._beside = path, open_keyed, beside
        self._own = open_keyed(path)
        self._others: dict[str, KeyedFile] = {}

    def event(self, dataset: str, row: int) -> Frame:
        """The frame of the event with that key."""
        return self.events(dataset, (row,))[0]

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames of the events with those keys; see `BatchHandle`."""
        places = [place for row in rows if (place := self._own.row_of(dataset, row)) is not None]
        if len(places) < len(rows):
            raise KeyError(f"{dataset} has no row for this event any more")
        return self._own.frames(dataset, places, empty)

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The values of a dataset of the run for the event with that key.

        A dataset of this file whose rows have no keys is the same for all events.

        Raises
        ------
        SourceError
            If no file of the run has the dataset.
        KeyError
            If it has no value for the event.
        """
        if self._own.holds(dataset) and not self._own.has_keys(dataset):
            return self._own.whole(dataset)
        known = False
        for file in self._files():
            if file.holds(dataset) and file.has_keys(dataset):
                known = True
                place = file.row_of(dataset, row)
                if place is not None:
                    return file.values(dataset, place)
        if not known:
            self._own.missing(dataset)
        raise KeyError(f"{dataset} has no value for this event")

    def check(self, dataset: str) -> None:
        """See `LinkingHandle`."""
        self._own.check(dataset)

    def close(self) -> None:
        """Release the files."""
        for file in (self._own, *self._others.values()):
            file.close()
        self._others.clear()

    def _files(self) -> Iterator[KeyedFile]:
        yield self._own
        for path in self._beside(self._path):
            if path not in self._others:
                self._others[path] = self._open(path)
            yield self._others[path]
