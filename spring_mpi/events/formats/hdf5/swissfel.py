"""Events of SwissFEL: channels with pulse ids, as bsread, cameras and Jungfrau detectors write.

The layouts ``/data/CHANNEL/{data,pulse_id,is_data_present}`` (bsread),
``/CHANNEL/{data,pulse_id}`` (cameras) and ``/data/DETECTOR/{data,pulse_id,is_good_frame}``
(Jungfrau, whose pulse ids have two axes), as the packages sf_datafiles and jungfrau_utils of the
Paul Scherrer Institute read them.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ...gain_stages import RawForm, coded_form
from ..reader import DAMAGED, INCOMPLETE
from .channels import ChannelReader, row_numbers
from .contents import is_frames
from .opening import is_file_of

_FLAGS = {"is_good_frame": DAMAGED, "is_data_present": INCOMPLETE}
"""What a 0 in a channel's dataset says of the frame."""


class SwissfelReader(ChannelReader):
    """Frames of one channel; the pid is (run, pulse)."""

    pid_names = ("run", "pulse")

    def sniff(self, path: str) -> bool:
        """Whether a group of the file holds data and their pulse ids."""
        return is_file_of(path, lambda file: next(_channels(file), None) is not None)

    def frames(self, file: h5py.File) -> list[str]:
        """The data of the channels that hold images."""
        return [f"{name}/data" for name in _channels(file) if is_frames(file[f"{name}/data"], 3)]

    def keys(self, file: h5py.File, dataset: str) -> NDArray[np.int64] | None:
        """The pulse ids beside a dataset with as many rows."""
        ids, rows = file.get(f"{os.path.dirname(dataset)}/pulse_id"), file[dataset].shape
        if not isinstance(ids, h5py.Dataset) or not rows or ids.size != rows[0]:
            return None
        return row_numbers(ids, rows[0])

    def flags(self, file: h5py.File, dataset: str) -> NDArray[np.uint32]:
        """`DAMAGED` for frames that are not good, `INCOMPLETE` where data are absent."""
        count = len(file[dataset])
        flags = np.zeros(count, dtype=np.uint32)
        for name, flag in _FLAGS.items():
            said = file.get(f"{os.path.dirname(dataset)}/{name}")
            if isinstance(said, h5py.Dataset):
                flags |= np.where(row_numbers(said, count) == 0, flag, 0).astype(np.uint32)
        return flags

    def raw(self, file: h5py.File, dataset: str) -> RawForm | None:
        """That of Jungfrau detectors (``JF07T32V01``) as recorded: unsigned 16-bit integers."""
        return coded_form(dataset, file[dataset].dtype)

    def refuse(self, dataset: str, frame: NDArray[Any]) -> None:
        """Nothing: absent data are flagged."""

    def beside(self, path: str) -> list[str]:
        """The files of the same acquisition, ``acq0001.BSDATA.h5`` for ``acq0001.JF06.h5``."""
        stem = glob.escape(os.path.join(os.path.dirname(path), _acquisition(path)))
        return [other for other in sorted(glob.glob(f"{stem}.*.h5")) if other != path]


def _acquisition(path: str) -> str:
    return os.path.basename(path).partition(".")[0]


def _channels(file: h5py.File) -> Iterator[str]:
    top = "/data" if isinstance(file.get("data"), h5py.Group) else ""
    for name in file[top or "/"]:
        path = f"{top}/{name}"
        parts = (file.get(f"{path}/{part}") for part in ("data", "pulse_id"))
        if all(isinstance(part, h5py.Dataset) for part in parts):
            yield path
