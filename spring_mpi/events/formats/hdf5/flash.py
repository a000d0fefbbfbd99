"""Events of FLASH: channels with train ids, in the HDF5 layouts since and before 2021.

Since 2021 every channel is a group with ``value``, often ``time``, and ``index``, the train ids of
their rows; the tree ``zraw`` repeats them under the names of the data acquisition. Before, all
datasets had the rows of one global list, the third column of ``/Timing/time stamp/USER``, and were
filled with NaN or 0 where a train had no value (DESY, The FLASH HDF5 structure).
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from .channels import ChannelReader, as_integers, row_numbers
from .contents import all_datasets, is_frames
from .opening import is_file_of
from .sizes import read_all

_STAMPS = "/Timing/time stamp"
_TRAIN_COLUMN = 2
_TREES = ("zraw", "FL0", "FL1", "FL2", _STAMPS)


class FlashReader(ChannelReader):
    """Frames of one channel; the pid is (run, train)."""

    pid_names = ("run", "train")

    def sniff(self, path: str) -> bool:
        """Whether the file has one of the trees of FLASH."""
        return is_file_of(path, lambda file: any(tree in file for tree in _TREES))

    def frames(self, file: h5py.File) -> list[str]:
        """The images that have train ids, ``zraw`` left out."""
        images = (name for name, item in all_datasets(file).items() if is_frames(item, 3))
        return [
            name for name in images
            if not name.startswith("/zraw/") and self.keys(file, name) is not None
        ]  # fmt: skip

    def keys(self, file: h5py.File, dataset: str) -> NDArray[np.int64] | None:
        """The train ids beside a dataset, or else those of the whole file."""
        shape = file[dataset].shape
        if not shape:
            return None
        group, _, name = dataset.rpartition("/")
        index = file.get(f"{group}/index")
        if isinstance(index, h5py.Dataset) and (name == "value" or index.shape == shape[:1]):
            return row_numbers(index, shape[0])
        return next(_global_trains(file, shape[0]), None)

    def flags(self, file: h5py.File, dataset: str) -> NDArray[np.uint32]:
        """None: the format says nothing of its rows."""
        return np.zeros(len(file[dataset]), dtype=np.uint32)

    def raw(self, file: h5py.File, dataset: str) -> None:
        """None: the format says nothing of it."""

    def refuse(self, dataset: str, frame: NDArray[Any]) -> None:
        """`ValueError` where NaN stand for a frame that the train does not have."""
        if frame.dtype.kind == "f" and np.isnan(frame).all():
            raise ValueError(f"{dataset} is filled with NaN here: the train has no frame")

    def beside(self, path: str) -> list[str]:
        """The files of the other data acquisitions in the same run, by ``run34567`` in names."""
        run = re.search(r"run\d+", os.path.basename(path))
        folder = glob.escape(os.path.dirname(path))
        return [
            other for other in sorted(glob.glob(f"{folder}/*{run[0]}[!0-9]*.h5") if run else [])
            if other != path
        ]  # fmt: skip


def _global_trains(file: h5py.File, count: int) -> Iterator[NDArray[np.int64]]:
    """The list of train ids that has as many rows as a dataset."""
    stamps = file.get(_STAMPS)
    for name in sorted(stamps) if isinstance(stamps, h5py.Group) else []:
        table = stamps.get(name)
        if isinstance(table, h5py.Dataset) and table.shape == (count, _TRAIN_COLUMN + 1):
            yield as_integers(read_all(table)[:, _TRAIN_COLUMN])
