"""Where the frames of a NeXus master are: in itself, behind links, or in files of virtual ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..wording import listed
from .linked import EXTERNAL_LINK, VIRTUAL, find_linked
from .opening import open_file
from .scanning import find_frames, incomplete

_BLOCK = re.compile(r"data_\d+")


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


def block_names(group: h5py.Group) -> list[str]:
    """The names of data blocks in a group, in their order."""
    return sorted(name for name in group if _BLOCK.fullmatch(name))


def blocks_of(file: h5py.File, name: str) -> list[Block]:
    """Where the frames of a group of links, or of a dataset, are."""
    group = file.get(name)
    if not isinstance(group, h5py.Group):
        return _of_dataset(_frames(file, name))
    linked = block_names(group)
    if not linked:
        return _of_dataset(_frames(file, f"{name}/data"))
    blocks = [_linked(file, group, member) for member in linked]
    present = [number for number, block in enumerate(blocks) if isinstance(block, Block)]
    # A run that was stopped early leaves links to files that were never written.
    last = present[-1] + 1 if present else len(blocks)
    if lost := [block for block in blocks[:last] if isinstance(block, str)]:
        are = "is" if len(lost) == 1 else "are"
        raise SourceError(
            f"{file.filename}: {name} links to {listed(lost)}, which {are} missing; copy "
            "what is missing beside the master, or name its folder in HDF5_EXT_PREFIX"
        )
    return [block for block in blocks if isinstance(block, Block)]


def flags_of(block: Block) -> NDArray[np.uint32]:
    """(frames,): what is wrong with the frames of a block."""
    with open_file(block.path) as file:
        frames = _frames(file, block.dataset)
        return incomplete(frames, len(frames))[block.first : block.first + block.count]


def _linked(file: h5py.File, group: h5py.Group, name: str) -> Block | str:
    """The block that a member of the group is or links to; the file that is missing instead."""
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.ExternalLink):
        return _whole(_frames(file, f"{group.name}/{name}"))
    path = find_linked(link.filename, file.filename, EXTERNAL_LINK)
    if path is None:
        return str(link.filename)
    with open_file(path) as target:
        return _whole(_frames(target, link.path))


def _frames(file: h5py.File, name: str) -> h5py.Dataset:
    """Frames (events, rows, columns), or (events, 1, rows, columns) with one energy threshold."""
    frames = find_frames(file, name, 3, 4)
    if frames.ndim == 4 and frames.shape[1] != 1:
        raise SourceError(
            f"{file.filename}: {name} is {frames.shape}: the frames of {frames.shape[1]} energy "
            "thresholds or modules; name a dataset with those of one (dataset)"
        )
    return frames


def _of_dataset(dataset: h5py.Dataset) -> list[Block]:
    """The parts of a virtual dataset if they follow each other, else the dataset itself."""
    parts = (
        [_part(dataset, source) for source in dataset.virtual_sources()]
        if dataset.is_virtual
        else []
    )
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
    master = dataset.file.filename
    own = source.file_name == "."
    path = master if own else find_linked(source.file_name, master, VIRTUAL)
    if path is None:
        # What is missing is told when the dataset is looked at.
        return None
    return int(first[0]), Block(path, source.dset_name, _kind(dataset), int(start[0]), int(size[0]))


def _box(selection: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and size of a selection along each axis; all sizes 0 if it has gaps."""
    start, last = (np.array(bounds, np.int64) for bounds in selection.get_select_bounds())
    size = last - start + 1
    gaps = size.prod() != selection.get_select_npoints()
    return start, np.zeros_like(size) if gaps else size


def _whole(dataset: h5py.Dataset) -> Block:
    return Block(dataset.file.filename, str(dataset.name), _kind(dataset), 0, len(dataset))


def _kind(dataset: h5py.Dataset) -> tuple[tuple[int, ...], str]:
    return dataset.shape[-2:], str(dataset.dtype)
