"""Events in CXI files, with the shot identities that Cheetah and EXtra-data add to them.

The format: F. R. N. C. Maia, The Coherent X-ray Imaging Data Bank, Nature Methods 9 (2012) 854,
version 1.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..source import run_in_name
from . import Empty, Frame, PidDatasets
from .hdf5 import Hdf5Handle, Hdf5Reader, is_frames
from .stored import union

_MACHINE_TIME = ("/LCLS/machineTime", "/LCLS/machineTimeNanoSeconds", "/LCLS/fiducial")
_TRAIN_AND_PULSE = ("/entry_1/trainId", "/entry_1/pulseId")

EXCLUDING_BITS = 1 | 2 | 4 | 8 | 16 | 64 | 128 | 512 | 1024 | 4096
"""Bits of a CXI mask that say a value is not to be trusted: invalid, saturated, hot, dead,
shadowed, to be ignored, bad, missing, noisy, failed correction.

The others exclude nothing: in the peak mask (32), out of resolution limits (256), artefact
corrected (2048), peak of the hit finder (8192) and background corrected (16384) say what a
program did with a value that is good.
"""


class CxiReader(Hdf5Reader):
    """HDF5 with known names: frames in ``/entry_1/data_1/data`` or the like.

    A stack with four axes holds the modules of a detector: (events, modules, rows, columns).
    """

    axes = (2, 3, 4)

    def sniff(self, path: str) -> bool:
        """Whether the file is HDF5 and its name ends in ``.cxi``."""
        return path.lower().endswith(".cxi") and super().sniff(path)

    def open(self, source: str) -> CxiHandle:
        """The file, ready for reading single rows."""
        return CxiHandle(source)

    def default_dataset(self, file: h5py.File) -> str:
        """The first known name that holds a stack of frames, or else a single frame."""
        for axes in ((3, 4), (2,)):
            for name in _known_names(file):
                if is_frames(file.get(name), *axes):
                    return name
        return super().default_dataset(file)

    def pid_datasets(self, file: h5py.File, pid: PidDatasets) -> tuple[str, ...]:
        """As for HDF5; without ``pid`` the file's own, if it has any."""
        for own in (_MACHINE_TIME, _TRAIN_AND_PULSE):
            if not pid and all(name in file for name in own):
                return own
        return super().pid_datasets(file, pid)

    def pids(
        self, file: h5py.File, datasets: Sequence[str], columns: Sequence[NDArray[np.int64]]
    ) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
        """As for HDF5; the file's own are (run, seconds << 32 | nanoseconds, fiducial) or
        (run, train, pulse).
        """
        # Who names these datasets asks for their plain values; a tuple of a user is another one.
        if datasets is not _MACHINE_TIME and datasets is not _TRAIN_AND_PULSE:
            return super().pids(file, datasets, columns)
        first, second, *more = columns
        run = np.full_like(first, run_in_name(file.filename))
        if more:
            times = (run, first << 32 | second, more[0])
            return ("run", "time", "fiducial"), np.stack(times, axis=1)
        return ("run", "train", "pulse"), np.stack((run, first, second), axis=1)


class CxiHandle(Hdf5Handle):
    """An open CXI file."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._beside = lru_cache(partial(_mask_beside, self._file))

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames, and the mask beside them, which holds for all events or has one for each."""
        frames, masks = self._frames(dataset, rows, empty), self._masks(dataset, rows)
        holes = self._holes(dataset, rows)
        return [
            Frame(data, mask, info={"modules": tuple(range(len(data)))} if data.ndim == 3 else {})
            for data, mask in zip(frames, map(union, masks, holes), strict=True)
        ]

    def _masks(
        self, dataset: str, rows: Sequence[int]
    ) -> Sequence[NDArray[np.bool_]] | Sequence[None]:
        name = self._beside(dataset)
        if not name:
            return [None] * len(rows)
        if self._dataset(name).ndim == self._dataset(dataset).ndim != 2:
            return [_excluded(bits) for bits in self._many(name, rows, np.empty)]
        mask = _excluded(self._all(name))
        return [mask.copy() for _ in rows]


def _excluded(bits: NDArray[Any]) -> NDArray[np.bool_]:
    if bits.dtype.kind not in "iu":
        return np.asarray(bits != 0)
    return np.asarray((bits.astype(np.int64) & EXCLUDING_BITS) != 0)


def _mask_beside(file: h5py.File, dataset: str) -> str:
    """The mask in the group of a dataset; empty where there is none."""
    name = f"{dataset.rpartition('/')[0]}/mask"
    return name if isinstance(file.get(name), h5py.Dataset) else ""


def _known_names(file: h5py.File) -> Iterator[str]:
    yield "/entry_1/data_1/data"
    for entry in _groups(file, "entry"):
        for group in _groups(file[entry], "data_", "image_"):
            yield f"/{entry}/{group}/data"
        for instrument in _groups(file[entry], "instrument"):
            for detector in _groups(file[entry][instrument], "detector"):
                yield f"/{entry}/{instrument}/{detector}/data"


def _groups(parent: h5py.Group, *starts: str) -> list[str]:
    names = sorted(name for name in parent if name.startswith(starts))
    return [name for name in names if isinstance(parent.get(name), h5py.Group)]
