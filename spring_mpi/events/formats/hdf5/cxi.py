"""Events in CXI files, with the shot identities that Cheetah and EXtra-data add to them.

The format: F. R. N. C. Maia, The Coherent X-ray Imaging Data Bank, Nature Methods 9 (2012) 854,
version 1.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ...gain_stages import RawForm, coded_form, undecodable
from ...left_out import LeftOut
from ...source import Exclusion, run_in_name
from ..reader import Empty, Frame, PidDatasets, Scan
from .axes import Axes, said_axes, usual_axes
from .contents import is_frames
from .limits import OwnLimit, limited, own_limits
from .masks import OwnMask, excluded_by_bits, groups_on_the_way, own_masks
from .nxdetector import text_of
from .opening import is_file_of
from .plain import Hdf5Handle, Hdf5Reader, find_frames, holes_told, modules_of
from .stored import union

_VERSION = "cxi_version"
_LAYOUT = ("/entry_1/data_1/data", "/entry_1/image_1/data", "/entry_1/instrument_1/detector_1/data")
"""Names that no other format has; programs that write them may leave out the version."""
_MACHINE_TIME = ("/LCLS/machineTime", "/LCLS/machineTimeNanoSeconds", "/LCLS/fiducial")
_TRAIN_AND_PULSE = ("/entry_1/trainId", "/entry_1/pulseId")


class CxiReader(Hdf5Reader):
    """HDF5 with known names: frames in ``/entry_1/data_1/data`` or the like.

    A stack with four axes holds the modules of a detector: (events, modules, rows, columns).
    """

    def sniff(self, path: str) -> bool:
        """Whether the file is HDF5, and is named ``.cxi`` or holds what only CXI has."""
        if not super().sniff(path):
            return False
        return path.lower().endswith(".cxi") or is_file_of(path, _is_cxi)

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

    def axes_of(self, frames: h5py.Dataset) -> Axes:
        """What the attribute ``axes`` says, else the usual ones."""
        return said_axes(frames) or usual_axes(frames.ndim)

    def _scan(
        self, file: h5py.File, dataset: str | None, pid: Sequence[str], *lengths: int
    ) -> Scan:
        """As for HDF5; `SourceError`, too, where a mask of the file does not fit its frames."""
        scan = super()._scan(file, dataset, pid, *lengths)
        _layout(file, scan.dataset, find_frames(file, scan.dataset, *self.axes))
        # What a file that is still written leaves out is not known yet.
        return scan if lengths else replace(scan, left_out=tuple(self._left_out(file, scan)))

    def _left_out(self, file: h5py.File, scan: Scan) -> Iterator[LeftOut]:
        """Frames of other entries; of other detectors in the same one those beyond its events."""
        seen = [file[scan.dataset]]
        for name in _known_names(file):
            frames = file.get(name)
            if not is_frames(frames, *self.axes) or frames in seen:
                continue
            seen.append(frames)
            count = self.axes_of(frames).shape(frames.shape)[0]
            is_beside = name.split("/")[1] == scan.dataset.strip("/").split("/")[0]
            if extra := max(count - scan.shape[0] * is_beside, 0):
                yield LeftOut(extra, (name,))

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
        self._layouts: dict[str, _Layout] = {}
        self._excluding: dict[str, NDArray[np.bool_]] = {}
        """By masks that are the same for all events."""

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames, and the masks of the file, each for all events or with one for each."""
        layout = self._layout(dataset)
        masks = [self._excluded(mask, rows) for mask in layout.masks]
        return [
            limited(
                _frame(layout, data, [mask[place] for mask in masks], hole),
                layout.limits,
                "the file's",
            )
            for place, (data, hole) in enumerate(self._read(dataset, layout.axes, rows, empty))
        ]

    def _read(
        self, dataset: str, axes: Axes, rows: Sequence[int], empty: Empty
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
        """The frames, and their pixels without a value."""
        if axes.is_plain:
            frames = self._frames(dataset, rows, empty)
            yield from zip(frames, self._holes(dataset, rows), strict=True)
        else:
            for row in rows:
                frames = self._dataset(dataset)
                yield axes.one(frames, row), axes.hole(frames, row)

    def _excluded(self, mask: OwnMask, rows: Sequence[int]) -> Sequence[NDArray[np.bool_]]:
        """For each of the rows what a mask excludes."""
        self._datasets[mask.origin] = mask.dataset
        if mask.axes.is_plain:
            return [excluded_by_bits(bits) for bits in self._many(mask.origin, rows, np.empty)]
        if mask.axes.events is not None:
            return [excluded_by_bits(mask.axes.one(mask.dataset, row)) for row in rows]
        if mask.origin not in self._excluding:
            values = mask.axes.turned(self._all(mask.origin).reshape(mask.extents))
            self._excluding[mask.origin] = excluded_by_bits(values)
        return [self._excluding[mask.origin]] * len(rows)

    def _layout(self, dataset: str) -> _Layout:
        if dataset not in self._layouts:
            self._layouts[dataset] = _layout(self._file, dataset, self._dataset(dataset))
        return self._layouts[dataset]


@dataclass(frozen=True, eq=False)
class _Layout:
    """What belongs to a dataset of frames."""

    axes: Axes
    masks: tuple[OwnMask, ...]
    limits: tuple[OwnLimit, ...]
    raw: RawForm | None
    """What is known of the values, if nobody has corrected them."""


def _layout(file: h5py.File, path: str, frames: h5py.Dataset) -> _Layout:
    axes = said_axes(frames) or usual_axes(frames.ndim)
    names = [name for name in _known_names(frames.file) if frames.file.get(name) == frames]
    ways = [*groups_on_the_way(file, path, _known_names(file))]
    ways += groups_on_the_way(frames.file, names[0], names) if names else []
    masks = tuple(own_masks(frames, axes, ways))
    limits = tuple(own_limits(ways, frames.dtype))
    return _Layout(axes, masks, limits, None if masks else _raw_form(frames, ways))


def _raw_form(frames: h5py.Dataset, ways: Sequence[h5py.Group]) -> RawForm | None:
    """That of integers of a detector with gain bits, or with a gain of their shape beside them."""
    if frames.dtype != np.uint16:
        return None
    beside = [group.get(name) for group in ways for name in ("gain", "description", "name")]
    known = [one for one in beside if isinstance(one, h5py.Dataset)]
    if any(one.shape == frames.shape for one in known):
        return undecodable(
            "its integers have a gain beside them, which says in which stage a pixel was and is "
            "not decoded"
        )
    names = " ".join(
        [frames.name or "", *(text_of(one) for one in known if one.dtype.kind in "OS")]
    )
    return coded_form(names, frames.dtype)


def _frame(
    layout: _Layout,
    data: NDArray[Any],
    masks: Sequence[NDArray[np.bool_]],
    hole: NDArray[np.bool_] | None,
) -> Frame:
    told = (
        Exclusion(f"the file's {mask.origin}", int(excluded.sum()))
        for mask, excluded in zip(layout.masks, masks, strict=True)
    )
    # A mask for all events is kept; who gets the frame may change its own.
    whole = union(*masks, hole)
    return Frame(
        data,
        None if whole is None else whole.copy(),
        info=modules_of(data),
        exclusions=(*told, *holes_told(hole)),
        raw=layout.raw,
    )


def _is_cxi(file: h5py.File) -> bool:
    return _VERSION in file or any(isinstance(file.get(name), h5py.Dataset) for name in _LAYOUT)


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
