"""An open European XFEL file, whose rows are found by train and place in the train."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ...gain_stages import RawForm
from ..hdf5.contents import is_frames
from ..hdf5.file import Hdf5File
from ..hdf5.joined import Keys
from ..reader import Empty, Frame
from .modules import module_of
from .parallel_gain import stage_of
from .raw import WITHOUT_GAIN, module_frame, planes_of, raw_form, with_codes, with_gain
from .trains import PLACE_BITS, Ranges, ranges_of, trains_of

_RAW_FILE = re.compile(r"(?:.*/)?RAW-[^/]*")


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
            data = [layout.raw.gain_bits.word(values, stage) for values in data]
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
        return Keys.of(trains_of(self.file.root))

    def _layout(self, dataset: str) -> _Layout:
        if dataset not in self._layouts:
            self._layouts[dataset] = _layout(self.file.root, dataset)
        return self._layouts[dataset]


@dataclass(frozen=True)
class _Layout:
    """What the axes of a dataset are, and what belongs to it."""

    ranges: Ranges | None
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
    values, cells, module = file.get(dataset), cells_of(file, dataset), module_of(dataset)
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
        ranges=ranges_of(file, dataset),
        cells=cells,
        planes=planes,
        mask=mask if has_mask else "",
        info={} if module is None else module.info,
        raw=raw,
        gain=gain if cells and raw and raw.is_joined else "",
    )


def cells_of(file: h5py.File, dataset: str) -> int:
    """The memory cells of a Jungfrau, if that is a dataset's second axis; else 0."""
    frames, values = file.get(f"{dataset.rpartition('/')[0]}/adc"), file.get(dataset)
    if is_frames(frames, 4) and values.shape[:2] == frames.shape[:2]:
        return int(frames.shape[1])
    return 0
