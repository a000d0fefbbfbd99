"""Events in datasets of an HDF5 file, under any names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...gain_stages import coded_form
from ...source import Exclusion
from ..fields import has_rows, row_for
from ..pids import whole_numbers
from ..reader import INCOMPLETE, Empty, Extent, Facts, Frame, PidDatasets, Scan
from .axes import Axes, usual_axes
from .beside import Beside, beside
from .contents import candidates, find_dataset, is_frames
from .faults import missing_filter
from .opening import is_hdf5, open_file
from .rows import Rows, check_size, read_all, row_reader
from .stored import lacking_along, refuse_missing, unwritten
from .virtual import VirtualParts

_log = logging.getLogger(__name__)


class Hdf5Reader:
    """Frames in a dataset (events, rows, columns), or (rows, columns) for a single event."""

    needs_file = True
    facts = Facts(Extent.FILE)
    axes: tuple[int, ...] = (2, 3, 4)
    """Numbers of axes that a dataset of frames may have; with four of them the second numbers the
    modules of a detector."""

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
            return self._scan(file, dataset, self.pid_datasets(file, pid))

    def scan_growing(
        self, source: str, *, dataset: str | None, pid: PidDatasets, beside: Sequence[str]
    ) -> Scan:
        """As `scan`, of a file that is still written; see `GrowingReader`."""
        with open_file(source) as file:
            pids = self.pid_datasets(file, pid)
            others = [find_dataset(file, name) for name in beside]
            return self._scan(
                file,
                dataset,
                pids,
                *(find_dataset(file, name).size for name in pids),
                *(other.shape[0] for other in others if has_rows(other.shape)),
            )

    def open(self, source: str) -> Hdf5Handle:
        """The file, ready for reading single rows."""
        return Hdf5Handle(source)

    def default_dataset(self, file: h5py.File) -> str:
        """The dataset of the frames where none is named; `SourceError` if that is unknown."""
        raise SourceError(
            f"{file.filename}: name the dataset of the frames (dataset); {candidates(file)}"
        )

    def axes_of(self, frames: h5py.Dataset) -> Axes:
        """What the axes of a dataset of frames number."""
        return usual_axes(frames.ndim)

    def pid_datasets(self, file: h5py.File, pid: PidDatasets) -> tuple[str, ...]:
        """The datasets of the pid's numbers: those named, or the format's own; maybe none."""
        return (pid,) if isinstance(pid, str) else tuple(pid or ())

    def pids(
        self, file: h5py.File, datasets: Sequence[str], columns: Sequence[NDArray[np.int64]]
    ) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
        """Names of the pid's numbers, and the pids (events, numbers), of datasets' values."""
        if not datasets:
            return (), None
        return tuple(path.rsplit("/", 1)[-1] for path in datasets), np.stack(columns, axis=1)

    def _scan(
        self, file: h5py.File, dataset: str | None, pid: Sequence[str], *lengths: int
    ) -> Scan:
        """The scan of a file whose other datasets hold so many events, where that may differ."""
        name = dataset or self.default_dataset(file)
        frames = find_frames(file, name, *self.axes)
        axes = self.axes_of(frames)
        shape = axes.shape(frames.shape)
        _tell_of_matlab(frames)
        count = min((shape[0], *lengths))
        flags = incomplete(frames, count, axes.events)
        if lengths:
            # What was not written yet is no event yet.
            complete = np.flatnonzero(flags == 0)
            count = int(complete[-1]) + 1 if len(complete) else 0
        columns = [integers(file, path, count, may_be_longer=bool(lengths)) for path in pid]
        names, pids = self.pids(file, pid, columns)
        shape = (count, *shape[1:])
        told = flags[:count] if flags[:count].any() else None
        return Scan(name, pids, names, shape, str(frames.dtype), flags=told)


class Hdf5Handle:
    """An open HDF5 file."""

    def __init__(self, path: str) -> None:
        self._file = open_file(path)
        # Looking a dataset up costs more than reading a row of it.
        self._datasets: dict[str, h5py.Dataset] = {}
        self._rows: dict[str, Rows] = {}
        self._shared: dict[str, NDArray[Any]] = {}
        self._beside: dict[str, Beside] = {}

    def event(self, dataset: str, row: int) -> Frame:
        """The frame in that row, and what comes with it."""
        return self.events(dataset, (row,))[0]

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames in those rows; see `BatchHandle`."""
        if dataset not in self._beside:
            self._beside[dataset] = beside(self._file, dataset, self._dataset(dataset))
        frames = self.frames(dataset, rows, empty)
        return [
            self._beside[dataset].applied(frame, row)
            for frame, row in zip(frames, rows, strict=True)
        ]

    def frames(self, dataset: str, rows: Sequence[int], empty: Empty) -> list[Frame]:
        """The frames in those rows without what lies beside them."""
        frames = self._frames(dataset, rows, empty)
        raw = coded_form(dataset, self._dataset(dataset).dtype)
        return [
            Frame(data, hole, info=modules_of(data), exclusions=holes_told(hole), raw=raw)
            for data, hole in zip(frames, self._holes(dataset, rows), strict=True)
        ]

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The row's values of a dataset, or all of it where it is the same for all events."""
        place = row_for(self._dataset(dataset).shape, row)
        return self._all(dataset) if place is None else self._row(dataset, place)

    def check(self, dataset: str) -> None:
        """Raises `SourceError` if values of a dataset are in files that are missing."""
        refuse_missing(self._dataset(dataset))

    def close(self) -> None:
        """Release the file."""
        # Rows know its descriptor, which will be another file's.
        self._rows.clear()
        self._file.close()

    def _frames(self, name: str, rows: Sequence[int], empty: Empty) -> list[NDArray[Any]]:
        if name not in self._rows and self._dataset(name).ndim == 2:
            # What has two axes is a single frame.
            return [read_all(self._dataset(name)) for _ in rows]
        return self._many(name, rows, empty)

    def _row(self, name: str, row: int) -> NDArray[Any]:
        return self._many(name, (row,), np.empty)[0]

    def _many(
        self, name: str, rows: Sequence[int], empty: Empty, leading: int = 1
    ) -> list[NDArray[Any]]:
        if name not in self._rows:
            self._rows[name] = row_reader(self._dataset(name), leading)
        reader = self._rows[name]
        return reader.many(rows, empty) if len(rows) > 1 else [reader.one(row) for row in rows]

    def _holes(self, name: str, rows: Sequence[int]) -> list[NDArray[np.bool_] | None]:
        """For each of the rows that were read the pixels without a value; see `Rows.hole`."""
        if name in self._rows:
            return [self._rows[name].hole(row) for row in rows]
        whole = self._dataset(name)
        parts = VirtualParts(whole) if whole.is_virtual else None
        return [parts.hole(()) if parts else unwritten(whole, ()) for _ in rows]

    def _all(self, name: str) -> NDArray[Any]:
        """All values, which are the same for all events; read once."""
        if name not in self._shared:
            self._shared[name] = read_all(self._dataset(name))
            self._shared[name].flags.writeable = False
        return self._shared[name]

    def _dataset(self, name: str) -> h5py.Dataset:
        if name not in self._datasets:
            self._datasets[name] = find_dataset(self._file, name)
        return self._datasets[name]


def _tell_of_matlab(frames: h5py.Dataset) -> None:
    """A warning for arrays of MATLAB, whose axes are in the reverse order in the file."""
    if "MATLAB_class" in frames.attrs:
        _log.warning(
            "%s: %s is an array of MATLAB: what is (row, column, event) there is (event, column, "
            "row) in the file and here, so that rows are columns; give center, masks and other "
            "arrays as they are in the file", frames.file.filename, frames.name,
        )  # fmt: skip


def modules_of(data: NDArray[Any]) -> dict[str, Any]:
    """Of a stack: the numbers of its modules, as `stacking.joined` wants them."""
    return {"modules": tuple(range(len(data)))} if data.ndim == 3 else {}


def holes_told(hole: NDArray[np.bool_] | None) -> tuple[Exclusion, ...]:
    """What pixels without a value are called."""
    return () if hole is None else (Exclusion("what was never written", int(hole.sum())),)


def integers(
    file: h5py.File, name: str, count: int, *, may_be_longer: bool = False
) -> NDArray[np.int64]:
    """A dataset's values as int64, shape (count,); the first ones where it may be longer.

    Raises
    ------
    SourceError
        If it is missing, has another number of values, or values that are no 64-bit integers.
    """
    dataset = find_dataset(file, name)
    if dataset.size != count and not (may_be_longer and dataset.size > count):
        raise SourceError(
            f"{file.filename}: {name} has {dataset.size} values for {count} events; "
            "a pid dataset holds one number per event"
        )
    check_size(dataset, (dataset.size,), itemsize=8)
    try:
        return whole_numbers(read_all(dataset).reshape(dataset.size)[:count])
    except ValueError as fault:
        raise SourceError(f"{file.filename}: {name}: {fault}") from fault


def find_frames(file: h5py.File, name: str, *axes: int) -> h5py.Dataset:
    """The dataset of that name.

    Raises
    ------
    SourceError
        If it holds no frames with so many axes, or they are in files that are missing.
    ValueError
        If it claims more of them than can be numbered in memory.
    """
    found = find_dataset(file, name)
    if not is_frames(found, *axes):
        raise SourceError(
            f"{file.filename}: {name} is {found.shape} {found.dtype}; frames are numbers with the "
            f"axes (events, rows, columns); {candidates(file)}"
        )
    if reason := missing_filter(found):
        raise SourceError(f"{file.filename}: {reason}")
    check_size(found, found.shape[:1] if found.ndim > 2 else (), itemsize=8)
    refuse_missing(found)
    return found


def incomplete(frames: h5py.Dataset, count: int, axis: int | None = 0) -> NDArray[np.uint32]:
    """(count,): `INCOMPLETE` for events of which something was never written; see `lacking`.

    ``axis`` is the one that numbers the events; None: the dataset is one.
    """
    if frames.ndim == 2:
        return np.zeros(count, np.uint32)
    return np.where(lacking_along(frames, axis)[:count], INCOMPLETE, 0).astype(np.uint32)
