"""Events in CXI files, with the shot identities that Cheetah adds to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

from ..source import run_in_name
from . import PidDatasets
from .hdf5 import Hdf5Reader, is_frames

_MACHINE_TIME = ("/LCLS/machineTime", "/LCLS/machineTimeNanoSeconds", "/LCLS/fiducial")


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

    def pid_datasets(self, file: h5py.File, pid: PidDatasets) -> tuple[str, ...]:
        """As for HDF5; without ``pid`` those of the machine time, if the file has them."""
        has_own = not pid and all(name in file for name in _MACHINE_TIME)
        return _MACHINE_TIME if has_own else super().pid_datasets(file, pid)

    def pids(
        self, file: h5py.File, datasets: Sequence[str], columns: Sequence[NDArray[np.int64]]
    ) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
        """As for HDF5; of machine times (run, seconds << 32 | nanoseconds, fiducial)."""
        # Who names these datasets asks for their plain values; a tuple of a user is another one.
        if datasets is not _MACHINE_TIME:
            return super().pids(file, datasets, columns)
        seconds, nanoseconds, fiducial = columns
        run = np.full_like(seconds, run_in_name(file.filename))
        pids = np.stack((run, seconds << 32 | nanoseconds, fiducial), axis=1)
        return ("run", "time", "fiducial"), pids


def _known_names(file: h5py.File) -> Iterator[str]:
    yield "/entry_1/data_1/data"
    for entry in sorted(name for name in file if name.startswith("entry_")):
        for group in sorted(file[entry]):
            if group.startswith(("data_", "image_")):
                yield f"/{entry}/{group}/data"
        yield f"/{entry}/instrument_1/detector_1/data"
