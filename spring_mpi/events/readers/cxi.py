"""Events in CXI files, with the shot identities that Cheetah adds to them."""

from __future__ import annotations

from collections.abc import Iterator

import h5py
import numpy as np
from numpy.typing import NDArray

from ..source import run_in_name
from . import PidDatasets
from .hdf5 import Hdf5Reader, integers, is_frames

_SECONDS, _NANOSECONDS, _FIDUCIAL = (
    f"/LCLS/{name}" for name in ("machineTime", "machineTimeNanoSeconds", "fiducial")
)


class CxiReader(Hdf5Reader):
    """HDF5 with known names: frames in ``/entry_1/data_1/data`` or the like."""

    def sniff(self, path: str) -> bool:
        """Whether the file is HDF5 and its name ends in ``.cxi``."""
        return path.lower().endswith(".cxi") and super().sniff(path)

    def default_dataset(self, file: h5py.File) -> str:
        """The first known name that holds a stack of frames, or else a single frame."""
        for axes in (3, 2):
            for name in _known_names(file):
                if is_frames(file.get(name), axes):
                    return name
        return super().default_dataset(file)

    def pids(
        self, file: h5py.File, pid: PidDatasets, count: int
    ) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
        """As for HDF5; without ``pid`` (run, seconds << 32 | nanoseconds, fiducial) if it has."""
        if pid or not all(name in file for name in (_SECONDS, _NANOSECONDS, _FIDUCIAL)):
            return super().pids(file, pid, count)
        time = integers(file, _SECONDS, count) << 32 | integers(file, _NANOSECONDS, count)
        run = np.full(count, run_in_name(file.filename), dtype=np.int64)
        columns = (run, time, integers(file, _FIDUCIAL, count))
        return ("run", "time", "fiducial"), np.stack(columns, axis=1)


def _known_names(file: h5py.File) -> Iterator[str]:
    yield "/entry_1/data_1/data"
    for entry in sorted(name for name in file if name.startswith("entry_")):
        for group in sorted(file[entry]):
            if group.startswith(("data_", "image_")):
                yield f"/{entry}/{group}/data"
        yield f"/{entry}/instrument_1/detector_1/data"
