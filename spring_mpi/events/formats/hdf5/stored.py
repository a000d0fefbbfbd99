"""What of an HDF5 dataset was written, and whether it is still there.

HDF5 gives the fill value, and says nothing, for chunks that were never written and for what a file
of external storage is too short for.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from .virtual import VirtualParts

_EXTERNAL = "HDF5_EXTFILE_PREFIX"


def refuse_missing(dataset: h5py.Dataset) -> None:
    """Raises `SourceError` if values lie in other files, and these are missing or too short."""
    if dataset.is_virtual:
        VirtualParts(dataset).refuse_missing()
    elif dataset.id.get_create_plist().get_external_count():
        _refuse_external(dataset)


def lacking(dataset: h5py.Dataset) -> NDArray[np.bool_]:
    """(rows,): whether values of a row were never written, or no source is mapped to them.

    Places that no row of a virtual dataset has, such as gaps between modules, do not count.
    """
    rows = dataset.shape[0]
    if dataset.is_virtual:
        return VirtualParts(dataset).lacking()
    if dataset.chunks is None:
        return np.full(rows, _is_unwritten(dataset))
    per_chunk = dataset.chunks[0]
    grid = [-(-extent // side) for extent, side in zip(dataset.shape, dataset.chunks, strict=True)]
    if dataset.id.get_num_chunks() == math.prod(grid):
        return np.zeros(rows, np.bool_)
    present = np.zeros(grid[0], np.int64)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        if chunk.chunk_offset[0] < rows:
            present[chunk.chunk_offset[0] // per_chunk] += 1

    dataset.id.chunk_iter(note)
    return np.repeat(present < math.prod(grid[1:]), per_chunk)[:rows]


def unwritten(dataset: h5py.Dataset, place: Sequence[int]) -> NDArray[np.bool_] | None:
    """The pixels of a row that were never written; None where there are none.

    ``place`` are the row's places along the first axes. Of a virtual dataset see `VirtualParts`.
    """
    shape, chunks = dataset.shape[len(place) :], dataset.chunks
    if chunks is None:
        return np.ones(shape, np.bool_) if _is_unwritten(dataset) else None
    hole = None
    for corner in itertools.product(*map(range, itertools.repeat(0), shape, chunks[len(place) :])):
        if dataset.id.get_chunk_info_by_coord((*place, *corner)).byte_offset is None:
            hole = np.zeros(shape, np.bool_) if hole is None else hole
            sides = zip(corner, chunks[len(place) :], strict=True)
            hole[tuple(slice(start, start + extent) for start, extent in sides)] = True
    return hole


def hole_along(dataset: h5py.Dataset, axis: int | None, row: int) -> NDArray[np.bool_] | None:
    """The pixels of an event that were never written, or that no source is mapped to.

    Parameters
    ----------
    axis, row
        The axis that numbers the events, and the event's place there; None: the dataset is one.

    Returns
    -------
    array or None
        In the dataset's order of axes, without that of the events; None where there are none.
    """
    if dataset.is_virtual:
        return VirtualParts(dataset).hole_along(axis, row)
    if axis is None or dataset.chunks is None:
        hole = unwritten(dataset, ())
        return hole if hole is None or axis is None else np.asarray(hole.take(row, axis))
    starts = [range(0, *pair) for pair in zip(dataset.shape, dataset.chunks, strict=True)]
    first = row - row % dataset.chunks[axis]
    starts[axis] = range(first, first + 1)
    hole = np.zeros(dataset.shape[:axis] + dataset.shape[axis + 1 :], np.bool_)
    for corner in itertools.product(*starts):
        if dataset.id.get_chunk_info_by_coord(corner).byte_offset is None:
            sides = [
                slice(*side) for side in zip(corner, np.add(corner, dataset.chunks), strict=True)
            ]
            hole[tuple(sides[:axis] + sides[axis + 1 :])] = True
    return hole if hole.any() else None


def lacking_along(dataset: h5py.Dataset, axis: int | None) -> NDArray[np.bool_]:
    """As `lacking`, for a dataset whose events are numbered by any axis; None: it is one event."""
    if axis == 0:
        return lacking(dataset)
    count = 1 if axis is None else dataset.shape[axis]
    holes = (hole_along(dataset, axis, row) for row in range(count))
    pixels = np.array([0 if hole is None else hole.sum() for hole in holes], np.int64)
    # Places that no event of a virtual dataset has are gaps between modules.
    usual = pixels.min() if dataset.is_virtual and count else 0
    return np.asarray(pixels > usual)


def union(*masks: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """What any of the masks excludes; None where there is none."""
    known = [mask for mask in masks if mask is not None]
    return known[0] if len(known) == 1 else np.logical_or.reduce(known) if known else None


def _is_unwritten(dataset: h5py.Dataset) -> bool:
    """Whether a dataset in one piece has no place in its file yet."""
    plist = dataset.id.get_create_plist()
    return (
        plist.get_layout() == h5py.h5d.CONTIGUOUS
        and not plist.get_external_count()
        and dataset.size > 0
        and dataset.id.get_offset() is None
    )


def _refuse_external(dataset: h5py.Dataset) -> None:
    """As HDF5 finds such files: from the current folder, or that of the environment."""
    plist, left = dataset.id.get_create_plist(), dataset.nbytes
    folder = os.environ.get(_EXTERNAL, "").replace(
        "${ORIGIN}", os.path.dirname(os.path.abspath(dataset.file.filename))
    )
    for number in range(plist.get_external_count()):
        name, start, size = plist.get_external(number)
        path, needed = os.path.join(folder, os.fsdecode(name)), min(size, left)
        left -= needed
        if needed and (reason := _shortage(path, start + needed)):
            raise SourceError(
                f"{dataset.file.filename}: the values of {dataset.name} are in {path}, which "
                f"{reason}; put it back, or name its folder in {_EXTERNAL} "
                "(${ORIGIN}: that of the HDF5 file)"
            )


def _shortage(path: str, needed: int) -> str:
    """Why a file does not have so many bytes; empty where it does."""
    try:
        present = os.path.getsize(path)
    except OSError as fault:
        return f"cannot be read from here ({fault.strerror})"
    return f"has {present} bytes of {needed}" if present < needed else ""
