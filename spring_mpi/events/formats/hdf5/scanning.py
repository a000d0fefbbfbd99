"""What an index keeps of datasets with frames and pids in HDF5 files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..fields import has_rows
from ..pids import whole_numbers
from ..reader import INCOMPLETE, PidDatasets, Scan
from .axes import Axes
from .contents import candidates, find_dataset, is_frames
from .sizes import check_size, read_all, refuse_unknown_filter
from .stored import lacking_along, refuse_missing

AXES = (2, 3, 4)
"""Numbers of axes that a dataset of frames may have; with four of them the second numbers the
modules of a detector."""
Pids = NDArray[np.int64]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PidColumns:
    """Where the numbers of pids are, and what their values mean."""

    datasets: tuple[str, ...]
    """Each with one integer for each event; none: the events are counted."""
    names: tuple[str, ...]
    """One for each number of a pid."""
    joined: Callable[[Sequence[Pids]], Pids]
    """The pids (events, numbers) of the values (events,) of each dataset."""

    def read(
        self, file: h5py.File, count: int, *, may_be_longer: bool = False
    ) -> tuple[tuple[str, ...], Pids | None]:
        """Names and pids of so many events; errors and ``may_be_longer`` as of `integers`."""
        columns = [
            integers(file, name, count, may_be_longer=may_be_longer) for name in self.datasets
        ]
        return self.names, self.joined(columns) if columns else None


def named_pids(pid: PidDatasets) -> PidColumns:
    """Those of the datasets that a user names, whose plain values are the numbers."""
    datasets = (pid,) if isinstance(pid, str) else tuple(pid or ())
    names = tuple(path.rsplit("/", 1)[-1] for path in datasets)
    return PidColumns(datasets, names, lambda columns: np.stack(columns, axis=1))


def unnamed(file: h5py.File) -> str:
    """Raises `SourceError`: the name of the frames is needed; it lists those there are."""
    raise SourceError(
        f"{file.filename}: name the dataset of the frames (dataset); {candidates(file)}"
    )


def scan_of(
    file: h5py.File, name: str, axes: Axes, pid: PidColumns, lengths: Sequence[int] = ()
) -> Scan:
    """The scan of frames that were found, see `find_frames`.

    Parameters
    ----------
    lengths
        Of a file that is still written, for how many events its other datasets have something: an
        event counts when all have it; see `lengths_of`.

    Raises
    ------
    SourceError
        If a dataset is missing, or numbers of pids are no integers, or not one for each event.
    """
    frames = find_dataset(file, name)
    shape = axes.shape(frames.shape)
    _tell_of_matlab(frames)
    count = min((shape[0], *lengths))
    flags = incomplete(frames, count, axes.events)
    if lengths:
        # What was not written yet is no event yet.
        complete = np.flatnonzero(flags == 0)
        count = int(complete[-1]) + 1 if len(complete) else 0
    names, pids = pid.read(file, count, may_be_longer=bool(lengths))
    told = flags[:count] if flags[:count].any() else None
    return Scan(name, pids, names, (count, *shape[1:]), str(frames.dtype), flags=told)


def lengths_of(file: h5py.File, pid: PidColumns, beside: Sequence[str]) -> tuple[int, ...]:
    """For how many events the datasets of the pid, and those beside, have something."""
    others = [find_dataset(file, name) for name in beside]
    return (
        *(find_dataset(file, name).size for name in pid.datasets),
        *(other.shape[0] for other in others if has_rows(other.shape)),
    )


def _tell_of_matlab(frames: h5py.Dataset) -> None:
    """A warning for arrays of MATLAB, whose axes are in the reverse order in the file."""
    if "MATLAB_class" in frames.attrs:
        _log.warning(
            "%s: %s is an array of MATLAB: what is (row, column, event) there is (event, column, "
            "row) in the file and here, so that rows are columns; give center, masks and other "
            "arrays as they are in the file", frames.file.filename, frames.name,
        )  # fmt: skip


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
    refuse_unknown_filter(found)
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
