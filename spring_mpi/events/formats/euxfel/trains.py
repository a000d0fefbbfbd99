"""The list of trains of a European XFEL file, and which rows each of its sources has of them."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from ..hdf5.channels import row_numbers
from ..hdf5.contents import find_dataset
from ..hdf5.joined import Keys, run_in_path
from ..reader import DAMAGED

PID_NAMES = ("run", "train", "pulse")
PLACE_BITS = 16
"""Low bits of a row: the frame's place in its train, which is in the bits above."""
_LARGEST_TRAIN = 2**46


@dataclass(frozen=True)
class Ranges:
    """The rows of a source for each train of the file's list."""

    first: NDArray[np.int64]
    count: NDArray[np.int64]


def trains_of(file: h5py.File) -> NDArray[np.int64]:
    """The list of trains, 0 where there is none."""
    trains = row_numbers(find_dataset(file, "INDEX/trainId"))
    return np.where(trains < _LARGEST_TRAIN, trains, 0)


def ranges_of(file: h5py.File, dataset: str) -> Ranges | None:
    """The rows of a dataset's source; None where ``INDEX`` says nothing of it.

    Raises
    ------
    ValueError
        If they cannot be.
    """
    index = _index(file, dataset)
    if index is None:
        return None
    columns = {
        key: row_numbers(find_dataset(file, f"{index.name}/{key}"))
        for key in ("first", "count", "last", "status") if key in index
    }  # fmt: skip
    first = columns["first"]
    count = columns.get("count")
    if count is None:
        # Files of 2017 tell the last row, and whether there is any.
        count = (columns["last"] - first + 1) * (columns["status"] != 0)
    if len(first) != len(count) or (first < 0).any() or (count < 0).any():
        raise ValueError(f"{index.name} has impossible rows; it is damaged")
    return Ranges(first, count)


def _index(file: h5py.File, dataset: str) -> h5py.Group | None:
    """The index of a dataset's source, whose name is some first part of the dataset's path."""
    parts = dataset.strip("/").split("/")[1:]
    for stop in range(len(parts) - 1, 0, -1):
        group = file.get(f"INDEX/{'/'.join(parts[:stop])}")
        if isinstance(group, h5py.Group) and isinstance(group.get("first"), h5py.Dataset):
            return group
    return None


def flags_of(file: h5py.File, trains: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is wrong with each train."""
    bad = Keys.of(trains).repeated()
    clock = file.get("INDEX/flag")
    if isinstance(clock, h5py.Dataset):
        # In version 1.1 it is the number of the clock, of which the first is the right one.
        said = row_numbers(clock)[: len(trains)] != 0
        bad[: len(said)] |= said if _version(file) == "1.1" else ~said
    return np.where(bad, DAMAGED, 0)


def _version(file: h5py.File) -> str:
    said = file.get("METADATA/dataFormatVersion")
    text = said[0] if isinstance(said, h5py.Dataset) and said.ndim == 1 and said.size else b""
    return text.decode(errors="replace") if isinstance(text, bytes) else ""


def run_of(file: h5py.File) -> int:
    """The run that the file tells, else that of its path; `run_in_path`."""
    said = file.get("METADATA/runNumber")
    if isinstance(said, h5py.Dataset) and said.size == 1:
        return int(row_numbers(said, 1)[0])
    return run_in_path(file.filename)
