"""Events in datasets of an HDF5 file, under any names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..reader import Empty, Extent, Facts, Frame, PidDatasets, Scan
from .axes import usual_axes
from .beside import Beside, beside
from .file import Hdf5File
from .frames import frames_of_file
from .opening import is_hdf5, open_file
from .scanning import AXES, PidColumns, find_frames, lengths_of, named_pids, scan_of, unnamed


class Hdf5Reader:
    """Frames in a dataset (events, rows, columns), or (rows, columns) for a single event.

    With four axes the second one numbers the modules of a detector.
    """

    needs_file = True
    facts = Facts(Extent.FILE)

    def sniff(self, path: str) -> bool:
        """Whether the file begins as HDF5 files do; see `is_hdf5`."""
        return is_hdf5(path)

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Shape of the frames and the pids, which are datasets with one integer per event.

        Raises
        ------
        SourceError
            If a dataset is missing, or its shape or type cannot be.
        """
        with open_file(source) as file:
            return _scan(file, dataset, named_pids(pid))

    def scan_growing(
        self, source: str, *, dataset: str | None, pid: PidDatasets, beside: Sequence[str]
    ) -> Scan:
        """As `scan`, of a file that is still written; see `GrowingReader`."""
        pids = named_pids(pid)
        with open_file(source) as file:
            return _scan(file, dataset, pids, lengths_of(file, pids, beside))

    def open(self, source: str) -> Hdf5Handle:
        """The file, ready for reading single rows."""
        return Hdf5Handle(source)


def _scan(
    file: h5py.File, dataset: str | None, pid: PidColumns, lengths: Sequence[int] = ()
) -> Scan:
    name = dataset or unnamed(file)
    frames = find_frames(file, name, *AXES)
    return scan_of(file, name, usual_axes(frames.ndim), pid, lengths)


class Hdf5Handle:
    """An open HDF5 file."""

    def __init__(self, path: str) -> None:
        self._file = Hdf5File(path)
        self._beside: dict[str, Beside] = {}

    def event(self, dataset: str, row: int) -> Frame:
        """The frame in that row, and what comes with it."""
        return self.events(dataset, (row,))[0]

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames in those rows; see `BatchHandle`."""
        if dataset not in self._beside:
            self._beside[dataset] = beside(self._file.root, dataset, self._file.dataset(dataset))
        frames = frames_of_file(self._file, dataset, rows, empty)
        return [
            self._beside[dataset].applied(frame, row)
            for frame, row in zip(frames, rows, strict=True)
        ]

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The row's values of a dataset, or all of it where it is the same for all events."""
        return self._file.field(dataset, row)

    def check(self, dataset: str) -> None:
        """See `LinkingHandle`."""
        self._file.check(dataset)

    def close(self) -> None:
        """Release the file."""
        self._file.close()
