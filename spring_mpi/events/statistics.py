"""Statistics of a run: images of all its frames, and sum and lit pixels of every event."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comm import Communicator
from ..errors import PatternError, SourceError
from .index import EventIndex
from .loader import Loader
from .readers import Frame
from .sharing import shared
from .source import EventRef
from .storage import replacing

IMAGE = -1
"""Number of the plane of a frame that is no stack of modules."""
_BATCH = 8
"""Frames that are taken together, so that memory is passed over less often."""
_LEAST_EVENTS, _MOST_BLOCKS = 32, 256
"""Of a block: its images cost rank 0 as much as a few frames cost the rank that reads them."""
_TOOL = "spring-index stats"
Array = NDArray[np.float64]


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


@dataclass(frozen=True, eq=False)
class Block:
    """Some events in the order of the index."""

    planes: Planes
    sum: Array
    """(events,); NaN where an event could not be read."""
    lit: NDArray[np.uint32]
    faults: tuple[str, ...] = ()
    """One text for each event that could not be read."""


def measure(index: EventIndex, threshold: float, communicator: Communicator) -> Block:
    """Statistics of all events, bit by bit the same for any number of ranks; for rank 0.

    Blocks of events are merged in their own order; blocks depend on the number of events alone.

    Parameters
    ----------
    threshold
        Raw value at and above which a pixel is lit.

    Raises
    ------
    SourceError
        If frames have different shapes.
    """
    work = partial(measure_block, threshold)
    blocks = shared(communicator, work, _blocks(index), ahead=communicator.size)
    planes: Planes = {}
    columns: list[tuple[Array, NDArray[np.uint32]]] = []
    faults: list[str] = []
    for block in blocks:
        planes = merged_planes(planes, block.planes)
        columns.append((block.sum, block.lit))
        faults += block.faults
    sums, lits = zip(*columns, strict=True) if columns else ((), ())
    return Block(
        planes,
        np.concatenate([np.empty(0), *sums]),
        np.concatenate([np.empty(0, np.uint32), *lits]),
        tuple(faults),
    )


def write_images(path: Path, planes: Planes, index: EventIndex) -> None:
    """Write `images` as an HDF5 file, one dataset each, whole or not at all.

    Raises
    ------
    SourceError
        If the file cannot be written, or one is there that holds anything else.
    """
    with replacing(path.absolute(), index.sources, "the images", _TOOL) as file:
        file.attrs["events"] = len(index)
        for name, values in images(planes).items():
            file.create_dataset(name, data=values, track_times=False)
            if name not in ("count", "modules"):
                file[name].attrs["units"] = "raw"


def measure_block(threshold: float, refs: Sequence[EventRef]) -> Block:
    """Statistics of some events; one that cannot be read is told and left out."""
    planes: Planes = {}
    rows: list[tuple[float, int]] = []
    faults: list[str] = []
    batch: list[Frame] = []
    with Loader() as loader:
        frames = loader.raw_many(refs, first=2 * _BATCH)
        for _ in refs:
            try:
                frame = next(frames)
            except (SourceError, PatternError) as fault:
                faults.append(str(fault))
                rows.append((np.nan, 0))
                continue
            rows.append(_row(frame, threshold))
            batch.append(frame)
            if len(batch) == _BATCH:
                planes = merged_planes(planes, planes_of(batch))
                batch.clear()
    planes = merged_planes(planes, planes_of(batch))
    sums, lits = zip(*rows, strict=True) if rows else ((), ())
    return Block(planes, np.array(sums, np.float64), np.array(lits, np.uint32), tuple(faults))


def planes_of(frames: Iterable[Frame]) -> Planes:
    """Moments of some events; excluded pixels, and such that are not finite, do not count.

    Raises
    ------
    SourceError
        As `merged_planes`.
    """
    found: dict[int, list[tuple[NDArray[Any], NDArray[np.bool_] | None]]] = {}
    for frame in frames:
        valid = _valid(frame)
        if frame.data.ndim == 2:
            found.setdefault(IMAGE, []).append((frame.data, valid))
            continue
        numbers = frame.info.get("modules", range(len(frame.data)))
        for place, number in enumerate(numbers):
            plane = frame.data[place], None if valid is None else valid[place]
            found.setdefault(int(number), []).append(plane)
    _refuse_unlike((data.shape for planes in found.values() for data, _ in planes), found)
    return {number: _moments(planes) for number, planes in found.items()}


def merged_planes(one: Planes, other: Planes) -> Planes:
    """Moments of the events of both; a module may be missing in either.

    Raises
    ------
    SourceError
        If the frames have different shapes, or some are stacks of modules and others are not.
    """
    both = {**one, **other}
    _refuse_unlike((moments.sum.shape for moments in (*one.values(), *other.values())), both)
    return {
        number: merged(one[number], other[number]) if number in one and number in other else alone
        for number, alone in both.items()
    }


def merged(one: Moments, other: Moments) -> Moments:
    """Moments of the events of both (Chan, Golub and LeVeque, COMPSTAT 1982)."""
    count = one.count + other.count
    weight = one.count * other.count / np.maximum(count, 1)
    gap = other.sum / np.maximum(other.count, 1) - one.sum / np.maximum(one.count, 1)
    return Moments(
        count,
        one.sum + other.sum,
        one.squares + other.squares + gap * gap * weight,
        np.fmax(one.max, other.max),
    )


def images(planes: Planes) -> dict[str, NDArray[np.generic]]:
    """``sum``, ``mean``, ``std``, ``max`` and ``count`` as arrays.

    They are (row, column), or (module, row, column) with the numbers of the ``modules``.
    """
    names = [*(one.name for one in fields(Moments) if one.name != "squares"), "mean", "std"]
    numbers = sorted(planes)
    if numbers == [IMAGE]:
        return {name: getattr(planes[IMAGE], name) for name in names}
    found = {name: np.stack([getattr(planes[one], name) for one in numbers]) for name in names}
    return found | {"modules": np.array(numbers, np.int64)}


def _blocks(index: EventIndex) -> Iterator[list[EventRef]]:
    size = max(_LEAST_EVENTS, -(-len(index) // _MOST_BLOCKS))
    for start in range(0, len(index), size):
        yield [index.ref(place) for place in range(start, min(start + size, len(index)))]


def _valid(frame: Frame) -> NDArray[np.bool_] | None:
    """Which pixels of a frame count; None: all."""
    valid: NDArray[np.bool_] | None = None
    if frame.data.dtype.kind == "f" and not (finite := np.isfinite(frame.data)).all():
        valid = finite
    if frame.mask is not None and (excluded := np.asarray(frame.mask, np.bool_)).any():
        valid = ~excluded if valid is None else valid & ~excluded
    return valid


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


def _row(frame: Frame, threshold: float) -> tuple[float, int]:
    """Sum and lit pixels of one event."""
    valid, lit = _valid(frame), frame.data >= threshold
    if valid is None:
        return float(frame.data.sum(dtype=np.float64)), int(np.count_nonzero(lit))
    total = frame.data.sum(dtype=np.float64, where=valid)
    return float(total), int(np.count_nonzero(lit & valid))


def _refuse_unlike(shapes: Iterable[tuple[int, ...]], planes: Collection[int]) -> None:
    """Raises `SourceError` for images that are not alike, and for images among modules."""
    different = set(shapes)
    if len(different) > 1 or (IMAGE in planes and len(planes) > 1):
        told = ", ".join(" x ".join(map(str, shape)) for shape in sorted(different))
        raise SourceError(
            f"the frames are not alike (images and modules of {told} pixels); "
            "build an index for each kind of frames"
        )
