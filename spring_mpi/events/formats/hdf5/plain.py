"""Events in datasets of an HDF5 file, under any names, with masks and limits as NeXus has them.

Names without a meaning of their own, such as ``mask``, are left to the config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ...event import Exclusion
from ..reader import Empty, Extent, Facts, Frame, PidDatasets, Scan
from .axes import usual_axes
from .file import Hdf5File
from .frames import frames_of_file
from .limits import OwnLimit, limited, own_limits
from .masks import groups_on_the_way
from .nxdetector import PixelMask, fitted, masks_beside
from .opening import is_hdf5, open_file
from .scanning import AXES, PidColumns, find_frames, lengths_of, named_pids, scan_of, unnamed
from .stored import union

_OWNER = "the file's"


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
        self._beside: dict[str, _Beside] = {}

    def event(self, dataset: str, row: int) -> Frame:
        """The frame in that row, and what comes with it."""
        return self.events(dataset, (row,))[0]

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames in those rows; see `BatchHandle`."""
        if dataset not in self._beside:
            self._beside[dataset] = _beside(self._file.root, dataset, self._file.dataset(dataset))
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


@dataclass(frozen=True, eq=False)
class _Beside:
    """What belongs to a dataset of frames."""

    masks: tuple[PixelMask, ...]
    limits: tuple[OwnLimit, ...]
    others: tuple[Exclusion, ...]
    """Masks that do not fit."""

    def applied(self, frame: Frame, row: int) -> Frame:
        """The frame of that number with what the masks and limits exclude."""
        frame = limited(frame, self.limits, _OWNER)
        bad = [mask.excluded(row).reshape(frame.data.shape) for mask in self.masks]
        told = (
            Exclusion(f"{_OWNER} {mask.name}", int(excluded.sum()))
            for mask, excluded in zip(self.masks, bad, strict=True)
        )
        exclusions = (*frame.exclusions, *told, *self.others)
        return frame._replace(mask=union(frame.mask, *bad), exclusions=exclusions)


def _beside(file: h5py.File, path: str, frames: h5py.Dataset) -> _Beside:
    """What lies in the groups of a dataset of frames, and of the links that lead to it."""
    groups = list(groups_on_the_way(file, path, ()))
    # The first of a detector: its others are copies.
    masks = {mask.name: mask for group in groups for mask in list(masks_beside(group))[:1]}
    found = {name: _of_frames(mask, frames) for name, mask in masks.items()}
    others = (
        Exclusion(
            f"{_OWNER} {name}", 0,
            f"it is not used: its shape {masks[name].shape} does not fit frames {frames.shape}",
        )
        for name, mask in found.items() if mask is None
    )  # fmt: skip
    used = tuple(mask for mask in found.values() if mask is not None)
    return _Beside(used, tuple(own_limits(groups, frames.dtype)), tuple(others))


def _of_frames(mask: h5py.Dataset, frames: h5py.Dataset) -> PixelMask | None:
    shape = frames.shape if frames.ndim > 2 else (1, *frames.shape)
    # With one energy threshold frames have an axis more than their mask.
    is_single = len(shape) == 4 and shape[1] == 1 and mask.ndim < 4
    return fitted(mask, (shape[0], *shape[2:]) if is_single else shape)
