"""Events of the European XFEL: raw and corrected files of detector modules, and of cameras.

The format EXDF (European XFEL, EXtra-data: Data files format; versions 0.5 to 1.3). ``INDEX``
says for every train which rows a source has: ``first`` and ``count``, in files of 2017 ``first``,
``last`` and ``status``. Every detector module is in files of its own, as sequences S00000, ...

An event is found by train << 16 | its place among the frames of the train, in every file.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...gain_stages import RawForm
from ..hdf5.channels import choose, meant, row_numbers
from ..hdf5.contents import find_dataset, is_frames, readable_names
from ..hdf5.file import Hdf5File
from ..hdf5.joined import JoinedHandle, Keys, run_in_path
from ..hdf5.opening import is_file_of, open_file
from ..hdf5.scanning import find_frames, incomplete
from ..hdf5.sizes import check_size
from ..reader import DAMAGED, INCOMPLETE, Empty, Extent, Facts, Frame, PidDatasets, Scan
from .absent import absent
from .modules import module_of
from .parallel_gain import GAINS, of_gain, split_gain, stage_of
from .raw import WITHOUT_GAIN, module_frame, planes_of, raw_form, with_codes, with_gain

PID_NAMES = ("run", "train", "pulse")
PLACE_BITS = 16
"""Low bits of a row: the frame's place in its train, which is in the bits above."""
_LARGEST_TRAIN = 2**46
_RAW_FILE = re.compile(r"(?:.*/)?RAW-[^/]*")
_RUN_OF_FILE = re.compile(r"-R\d{4}-")
_DETECTOR_FILE = re.compile(r"-(?:AGIPD|LPD|DSSC|JNGFR)\d\d-")


def _detector_of(dataset: str) -> str:
    """The same for all modules, whose sources are ``DETECTOR/DET/3CH0:xtdf`` and the like."""
    found = re.match(r"/INSTRUMENT/([^/]+)/", dataset)
    return found[1] if found else dataset


class EuxfelReader:
    """Frames of one detector module or camera; the pid is (run, train, pulse).

    ``dataset`` is the source's name, a pattern (``SPB_DET_AGIPD1M-1/DET/*CH0:xtdf``) or part of it
    (``AGIPD``), or the path of the frames; with ``@high``, ``@medium`` or ``@low`` at the end for
    an LPD in parallel gain. A file without detector, as those of the control
    system, has no events. Without pulse ids the pulse is the frame's place in its train.
    """

    needs_file = True
    facts = Facts(Extent.RUN, detector_of=_detector_of)

    def sniff(self, path: str) -> bool:
        """Whether the file has a list of trains and tells its sources."""
        return is_file_of(path, lambda file: "INDEX/trainId" in file and "METADATA" in file)

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Trains, pulses and places of the frames.

        Trains that do not come from the facility's clock, or occur twice, are `DAMAGED`; those
        whose last frames are not in the file are `INCOMPLETE`.

        Raises
        ------
        SourceError
            If there is no such source, or several, or ``pid`` is given.
        """
        if pid:
            raise SourceError(f"{source}: the pid is {PID_NAMES}; leave 'pid' out")
        with open_file(source) as file:
            detectors, cameras = _frames(file)
            wanted, gain = split_gain(dataset)
            known = detectors + cameras if wanted else detectors
            if not detectors and not meant(wanted, known):
                nothing, trains = np.empty((0, 3), np.int64), _trains(file)
                return Scan(
                    "", nothing, PID_NAMES, (0, 0, 0), "uint8", np.empty(0, np.uint64),
                    left_out=absent(file, _run(file), trains, np.zeros_like(trains)),
                )  # fmt: skip
            return _scan(file, choose(file, known, wanted), gain)

    def open(self, source: str) -> JoinedHandle:
        """The file, ready for reading events by train and place."""
        return JoinedHandle(source, TrainFile, _beside, lambda dataset: stage_of(dataset)[0])


class TrainFile:
    """An open file with an index of trains; see `KeyedFile`."""

    def __init__(self, path: str) -> None:
        self.file = Hdf5File(path)
        self._layouts: dict[str, _Layout] = {}

    def row_of(self, dataset: str, key: int) -> int | None:
        """The row for that train and place; what a train has once holds for all its places."""
        train, place = divmod(key, 1 << PLACE_BITS)
        position, layout = self._trains.row(train), self._layout(dataset)
        ranges, cells = layout.ranges, layout.cells or 1
        if position is None or ranges is None or position >= len(ranges.count):
            return None
        first, count = int(ranges.first[position]), int(ranges.count[position]) * cells
        if count == 1:
            return first
        return first * cells + place if place < count else None

    def has_keys(self, dataset: str) -> bool:
        """Whether the dataset's source has rows by train."""
        return self._layout(dataset).ranges is not None

    def frames(self, dataset: str, rows: Sequence[int], empty: Empty) -> list[Frame]:
        """The frames, the masks of corrected data, and the module in ``info``."""
        layout = self._layout(dataset)
        dataset, stage = stage_of(dataset)
        # Of raw data, pairs of data and gain or single planes, the first is the frame.
        planes = layout.planes
        data: Sequence[NDArray[Any]] = (
            self.file.many(dataset, [row * planes for row in rows], empty, 2)
            if planes
            else self._values(dataset, rows, empty)
        )
        if layout.gain:
            codes = self._values(layout.gain, rows, np.empty)
            data = [with_codes(*pair) for pair in zip(data, codes, strict=True)]
        if stage is not None and layout.raw and layout.raw.gain_bits:
            data = [layout.raw.gain_bits.word(one, stage) for one in data]
        masks = self._values(layout.mask, rows, np.empty) if layout.mask else [None] * len(rows)
        holes = self.file.holes(dataset, [row * max(planes, 1) for row in rows])
        return [
            module_frame(*values, info=layout.info, raw=layout.raw)
            for values in zip(data, masks, holes, strict=True)
        ]

    def values(self, dataset: str, row: int) -> NDArray[Any]:
        """One row, or one memory cell of it."""
        return self._values(dataset, (row,), np.empty)[0]

    def _values(self, dataset: str, rows: Sequence[int], empty: Empty) -> list[NDArray[Any]]:
        return self.file.many(dataset, rows, empty, 2 if self._layout(dataset).cells else 1)

    @cached_property
    def _trains(self) -> Keys:
        return Keys.of(_trains(self.file.root))

    def _layout(self, dataset: str) -> _Layout:
        if dataset not in self._layouts:
            self._layouts[dataset] = _layout(self.file.root, dataset)
        return self._layouts[dataset]


@dataclass(frozen=True)
class _Ranges:
    """The rows of a source for each train of the file's list."""

    first: NDArray[np.int64]
    count: NDArray[np.int64]


@dataclass(frozen=True)
class _Layout:
    """What the axes of a dataset are, and what belongs to it."""

    ranges: _Ranges | None
    """None where the rows belong to no trains."""
    cells: int
    """Memory cells, the second axis of Jungfrau data; 0 where that is something else."""
    planes: int
    """Length of the second axis of raw frames, data and gain; 0 where there is none."""
    mask: str
    """The dataset beside frames that excludes pixels; empty where there is none."""
    info: Mapping[str, Any]
    raw: RawForm | None
    """What the values of frames are, if they are as the detector gave them."""
    gain: str = ""
    """The dataset beside Jungfrau frames with the codes of their gain stages."""


def _layout(file: h5py.File, dataset: str) -> _Layout:
    dataset, stage = stage_of(dataset)
    values, cells, module = file.get(dataset), _cells(file, dataset), module_of(dataset)
    mask = f"{dataset.rpartition('/')[0]}/mask"
    has_mask = isinstance(file.get(mask), h5py.Dataset)
    planes = 0
    if is_frames(values, 4) and not cells:
        planes = planes_of(values.shape[1:], values.dtype, file[mask].shape[1:] if has_mask else ())
    raw = None
    if isinstance(values, h5py.Dataset):
        raw = raw_form(dataset, values.dtype, planes, has_mask=has_mask)
        if module is None and values.dtype.kind in "iu" and _RAW_FILE.match(file.filename):
            raw = RawForm()
    gain = f"{dataset.rpartition('/')[0]}/gain"
    if cells and raw and raw.gain_bits:
        codes = file.get(gain)
        is_there = isinstance(codes, h5py.Dataset) and codes.shape == values.shape
        raw = with_gain(raw, cells) if is_there else WITHOUT_GAIN
    elif stage is not None and raw and raw.gain_bits:
        raw = replace(raw, is_joined=True)
    return _Layout(
        ranges=_ranges(file, dataset),
        cells=cells,
        planes=planes,
        mask=mask if has_mask else "",
        info={} if module is None else module.info,
        raw=raw,
        gain=gain if cells and raw and raw.is_joined else "",
    )


def _scan(file: h5py.File, name: str, gain: int | None) -> Scan:
    frames, trains, ranges = find_frames(file, name, 3, 4), _trains(file), _ranges(file, name)
    if ranges is None:
        raise SourceError(f"{file.filename}: INDEX says nothing of {name}")
    trains = trains[: len(ranges.count)]
    cells = _cells(file, name) or 1
    in_file = np.clip(len(frames) - ranges.first, 0, ranges.count)
    there = in_file * (trains > 0)
    which, place = _expand(frames, there, cells)
    flags = _flags(file, trains) | np.where(there < ranges.count, INCOMPLETE, 0)
    ids = file.get(f"{name.rpartition('/')[0]}/pulseId")
    known = isinstance(ids, h5py.Dataset) and cells == 1
    torn = incomplete(frames, len(frames))[ranges.first[which] + place // cells]
    pulses = row_numbers(ids, len(frames))[ranges.first[which] + place] if known else place
    flags = flags[which] | torn | np.where(pulses < 0, DAMAGED, 0)
    chosen, pulses = of_gain(f"{file.filename}: {name}", gain, which, place, pulses)
    which, place, pulses, flags = (one[chosen] for one in (which, place, pulses, flags))
    run = np.full_like(which, _run(file))
    return Scan(
        name if gain is None else f"{name}@{GAINS[gain]}",
        np.stack([run, trains[which], pulses], axis=1),
        PID_NAMES,
        (len(which), *frames.shape[-2:]),
        str(frames.dtype),
        (trains[which] << PLACE_BITS | place).astype(np.uint64),
        flags.astype(np.uint32),
        is_part=module_of(name) is not None,
        left_out=absent(file, _run(file), trains, in_file, name),
    )


def _expand(
    frames: h5py.Dataset, rows: NDArray[np.int64], cells: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every frame the position of its train, and its place in the train."""
    if rows.sum(dtype=object) > len(frames):
        raise ValueError(f"INDEX gives trains the same rows of {frames.name}; it is damaged")
    counts = rows * cells
    check_size(frames, (int(counts.sum()),), itemsize=8)
    if counts.max(initial=0) >= 1 << PLACE_BITS:
        raise ValueError(f"{counts.max()} frames of {frames.name} in one train are too many")
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


def _flags(file: h5py.File, trains: NDArray[np.int64]) -> NDArray[np.int64]:
    """What is wrong with each train."""
    bad = Keys.of(trains).repeated()
    clock = file.get("INDEX/flag")
    if isinstance(clock, h5py.Dataset):
        # In version 1.1 it is the number of the clock, of which the first is the right one.
        said = row_numbers(clock)[: len(trains)] != 0
        bad[: len(said)] |= said if _version(file) == "1.1" else ~said
    return np.where(bad, DAMAGED, 0)


def _trains(file: h5py.File) -> NDArray[np.int64]:
    """The list of trains, 0 where there is none."""
    trains = row_numbers(find_dataset(file, "INDEX/trainId"))
    return np.where(trains < _LARGEST_TRAIN, trains, 0)


def _ranges(file: h5py.File, dataset: str) -> _Ranges | None:
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
        count = (columns["last"] - first + 1) * (columns["status"] != 0)
    if len(first) != len(count) or (first < 0).any() or (count < 0).any():
        raise ValueError(f"{index.name} has impossible rows; it is damaged")
    return _Ranges(first, count)


def _index(file: h5py.File, dataset: str) -> h5py.Group | None:
    """The index of a dataset's source, whose name is some first part of the dataset's path."""
    parts = dataset.strip("/").split("/")[1:]
    for stop in range(len(parts) - 1, 0, -1):
        group = file.get(f"INDEX/{'/'.join(parts[:stop])}")
        if isinstance(group, h5py.Group) and isinstance(group.get("first"), h5py.Dataset):
            return group
    return None


def _cells(file: h5py.File, dataset: str) -> int:
    """The memory cells of a Jungfrau, if that is a dataset's second axis; else 0."""
    frames, values = file.get(f"{dataset.rpartition('/')[0]}/adc"), file.get(dataset)
    if is_frames(frames, 4) and values.shape[:2] == frames.shape[:2]:
        return int(frames.shape[1])
    return 0


def _frames(file: h5py.File) -> tuple[list[str], list[str]]:
    """The datasets with frames of detectors, and of cameras."""
    groups: list[str] = []

    def note(name: str, link: object) -> None:
        if name.endswith("/first"):
            groups.append(name.removesuffix("/first"))
        elif isinstance(link, h5py.SoftLink):
            # Corrected data have a second name, that of the raw data.
            groups.append(f"{name}/image")

    with readable_names():
        file["INDEX"].visititems_links(note)
    ends = {"/image": ("data",), "/data": ("adc", "image/pixels")}
    found = [
        f"/INSTRUMENT/{group}/{key}"
        for group in sorted(groups) for end, keys in ends.items() for key in keys
        if group.endswith(end) and is_frames(file.get(f"INSTRUMENT/{group}/{key}"), 3, 4)
    ]  # fmt: skip
    cameras = [name for name in found if name.endswith("/pixels")]
    return [name for name in found if name not in cameras], cameras


def _version(file: h5py.File) -> str:
    said = file.get("METADATA/dataFormatVersion")
    text = said[0] if isinstance(said, h5py.Dataset) and said.ndim == 1 and said.size else b""
    return text.decode(errors="replace") if isinstance(text, bytes) else ""


def _run(file: h5py.File) -> int:
    said = file.get("METADATA/runNumber")
    if isinstance(said, h5py.Dataset) and said.size == 1:
        return int(row_numbers(said, 1)[0])
    return run_in_path(file.filename)


def _beside(path: str) -> list[str]:
    """The run's files that are of no detector: those of the control system."""
    folder, name = os.path.split(path)
    run = _RUN_OF_FILE.search(name)
    found = glob.glob(f"{glob.escape(folder)}/*{run[0]}*.h5") if run else []
    return [one for one in sorted(found) if one != path and not _DETECTOR_FILE.search(one)]
