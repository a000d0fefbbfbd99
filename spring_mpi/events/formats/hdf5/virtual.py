"""Virtual datasets of HDF5: which files their values lie in, and what of them is not there.

HDF5 gives the fill value, and says nothing, where a source cannot be opened and where no source is
mapped. The one is an error here, since somebody wrote those values; of the other the pixels are
told, since nobody measured them.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..reader import READ_FAULTS
from .faults import missing_filter
from .linked import VIRTUAL, find_linked
from .opening import open_file

_DEEPEST = 8
"""Virtual datasets whose sources are virtual, one in the other."""
_MOST_NAMED = 3
_NUMBER = "%b"
_ENDLESS = 2**63
"""HDF5's number of blocks of a selection without an end, or more."""

Span = tuple[int, int, int, int]
"""Of a selection along an axis: start, distance of two blocks, number of blocks, their extent."""


@dataclass(frozen=True)
class Part:
    """Values of a virtual dataset that lie in one other dataset: a regular selection."""

    file: str
    """As the virtual dataset names it; ``.`` is its own file."""
    dataset: str
    spans: tuple[Span, ...]
    """Along each axis."""
    least: tuple[int, ...]
    """Extents that the source needs along its axes; none where only its size is known."""

    def along(self, axis: int) -> NDArray[np.int64]:
        """The selected places along an axis."""
        start, stride, count, block = self.spans[axis]
        return (start + stride * np.arange(count)[:, None] + np.arange(block)).reshape(-1)

    def count(self, axis: int = 0) -> int:
        """Number of values, in one row where ``axis`` is 1."""
        return int(np.prod([span[2] * span[3] for span in self.spans[axis:]], dtype=object))


class VirtualParts:
    """The parts of a virtual dataset; sources are opened once, when they are asked for."""

    def __init__(self, dataset: h5py.Dataset, depth: int = 0) -> None:
        self._dataset, self._depth = dataset, depth
        self._path, self._shape = dataset.file.filename, dataset.shape
        self._parts = list(_parts(dataset))
        spans = [part.spans[0] for part in self._parts]
        self._first = np.array(spans, np.int64).reshape(-1, 4).T
        self._faults: dict[tuple[str, str], str] = {}

    def refuse_missing(self, row: int | None = None) -> None:
        """Raises `SourceError` if a source, of that row where one is given, is not there."""
        parts = self._parts if row is None else self._of_row(row)
        faults = list(dict.fromkeys(filter(None, map(self._fault, parts))))
        if row is None:
            faults += _skipped(self._dataset)
        if faults:
            more = f"; and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
            raise SourceError(
                f"{self._path}: {self._dataset.name} takes values from other files: "
                f"{'; '.join(faults[:_MOST_NAMED])}{more}. Copy what is missing to its place, or "
                "name the folder in HDF5_VDS_PREFIX"
            )

    def lacking(self) -> NDArray[np.bool_]:
        """(rows,): whether a row has fewer values than others of the dataset."""
        changes = np.zeros(self._shape[0] + 1, np.int64)
        for part in self._parts:
            rows, values = part.along(0), part.count(1)
            np.add.at(changes, rows, values)
            np.add.at(changes, rows + 1, -values)
        numbers = np.cumsum(changes[:-1])
        return np.asarray(numbers < numbers.max(initial=0))

    def hole(self, place: Sequence[int]) -> NDArray[np.bool_] | None:
        """The pixels of a row to which no source is mapped; None where there are none.

        ``place`` are the row's places along the first axes.
        """
        shape = self._shape[len(place) :]
        hole = np.ones(shape, np.bool_)
        for part in self._of_row(place[0]) if place else self._parts:
            if all(place[axis] in part.along(axis) for axis in range(1, len(place))):
                axes = range(len(place), len(self._shape))
                hole[np.ix_(*(part.along(axis) for axis in axes))] = False
        return hole if hole.any() else None

    def hole_along(self, axis: int | None, row: int) -> NDArray[np.bool_] | None:
        """As `hole`, for a place along any one axis; None: of the whole dataset."""
        axes = [other for other in range(len(self._shape)) if other != axis]
        hole = np.ones([self._shape[other] for other in axes], np.bool_)
        for part in self._parts:
            if axis is None or row in part.along(axis):
                hole[np.ix_(*(part.along(other) for other in axes))] = False
        return hole if hole.any() else None

    def _of_row(self, row: int) -> list[Part]:
        start, stride, count, block = self._first
        number, inside = np.divmod(row - start, np.maximum(stride, 1))
        found = (number >= 0) & (
            ((number < count) & (inside < block)) | ((count == 1) & (row - start < block))
        )
        return [self._parts[number] for number in np.flatnonzero(found)]

    def _fault(self, part: Part) -> str:
        """Why the values of a part cannot be read; empty where they can."""
        key = part.file, part.dataset
        if key not in self._faults:
            self._faults[key] = self._look(part)
        return self._faults[key]

    def _look(self, part: Part) -> str:
        try:
            with _opened(self._dataset.file, part.file) as file:
                return self._wrong(file, part)
        except SourceError as fault:
            return str(fault)

    def _wrong(self, file: h5py.File, part: Part) -> str:
        dataset = file.get(part.dataset)
        if not isinstance(dataset, h5py.Dataset):
            return f"{file.filename} has no dataset {part.dataset}"
        is_short = (
            any(map(int.__gt__, part.least, dataset.shape))
            if len(part.least) == dataset.ndim
            else part.count() > dataset.size
        )
        if is_short:
            return f"{file.filename}: {part.dataset} is only {dataset.shape}"
        if self._depth == _DEEPEST:
            return f"{file.filename}: {part.dataset} is virtual in too many others"
        if dataset.is_virtual:
            VirtualParts(dataset, self._depth + 1).refuse_missing()
        reason = missing_filter(dataset)
        return f"{file.filename}: {reason}" if reason else ""


def _parts(dataset: h5py.Dataset) -> Iterator[Part]:
    for source in dataset.virtual_sources():
        axis = _unlimited_axis(source.vspace)
        for spans in _spans(source.vspace, dataset.shape):
            if axis is not None and _is_numbered(source):
                yield from _numbered(source, spans, axis)
                continue
            if axis is not None:
                own = _grown(dataset, source, spans[axis])
                spans = (*spans[:axis], own, *spans[axis + 1 :])
            names = _named(source.file_name), _named(source.dset_name)
            yield Part(*names, spans, _needed(source.src_space))


def _numbered(source: Any, spans: tuple[Span, ...], axis: int) -> Iterator[Part]:
    """The parts of sources whose names hold the number of their block."""
    start, stride, count, block = spans[axis]
    for number in range(count):
        own = (start + stride * number, 1, 1, block)
        names = _named(source.file_name, number), _named(source.dset_name, number)
        yield Part(*names, (*spans[:axis], own, *spans[axis + 1 :]), _needed(source.src_space))


def _grown(dataset: h5py.Dataset, source: Any, span: Span) -> Span:
    """As much of a selection without an end as its source has by now."""
    axis = _unlimited_axis(source.src_space)
    try:
        with _opened(dataset.file, _named(source.file_name)) as file:
            extent = file[_named(source.dset_name)].shape[axis]
    except (*READ_FAULTS, AttributeError):
        # What is wrong with the source is told when it is looked at.
        return span
    first, stride, count, block = (
        int(values[axis]) for values in source.src_space.get_regular_hyperslab()
    )
    _, _, number, each = _bounded(first, stride, count, block, extent)
    start, stride, count, block = span
    if count == 1:
        return start, stride, count, min(block, number * each)
    return start, stride, min(count, number * each // block), block


@contextlib.contextmanager
def _opened(file: h5py.File, name: str) -> Iterator[h5py.File]:
    """The file that another one names; `SourceError` where there is none."""
    if name == ".":
        yield file
        return
    path = find_linked(name, file.filename, VIRTUAL)
    if path is None:
        raise SourceError(f"{name} is missing")
    with open_file(path) as found:
        yield found


def _named(name: str, number: int = 0) -> str:
    """A name of which ``%b`` is the number of the block, and ``%%`` a percent sign."""
    return "%".join(part.replace(_NUMBER, str(number)) for part in name.split("%%"))


def _is_numbered(source: Any) -> bool:
    return any(_NUMBER in name.replace("%%", "") for name in (source.file_name, source.dset_name))


def _skipped(dataset: h5py.Dataset) -> Iterator[str]:
    """What is missing of numbered files, since HDF5 lets a dataset end before the first gap."""
    for source in dataset.virtual_sources():
        axis = _unlimited_axis(source.vspace)
        if axis is None or _NUMBER not in source.file_name.replace("%%", ""):
            continue
        count = max((spans[axis][2] for spans in _spans(source.vspace, dataset.shape)), default=0)
        folder = os.path.dirname(os.path.abspath(dataset.file.filename))
        path = os.path.join(folder, source.file_name)
        start, _, end = path.replace("%%", "%").partition(_NUMBER)
        others = (text[len(start) : len(text) - len(end)]
                  for text in glob.iglob(f"{glob.escape(start)}*{glob.escape(end)}"))  # fmt: skip
        if not count or any(text.isdecimal() and int(text) > count for text in others):
            yield f"{_named(source.file_name, count)} is missing"


def _unlimited_axis(space: Any) -> int | None:
    """The axis along which a selection has no end."""
    if not _is_regular(space):
        return None
    _, _, counts, blocks = space.get_regular_hyperslab()
    largest = map(max, counts, blocks)
    return next((axis for axis, extent in enumerate(largest) if extent >= _ENDLESS), None)


def _spans(space: Any, shape: Sequence[int]) -> Iterator[tuple[Span, ...]]:
    """What a selection holds of a dataset, as regular selections."""
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        yield tuple((0, 1, 1, extent) for extent in shape)
    elif _is_regular(space):
        axes = zip(*space.get_regular_hyperslab(), shape, strict=True)
        yield tuple(_bounded(*map(int, axis)) for axis in axes)
    elif space.get_select_type() == h5py.h5s.SEL_HYPERSLABS:
        for first, last in space.get_select_hyper_blocklist():
            extents = (int(end - start + 1) for start, end in zip(first, last, strict=True))
            yield tuple(
                (int(start), 1, 1, extent) for start, extent in zip(first, extents, strict=True)
            )


def _is_regular(space: Any) -> bool:
    return bool(space.get_select_type() == h5py.h5s.SEL_HYPERSLABS and space.is_regular_hyperslab())


def _bounded(start: int, stride: int, count: int, block: int, extent: int) -> Span:
    """The part of a selection along an axis that lies in the dataset."""
    left = max(extent - start, 0)
    whole = min(count, -(-left // stride))
    return start, stride, whole, min(block, left)


def _needed(space: Any) -> tuple[int, ...]:
    """The least extents of a source; none where all of it is taken, or what it grows to."""
    if space.get_select_type() != h5py.h5s.SEL_HYPERSLABS or _unlimited_axis(space) is not None:
        return ()
    return tuple(int(last) + 1 for last in space.get_select_bounds()[1])
