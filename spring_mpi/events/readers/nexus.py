"""Events of NeXus files, application definition NXmx: a master file that links to data files.

Frames are in ``/entry/data/data_000001``, ``data_000002``, ..., links into files beside the master,
as detectors of DECTRIS write them (EIGER HDF5 data format); or in one virtual dataset, which is
resolved into its files, because HDF5 reads single rows of those slowly. The pixel mask is the
detector's ``pixel_mask``, where 0 is a good pixel (NeXus, NXdetector).
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from . import Empty, Frame, PidDatasets, Scan
from .hdf5 import Hdf5Handle, Hdf5Reader, find_frames, incomplete, integers
from .opening import is_file_of, open_file
from .stored import union

_BLOCK = re.compile(r"data_\d+")
_MOST_OPEN = 16


@dataclass(frozen=True)
class Block:
    """Frames that lie one after the other in one dataset of one file."""

    path: str
    dataset: str
    kind: tuple[tuple[int, ...], str]
    """Shape and type of a frame."""
    first: int
    """Row of the first of them there."""
    count: int


class NexusReader:
    """Frames of all data files of a master, numbered through; the pid is (run, row)."""

    needs_file = True

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
            blocks = _blocks(file, name)
            kinds = {block.kind for block in blocks}
            if len(kinds) != 1:
                raise SourceError(f"{source}: {name} links to frames of {len(kinds)} kinds")
            shape, dtype = kinds.pop()
            count = sum(block.count for block in blocks)
            plain = Hdf5Reader()
            datasets = plain.pid_datasets(file, pid)
            columns = [integers(file, one, count) for one in datasets]
            names, pids = plain.pids(file, datasets, columns)
            flags = np.concatenate([_flags(block) for block in blocks])
            told = flags if flags.any() else None
            return Scan(name, pids, names, (count, *shape), dtype, flags=told)

    def open(self, source: str) -> NexusHandle:
        """The master, ready for reading single frames out of its data files."""
        return NexusHandle(source)


class NexusHandle(Hdf5Handle):
    """An open master file; data files are opened when they are needed."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._blocks: dict[str, tuple[list[Block], list[int]]] = {}
        self.files: OrderedDict[str, Hdf5Handle] = OrderedDict()

    def event(self, dataset: str, row: int) -> Frame:
        """The frame of that number, with the detector's pixel mask."""
        return self.events(dataset, (row,))[0]

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """The frames of those numbers; see `BatchHandle`."""
        found = [self._find(dataset, row) for row in rows]
        read: list[Frame] = []
        for block, places in groupby(found, itemgetter(0)):
            numbers = [place for _, place in places]
            read += self._data_file(block.path).events(block.dataset, numbers, empty)
        return [Frame(one.data, union(self._mask, one.mask)) for one in read]

    def check(self, dataset: str) -> None:
        """See `LinkingHandle`; the data files are opened."""
        for block in _blocks(self._file, dataset):
            self._data_file(block.path).check(block.dataset)

    def close(self) -> None:
        """Release all files."""
        for file in self.files.values():
            file.close()
        self.files.clear()
        super().close()

    def _find(self, dataset: str, row: int) -> tuple[Block, int]:
        if dataset not in self._blocks:
            blocks = _blocks(self._file, dataset)
            self._blocks[dataset] = blocks, list(accumulate(block.count for block in blocks))
        blocks, ends = self._blocks[dataset]
        number = int(np.searchsorted(ends, row, side="right"))
        if number == len(blocks):
            raise IndexError(f"{dataset} has no frame {row}")
        block = blocks[number]
        return block, row - ends[number] + block.count + block.first

    def _data_file(self, path: str) -> Hdf5Handle:
        if path not in self.files:
            while len(self.files) >= _MOST_OPEN:
                self.files.popitem(last=False)[1].close()
            self.files[path] = Hdf5Handle(path)
        self.files.move_to_end(path)
        return self.files[path]

    @cached_property
    def _mask(self) -> NDArray[np.bool_] | None:
        name = next(_masks(self._file), None)
        return None if name is None else self._all(name) != 0


def _default(file: h5py.File) -> str:
    group = _data_group(file)
    if group is None:
        raise SourceError(f"{file.filename}: it has no /entry/data; name the frames (dataset)")
    return str(group.name)


def _data_group(file: h5py.File) -> h5py.Group | None:
    """The group with the frames."""
    for entry in _entries(file):
        group = entry.get("data")
        if isinstance(group, h5py.Group) and (_block_names(group) or _says_nxmx(entry)):
            return group
    return None


def _entries(file: h5py.File) -> Iterator[h5py.Group]:
    for name in sorted(name for name in file if name.startswith("entry")):
        if isinstance(entry := file.get(name), h5py.Group):
            yield entry


def _says_nxmx(entry: h5py.Group) -> bool:
    said = entry.get("definition")
    text = said[()] if isinstance(said, h5py.Dataset) and said.shape == () else b""
    return isinstance(text, bytes) and text.startswith(b"NXmx")


def _block_names(group: h5py.Group) -> list[str]:
    return sorted(name for name in group if _BLOCK.fullmatch(name))


def _blocks(file: h5py.File, name: str) -> list[Block]:
    """Where the frames of a group of links, or of a dataset, are."""
    group = file.get(name)
    if not isinstance(group, h5py.Group):
        return _of_dataset(find_frames(file, name, 3))
    linked = _block_names(group)
    if not linked:
        return _of_dataset(find_frames(file, f"{name}/data", 3))
    blocks = [_linked(file, group, one) for one in linked]
    # A run that was stopped early leaves links to files that were never written.
    while blocks and blocks[-1] is None:
        blocks.pop()
    if None in blocks:
        lost = f"{name}/{linked[blocks.index(None)]}"
        raise SourceError(f"{file.filename}: the file that {lost} links to is missing; copy it")
    return [block for block in blocks if block is not None]


def _linked(file: h5py.File, group: h5py.Group, name: str) -> Block | None:
    """The block that a member of the group is or links to; None where its file is missing."""
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.ExternalLink):
        return _whole(find_frames(file, f"{group.name}/{name}", 3))
    path = _beside(file, link.filename)
    if not os.path.isfile(path):
        return None
    with open_file(path) as target:
        return _whole(find_frames(target, link.path, 3))


def _of_dataset(dataset: h5py.Dataset) -> list[Block]:
    """The parts of a virtual dataset if they follow each other, else the dataset itself."""
    parts = [_part(dataset, one) for one in dataset.virtual_sources()] if dataset.is_virtual else []
    ordered = sorted((part for part in parts if part is not None), key=itemgetter(0))
    starts = [start for start, _ in ordered]
    ends = [0, *accumulate(block.count for _, block in ordered)]
    if None in parts or [*starts, len(dataset)] != ends:
        return [_whole(dataset)]
    return [block for _, block in ordered]


def _part(dataset: h5py.Dataset, source: Any) -> tuple[int, Block] | None:
    """The first row of a part, and where it is; None where it is no run of whole frames."""
    first, size = _box(source.vspace)
    # A source that is taken as a whole does not say its shape.
    everything = source.src_space.get_select_type() == h5py.h5s.SEL_ALL
    start, there = (np.zeros_like(first), size) if everything else _box(source.src_space)
    if not (np.array_equal(size, there) and (*size[1:],) == dataset.shape[1:]):
        return None
    own = source.file_name == "."
    path = dataset.file.filename if own else _beside(dataset.file, source.file_name)
    return int(first[0]), Block(path, source.dset_name, _kind(dataset), int(start[0]), int(size[0]))


def _flags(block: Block) -> NDArray[np.uint32]:
    """(frames,): what is wrong with the frames of a block."""
    with open_file(block.path) as file:
        frames = find_frames(file, block.dataset, 3)
        return incomplete(frames, len(frames))[block.first : block.first + block.count]


def _box(selection: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and size of a selection along each axis; all sizes 0 if it has gaps."""
    start, last = (np.array(bounds, np.int64) for bounds in selection.get_select_bounds())
    size = last - start + 1
    gaps = size.prod() != selection.get_select_npoints()
    return start, np.zeros_like(size) if gaps else size


def _whole(dataset: h5py.Dataset) -> Block:
    return Block(dataset.file.filename, str(dataset.name), _kind(dataset), 0, len(dataset))


def _kind(dataset: h5py.Dataset) -> tuple[tuple[int, ...], str]:
    return dataset.shape[1:], str(dataset.dtype)


def _beside(master: h5py.File, name: str) -> str:
    return os.path.join(os.path.dirname(os.path.abspath(master.filename)), name)


def _masks(file: h5py.File) -> Iterator[str]:
    """The pixel masks of the detectors."""
    for entry in _entries(file):
        instrument = entry.get("instrument")
        for name in sorted(instrument) if isinstance(instrument, h5py.Group) else []:
            for place in ("pixel_mask", "detectorSpecific/pixel_mask"):
                path = f"{instrument.name}/{name}/{place}"
                if isinstance(file.get(path), h5py.Dataset):
                    yield path
