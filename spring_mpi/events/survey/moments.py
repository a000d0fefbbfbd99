"""Moments of the images of many events: how often a pixel counts, mean, deviation and maximum."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ..formats.reader import Frame

IMAGE = -1
"""Number of the plane of a frame that is no stack of modules."""
_BATCH = 8
"""Frames that are taken together, so that memory is passed over less often."""
_MOST_SUMMED = 2**13
"""Events; beyond 2^15 of them, sums of squares times their number would not fit into 64 bits."""
Array = NDArray[np.float64]
Plane = tuple[int, NDArray[Any], NDArray[np.bool_] | None]
"""Number of the module or `IMAGE`, values (row, column), and which of them count; None: all."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Of each pixel (row, column) over some events, those in which it is excluded left out."""

    count: NDArray[np.int64]
    """Events in which the pixel counts."""
    sum: Array
    squares: Array
    """Sum of the squared distances from the mean."""
    max: Array
    """NaN where no event counts."""

    @property
    def mean(self) -> Array:
        """NaN where no event counts."""
        return self.sum / np.where(self.count, self.count, np.nan)

    @property
    def std(self) -> Array:
        """Standard deviation of the events themselves (divisor n); NaN where none counts."""
        return np.sqrt(self.squares / np.where(self.count, self.count, np.nan))


Planes = Mapping[int, Moments]
"""Moments by number of module, or by `IMAGE`."""


class Tally:
    """Moments of events as they come; excluded pixels, and such that are not finite, do not count.

    Integers of up to 16 bits are summed with their squares, exactly, so that no mean is needed
    before; all other values are taken together a few events at a time, in two passes.
    """

    def __init__(self) -> None:
        self._done: Planes = {}
        self._sums: dict[tuple[int, tuple[int, ...]], _Sums] = {}
        self._summed = 0
        self._batch: list[Frame] = []

    def add(self, frame: Frame) -> None:
        """One event more; errors as of `merged_planes`."""
        if frame.data.dtype.kind in "iu" and frame.data.dtype.itemsize <= 2:
            for number, values, valid in _planes(frame):
                key = number, values.shape
                if key not in self._sums:
                    self._sums[key] = _Sums(values.shape)
                self._sums[key].add(values, valid)
            self._summed += 1
        else:
            self._batch.append(frame)
        if self._summed == _MOST_SUMMED or len(self._batch) == _BATCH:
            self._done = self.planes()
            self._sums, self._summed, self._batch = {}, 0, []

    def planes(self) -> Planes:
        """Moments of all events so far; errors as of `merged_planes`."""
        found = merged_planes(self._done, _planes_of(self._batch))
        for (number, _), sums in self._sums.items():
            found = merged_planes(found, {number: sums.moments()})
        return found


class _Sums:
    """Sums over integer images of one shape."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._count: int | NDArray[np.int64] = 0
        self._sum, self._squares, self._room = np.zeros((3, *shape))
        self._max = np.full(shape, np.iinfo(np.int32).min, np.int32)

    def add(self, values: NDArray[Any], valid: NDArray[np.bool_] | None) -> None:
        if valid is None:
            np.maximum(self._max, values, out=self._max)
            self._count = self._count + 1
        else:
            np.maximum(self._max, values, out=self._max, where=valid)
            self._count, values = self._count + valid, np.where(valid, values, 0)
        self._room[...] = values
        self._sum += self._room
        self._room *= self._room
        self._squares += self._room

    def moments(self) -> Moments:
        count = np.broadcast_to(np.asarray(self._count, np.int64), self._sum.shape)
        total, squares = self._sum.astype(np.int64), self._squares.astype(np.int64)
        # Both products are exact, so that nothing is lost where they are nearly equal.
        distances = (count * squares - total * total) / np.maximum(count, 1)
        return Moments(count, self._sum, distances, np.where(count, self._max, np.nan))


def merged_planes(first: Planes, second: Planes) -> Planes:
    """Moments of the events of both; a module may be missing in either.

    Raises
    ------
    SourceError
        If the frames have different shapes, or some are stacks of modules and others are not.
    """
    both = {**first, **second}
    _refuse_unlike((moments.sum.shape for moments in (*first.values(), *second.values())), both)
    return {
        number: merged(first[number], second[number])
        if number in first and number in second else alone
        for number, alone in both.items()
    }  # fmt: skip


def merged(first: Moments, second: Moments) -> Moments:
    """Moments of the events of both (Chan, Golub and LeVeque, COMPSTAT 1982)."""
    count = first.count + second.count
    weight = first.count * second.count / np.maximum(count, 1)
    gap = second.sum / np.maximum(second.count, 1) - first.sum / np.maximum(first.count, 1)
    return Moments(
        count,
        first.sum + second.sum,
        first.squares + second.squares + gap * gap * weight,
        np.fmax(first.max, second.max),
    )


def valid_pixels(frame: Frame) -> NDArray[np.bool_] | None:
    """Which pixels of a frame count; None: all."""
    valid: NDArray[np.bool_] | None = None
    if frame.data.dtype.kind == "f" and not (finite := np.isfinite(frame.data)).all():
        valid = finite
    if frame.mask is not None and (excluded := np.asarray(frame.mask, np.bool_)).any():
        valid = ~excluded if valid is None else valid & ~excluded
    return valid


def _planes(frame: Frame) -> Iterator[Plane]:
    """The image of a frame, or the modules of a stack."""
    valid = valid_pixels(frame)
    if frame.data.ndim == 2:
        yield IMAGE, frame.data, valid
        return
    numbers = frame.info.get("modules", range(len(frame.data)))
    for place, number in enumerate(numbers):
        yield int(number), frame.data[place], None if valid is None else valid[place]


def _planes_of(frames: Iterable[Frame]) -> Planes:
    """Moments of events that are there together."""
    found: dict[int, list[tuple[NDArray[Any], NDArray[np.bool_] | None]]] = {}
    for number, values, valid in chain.from_iterable(map(_planes, frames)):
        found.setdefault(number, []).append((values, valid))
    _refuse_unlike((data.shape for planes in found.values() for data, _ in planes), found)
    return {number: _moments(planes) for number, planes in found.items()}


def _moments(planes: Sequence[tuple[NDArray[Any], NDArray[np.bool_] | None]]) -> Moments:
    """Moments of some images (row, column) and of what counts in them, in two passes."""
    values = np.stack([data for data, _ in planes]).astype(np.float64)
    if all(valid is None for _, valid in planes):
        total, count = values.sum(axis=0), np.full(values.shape[1:], len(planes))
        peak = values.max(axis=0)
        values -= total / len(planes)
    else:
        all_valid = np.ones(values.shape[1:], np.bool_)
        counted = np.stack([all_valid if valid is None else valid for _, valid in planes])
        count = counted.sum(axis=0)
        total = values.sum(axis=0, where=counted)
        peak = np.fmax.reduce(np.where(counted, values, np.nan), axis=0)
        values = np.where(counted, values, 0.0) - total / np.maximum(count, 1)
        values[~counted] = 0.0
    return Moments(count, total, np.einsum("eij,eij->ij", values, values), peak)


def _refuse_unlike(shapes: Iterable[tuple[int, ...]], planes: Collection[int]) -> None:
    """Raises `SourceError` for images that are not alike, and for images among modules."""
    different = set(shapes)
    if len(different) > 1 or (IMAGE in planes and len(planes) > 1):
        told = ", ".join(" x ".join(map(str, shape)) for shape in sorted(different))
        raise SourceError(
            f"the frames are not alike (images and modules of {told} pixels); "
            "build an index for each kind of frames"
        )
