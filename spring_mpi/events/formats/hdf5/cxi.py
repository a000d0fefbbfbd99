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

from ...event import Exclusion, run_in_name
from ...gain_stages import RawForm, coded_form, undecodable
from ...left_out import LeftOut
from ..reader import Empty, Extent, Facts, Frame, PidDatasets, Scan
from .axes import Axes, axes_of
from .contents import is_frames
from .file import Hdf5File
from .frames import holes_told, modules_of
from .limits import OwnLimit, limited, own_limits
from .masks import OwnMask, excluded_by_bits, groups_on_the_way, own_masks
from .nxdetector import text_of
from .opening import is_file_of, is_hdf5, open_file
from .scanning import AXES, PidColumns, Pids, find_frames, lengths_of, named_pids, scan_of, unnamed
from .stored import union

_VERSION = "cxi_version"
_LAYOUT = ("/entry_1/data_1/data", "/entry_1/image_1/data", "/entry_1/instrument_1/detector_1/data")
"""Names that no other format has; programs that write them may leave out the version."""
_MACHINE_TIME = ("/LCLS/machineTime", "/LCLS/machineTimeNanoSeconds", "/LCLS/fiducial")
_TRAIN_AND_PULSE = ("/entry_1/trainId", "/entry_1/pulseId")


class CxiReader:
    """HDF5 with known names: frames in ``/entry_1/data_1/data`` or the like.

    A stack with four axes holds the modules of a detector: (events, modules, rows, columns).
    """

    needs_file = True
    facts = Facts(Extent.FILE)

    def sniff(self, path: str) -> bool:
        """Whether the file is HDF5, and is named ``.cxi`` or holds what only CXI has."""
        if not is_hdf5(path):
            return False
        return path.lower().endswith(".cxi") or is_file_of(path, _is_cxi)

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Shape of the frames, and the pids: those named, or the file's own if it has any.

        Raises
        ------
        SourceError
            As of `Hdf5Reader.scan`, and where a mask of the file does not fit its frames.
        """
        with open_file(source) as file:
            scan = _scan(file, dataset, _pids(file, pid))
            return replace(scan, left_out=tuple(_left_out(file, scan)))

    def scan_growing(
        self, source: str, *, dataset: str | None, pid: PidDatasets, beside: Sequence[str]
    ) -> Scan:
        """As `scan`, of a file that is still written; see `GrowingReader`."""
        with open_file(source) as file:
            pids = _pids(file, pid)
            lengths = lengths_of(file, pids, beside)
            scan = _scan(file, dataset, pids, lengths)
            # What a file that is still written leaves out is not known yet.
            return scan if lengths else replace(scan, left_out=tuple(_left_out(file, scan)))

    def open(self, source: str) -> CxiHandle:
        """The file, ready for reading single rows."""
        return CxiHandle(source)


def _scan(
    file: h5py.File, dataset: str | None, pid: PidColumns, lengths: Sequence[int] = ()
) -> Scan:
    name = dataset or _default_dataset(file)
    frames = find_frames(file, name, *AXES)
    scan = scan_of(file, name, axes_of(frames), pid, lengths)
    _layout(file, name, frames)
    return scan


def _default_dataset(file: h5py.File) -> str:
    """The first known name that holds a stack of frames, or else a single frame."""
    for axes in ((3, 4), (2,)):
        for name in _known_names(file):
            if is_frames(file.get(name), *axes):
                return name
    return unnamed(file)


def _left_out(file: h5py.File, scan: Scan) -> Iterator[LeftOut]:
    """Frames of other entries; of other detectors in the same one those beyond its events."""
    seen = [file[scan.dataset]]
    for name in _known_names(file):
        frames = file.get(name)
        if not is_frames(frames, *AXES) or frames in seen:
            continue
        seen.append(frames)
        count = axes_of(frames).shape(frames.shape)[0]
        is_beside = name.split("/")[1] == scan.dataset.strip("/").split("/")[0]
        if extra := max(count - scan.shape[0] * is_beside, 0):
            yield LeftOut(extra, (name,))


def _pids(file: h5py.File, pid: PidDatasets) -> PidColumns:
    """Those that are named; without names the file's own, if it has any.

    These are (run, seconds << 32 | nanoseconds, fiducial) or (run, train, pulse); who names their
    datasets asks for the plain values.
    """
    run = run_in_name(file.filename)
    if not pid and all(name in file for name in _MACHINE_TIME):

        def timed(columns: Sequence[Pids]) -> Pids:
            seconds, nanoseconds, fiducial = columns
            time = seconds << 32 | nanoseconds
            return np.stack((np.full_like(time, run), time, fiducial), axis=1)

        return PidColumns(_MACHINE_TIME, ("run", "time", "fiducial"), timed)
    if not pid and all(name in file for name in _TRAIN_AND_PULSE):

        def numbered(columns: Sequence[Pids]) -> Pids:
            return np.stack((np.full_like(columns[0], run), *columns), axis=1)

        return PidColumns(_TRAIN_AND_PULSE, ("run", "train", "pulse"), numbered)
    return named_pids(pid)


class CxiHandle:
    """An open CXI file."""

    def __init__(self, path: str) -> None:
        self._file = Hdf5File(path)
        self._layouts: dict[str, _Layout] = {}
        self._excluding: dict[str, NDArray[np.bool_]] = {}
        """By masks that are the same for all events."""

    def event(self, dataset: str, row: int) -> Frame:
        """The frame in that row, and what comes with it."""
        return self.events(dataset, (row,))[0]

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

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The row's values of a dataset, or all of it where it is the same for all events."""
        return self._file.field(dataset, row)

    def check(self, dataset: str) -> None:
        """See `LinkingHandle`."""
        self._file.check(dataset)

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _read(
        self, dataset: str, axes: Axes, rows: Sequence[int], empty: Empty
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
        """The frames, and their pixels without a value."""
        if axes.is_plain:
            frames = self._file.frames(dataset, rows, empty)
            yield from zip(frames, self._file.holes(dataset, rows), strict=True)
        else:
            for row in rows:
                values = self._file.dataset(dataset)
                yield axes.one(values, row), axes.hole(values, row)

    def _excluded(self, mask: OwnMask, rows: Sequence[int]) -> Sequence[NDArray[np.bool_]]:
        """For each of the rows what a mask excludes."""
        self._file.name(mask.origin, mask.dataset)
        if mask.axes.is_plain:
            return [excluded_by_bits(bits) for bits in self._file.many(mask.origin, rows)]
        if mask.axes.events is not None:
            return [excluded_by_bits(mask.axes.one(mask.dataset, row)) for row in rows]
        if mask.origin not in self._excluding:
            values = mask.axes.turned(self._file.whole(mask.origin).reshape(mask.extents))
            self._excluding[mask.origin] = excluded_by_bits(values)
        return [self._excluding[mask.origin]] * len(rows)

    def _layout(self, dataset: str) -> _Layout:
        if dataset not in self._layouts:
            frames = self._file.dataset(dataset)
            self._layouts[dataset] = _layout(self._file.root, dataset, frames)
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
    axes = axes_of(frames)
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
    known = [item for item in beside if isinstance(item, h5py.Dataset)]
    if any(item.shape == frames.shape for item in known):
        return undecodable(
            "its integers have a gain beside them, which says in which stage a pixel was and is "
            "not decoded"
        )
    names = " ".join(
        [frames.name or "", *(text_of(item) for item in known if item.dtype.kind in "OS")]
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
