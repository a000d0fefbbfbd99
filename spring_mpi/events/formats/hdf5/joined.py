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
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..reader import Empty, Frame
from .contents import find_dataset
from .file import Hdf5File

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


class KeyedFile(Protocol):
    """An HDF5 file whose format finds the rows of its datasets by key."""

    file: Hdf5File

    def row_of(self, dataset: str, key: int) -> int | None:
        """The row of a dataset for the event of that key, None where it has none."""
        ...

    def has_keys(self, dataset: str) -> bool:
        """Whether the rows of a dataset belong to keys."""
        ...

    def frames(self, dataset: str, rows: Sequence[int], empty: Empty) -> list[Frame]:
        """The frames in those rows of the dataset; ``empty`` as in `BatchHandle`."""
        ...

    def values(self, dataset: str, row: int) -> NDArray[Any]:
        """One row of a dataset."""
        ...


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
    path_of
        The path of a dataset of the index, where that may say more.
    """

    def __init__(
        self,
        path: str,
        open_keyed: Callable[[str], KeyedFile],
        beside: Callable[[str], Sequence[str]],
        path_of: Callable[[str], str] = str,
    ) -> None:
        self._path, self._open, self._beside, self._path_of = path, open_keyed, beside, path_of
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
        own = self._own
        if own.file.holds(dataset) and not own.has_keys(dataset):
            return own.file.whole(dataset)
        known = False
        for keyed in self._files():
            if keyed.file.holds(dataset) and keyed.has_keys(dataset):
                known = True
                place = keyed.row_of(dataset, row)
                if place is not None:
                    return keyed.values(dataset, place)
        if not known:
            # Says which datasets there are instead.
            find_dataset(own.file.root, dataset)
        raise KeyError(f"{dataset} has no value for this event")

    def check(self, dataset: str) -> None:
        """See `LinkingHandle`."""
        self._own.file.check(self._path_of(dataset))

    def close(self) -> None:
        """Release the files."""
        for keyed in (self._own, *self._others.values()):
            keyed.file.close()
        self._others.clear()

    def _files(self) -> Iterator[KeyedFile]:
        yield self._own
        for path in self._beside(self._path):
            if path not in self._others:
                self._others[path] = self._open(path)
            yield self._others[path]
