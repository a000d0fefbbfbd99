"""Events of NeXus files, application definition NXmx: a master file that links to data files.

Frames are in ``/entry/data/data_000001``, ``data_000002``, ..., links into files beside the master,
as detectors of DECTRIS write them (EIGER HDF5 data format); or in one virtual dataset, which is
resolved into its files, because HDF5 reads single rows of those slowly. Their masks:
see `nxdetector`.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...event import Exclusion
from ...left_out import LeftOut
from ..reader import Empty, Facts, Frame, PidDatasets, Scan
from ..wording import listed
from .blocks import Block, block_names, blocks_of, flags_of
from .contents import candidates, is_frames
from .file import Hdf5File
from .frames import frames_of_file
from .limits import OwnLimit, behind_link, limited, own_limits
from .nxdetector import (
    PixelMask,
    detectors_of,
    entries,
    pixel_masks,
    places_of_detectors,
    says_nxmx,
)
from .opening import is_file_of, open_file
from .scanning import named_pids
from .stored import union

_MOST_OPEN = 16
_log = logging.getLogger(__name__)


class NexusReader:
    """Frames of all data files of a master, numbered through; the pid is (run, row)."""

    needs_file = True
    # The files that a master links to may change, too.
    facts = Facts()

    def sniff(self, path: str) -> bool:
        """Whether the file has a group of data blocks, or says that it is NXmx."""
        return is_file_of(path, lambda file: _data_group(file) is not None)

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Number and shape of the frames in all files.

        Raises
        ------
        SourceError
            If a data file is missing between others, or frames of different shapes are linked.
        """
        with open_file(source) as file:
            name = dataset or _default(file)
            blocks = blocks_of(file, name)
            left_out = [*_missing(file, name, blocks), *_other_entries(file, name)]
            kinds = sorted({block.kind for block in blocks})
            if len(kinds) > 1:
                several = ", ".join(f"{shape} {dtype}" for shape, dtype in kinds)
                raise SourceError(f"{source}: {name} links to frames of several kinds: {several}")
            shape, dtype = kinds[0]
            count = sum(block.count for block in blocks)
            pixel_masks(file, name, (count, *shape))
            names, pids = named_pids(pid).read(file, count)
            flags = np.concatenate([flags_of(block) for block in blocks])
            told = flags if flags.any() else None
            return Scan(
                name, pids, names, (count, *shape), dtype, flags=told, left_out=tuple(left_out)
            )

    def open(self, source: str) -> NexusHandle:
        """The master, ready for reading single frames out of its data files."""
        return NexusHandle(source)


class NexusHandle:
    """An open master file; data files are opened when they are needed."""

    def __init__(self, path: str) -> None:
        self._master = Hdf5File(path)
        self._blocks: dict[str, tuple[list[Block], list[int]]] = {}
        self._pixel_masks: dict[str, Sequence[PixelMask]] = {}
        self._own_limits: dict[str, Sequence[OwnLimit]] = {}
        self.files: OrderedDict[str, Hdf5File] = OrderedDict()

    def event(self, dataset: str, row: int) -> Frame:
        """The frame of that number, with the detector's pixel mask."""
        return self.events(dataset, (row,))[0]

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames of those numbers; see `BatchHandle`."""
        found = [self._find(dataset, row) for row in rows]
        read: list[Frame] = []
        for block, places in groupby(found, itemgetter(0)):
            numbers = [place for _, place in places]
            read += frames_of_file(self._data_file(block.path), block.dataset, numbers, empty)
        masks, limits = self._masks(dataset), self._limits(dataset)
        read = [limited(without_thresholds(frame), limits, "the master's") for frame in read]
        return [self._masked(frame, masks, row) for frame, row in zip(read, rows, strict=True)]

    def _masked(self, frame: Frame, masks: Sequence[PixelMask], row: int) -> Frame:
        bad = [mask.excluded(row) for mask in masks]
        told = (
            Exclusion(f"the master's {mask.name}", int(excluded.sum()))
            for mask, excluded in zip(masks, bad, strict=True)
        )
        return frame._replace(mask=union(*bad, frame.mask), exclusions=(*told, *frame.exclusions))

    def _masks(self, dataset: str) -> Sequence[PixelMask]:
        if dataset not in self._pixel_masks:
            blocks, ends = self._placed(dataset)
            shape = (ends[-1], *blocks[0].kind[0])
            self._pixel_masks[dataset] = pixel_masks(self._master.root, dataset, shape)
        return self._pixel_masks[dataset]

    def _limits(self, dataset: str) -> Sequence[OwnLimit]:
        if dataset not in self._own_limits:
            shape, kind = self._placed(dataset)[0][0].kind
            found = own_limits(detectors_of(self._master.root, dataset, shape), np.dtype(kind))
            for place in places_of_detectors(self._master.root):
                found += behind_link(self._master.root, place)
            self._own_limits[dataset] = found
        return self._own_limits[dataset]

    def _placed(self, dataset: str) -> tuple[list[Block], list[int]]:
        """Where the frames are, and the number of frames up to the end of each block."""
        if dataset not in self._blocks:
            blocks = blocks_of(self._master.root, dataset)
            self._blocks[dataset] = blocks, list(accumulate(block.count for block in blocks))
        return self._blocks[dataset]

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The row's values of a dataset, or all of it where it is the same for all events."""
        return self._master.field(dataset, row)

    def check(self, dataset: str) -> None:
        """See `LinkingHandle`; the data files are opened."""
        for block in blocks_of(self._master.root, dataset):
            self._data_file(block.path).check(block.dataset)

    def close(self) -> None:
        """Release all files."""
        for file in self.files.values():
            file.close()
        self.files.clear()
        self._master.close()

    def _find(self, dataset: str, row: int) -> tuple[Block, int]:
        blocks, ends = self._placed(dataset)
        number = int(np.searchsorted(ends, row, side="right"))
        if number == len(blocks):
            raise IndexError(f"{dataset} has no frame {row}")
        block = blocks[number]
        return block, row - ends[number] + block.count + block.first

    def _data_file(self, path: str) -> Hdf5File:
        if path not in self.files:
            while len(self.files) >= _MOST_OPEN:
                self.files.popitem(last=False)[1].close()
            self.files[path] = Hdf5File(path)
        self.files.move_to_end(path)
        return self.files[path]


def without_thresholds(frame: Frame) -> Frame:
    """The image of a frame (1, rows, columns)."""
    if frame.data.ndim == 2:
        return frame
    mask = None if frame.mask is None else frame.mask[0]
    return frame._replace(data=frame.data[0], mask=mask, info={})


def _default(file: h5py.File) -> str:
    group = _data_group(file)
    if group is None:
        raise SourceError(
            f"{file.filename}: it has no /entry/data; name the dataset of the frames (dataset); "
            f"{candidates(file)}"
        )
    return str(group.name)


def _data_group(file: h5py.File) -> h5py.Group | None:
    """The group with the frames."""
    for entry in entries(file):
        group = entry.get("data")
        if isinstance(group, h5py.Group) and (block_names(group) or says_nxmx(entry)):
            return group
    return None


def _other_entries(file: h5py.File, name: str) -> Iterator[LeftOut]:
    """The frames of other entries than that of the dataset."""
    own = name.strip("/").split("/")[0]
    for entry in entries(file):
        group = entry.get("data")
        is_other = (entry.name or "").strip("/") != own
        if is_other and isinstance(group, h5py.Group) and _holds_frames(group):
            with suppress(SourceError):
                if count := sum(block.count for block in blocks_of(file, group.name)):
                    yield LeftOut(count, (group.name,))


def _holds_frames(group: h5py.Group) -> bool:
    return bool(block_names(group)) or is_frames(group.get("data"), 3, 4)


def _missing(file: h5py.File, name: str, blocks: Sequence[Block]) -> Iterator[LeftOut]:
    """The last data files, where they are missing; that is logged, too, with their names."""
    group = file.get(name)
    linked = block_names(group) if isinstance(group, h5py.Group) else []
    if lost := linked[len(blocks) :]:
        links = [group.get(member, getlink=True) for member in lost]
        _log.warning(
            "%s: %d of %d data files, the last ones, are missing (%s): their frames are left out; "
            "that is right for a run that was stopped early, else copy them",
            file.filename, len(lost), len(linked), listed([link.filename for link in links]),
        )  # fmt: skip
        yield LeftOut(len(lost), unit="links", lack="data file")
