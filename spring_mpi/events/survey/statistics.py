"""Statistics of a run: images of all its frames, and sum and lit pixels of every event."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError, SourceError
from ...launch.communicator import Communicator
from ...launch.sharing import shared
from ..event import EventRef
from ..formats.reader import Frame
from ..gain_stages import UndecodedError
from ..index.event_index import EventIndex
from ..index.writing import replacing
from ..reading.loader import Loader
from .moments import IMAGE, Array, Moments, Planes, Tally, merged_planes, valid_pixels

_FIRST = 16
"""Events that are read together while their size is not known."""
_LEAST_EVENTS, _MOST_BLOCKS = 32, 256
"""Of a block: its images cost rank 0 as much as a few frames cost the rank that reads them."""
_TOOL = "spring-index stats"


@dataclass(frozen=True, eq=False)
class Block:
    """Some events in the order of the index."""

    planes: Planes
    sum: Array
    """(events,); NaN where an event could not be read."""
    lit: NDArray[np.uint32]
    faults: tuple[str, ...] = ()
    """One text for each event that could not be read."""


def measure(
    index: EventIndex, threshold: float, communicator: Communicator, stage: int | None = None
) -> Block:
    """Statistics of all events, bit by bit the same for any number of ranks; for rank 0.

    Blocks of events are merged in their own order; blocks depend on the number of events alone.

    Parameters
    ----------
    threshold
        Raw value at and above which a pixel is lit.
    stage
        Of frames with gain stages only the pixels in that one count, 0 = the highest gain, by their
        values without the bits of the stage.

    Raises
    ------
    SourceError
        If frames have different shapes.
    UndecodedError
        If frames have gain stages, and none is given, or one that there is not.
    """
    if len(index):
        _refuse_undecoded(index, stage)
    work = partial(measure_block, threshold, stage=stage)
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


def measure_block(threshold: float, refs: Sequence[EventRef], stage: int | None = None) -> Block:
    """Statistics of some events; one that cannot be read is told and left out."""
    tally = Tally()
    rows: list[tuple[float, int]] = []
    faults: list[str] = []
    with Loader() as loader:
        frames = loader.raw_many(refs, first=_FIRST)
        for _ in refs:
            try:
                frame = _in_stage(next(frames), stage)
            except (SourceError, PatternError) as fault:
                faults.append(str(fault))
                rows.append((np.nan, 0))
                continue
            rows.append(_row(frame, threshold))
            tally.add(frame)
    sums, lits = zip(*rows, strict=True) if rows else ((), ())
    return Block(
        tally.planes(), np.array(sums, np.float64), np.array(lits, np.uint32), tuple(faults)
    )


def images(planes: Planes) -> dict[str, NDArray[np.generic]]:
    """``sum``, ``mean``, ``std``, ``max`` and ``count`` as arrays.

    They are (row, column), or (module, row, column) with the numbers of the ``modules``.
    """
    kept = (column.name for column in fields(Moments) if column.name != "squares")
    names = [*kept, "mean", "std"]
    numbers = sorted(planes)
    if numbers == [IMAGE]:
        return {name: getattr(planes[IMAGE], name) for name in names}
    found = {
        name: np.stack([getattr(planes[number], name) for number in numbers]) for name in names
    }
    return found | {"modules": np.array(numbers, np.int64)}


def _refuse_undecoded(index: EventIndex, stage: int | None) -> None:
    """Raises `UndecodedError` if the first event's values mean nothing as they are."""
    with Loader() as loader, contextlib.suppress(SourceError):
        _in_stage(loader.raw(index.ref(0)), stage)


def _in_stage(frame: Frame, stage: int | None) -> Frame:
    """The frame with what counts of it; as it is where it has no gain stages."""
    if frame.raw is None or not frame.raw.note:
        return frame
    if stage is None:
        raise UndecodedError(
            f"sums of raw values mean nothing here: {frame.raw.note}; --gain-stage 0, 1, ... "
            "counts the pixels in one stage, 0 = the highest gain, by their values alone: of a "
            "dark run in that stage the mean is its pedestal"
        )
    values, others = frame.raw.of_stage(frame.data, stage)
    if others is None:
        return frame
    return frame._replace(data=values, mask=others if frame.mask is None else frame.mask | others)


def _blocks(index: EventIndex) -> Iterator[list[EventRef]]:
    size = max(_LEAST_EVENTS, -(-len(index) // _MOST_BLOCKS))
    for start in range(0, len(index), size):
        yield [index.ref(place) for place in range(start, min(start + size, len(index)))]


def _row(frame: Frame, threshold: float) -> tuple[float, int]:
    """Sum and lit pixels of one event."""
    valid, lit = valid_pixels(frame), frame.data >= _bound(frame.data.dtype, threshold)
    if valid is None:
        return float(frame.data.sum(dtype=np.float64)), int(np.count_nonzero(lit))
    total = frame.data.sum(dtype=np.float64, where=valid)
    return float(total), int(np.count_nonzero(lit & valid))


def _bound(dtype: np.dtype[Any], threshold: float) -> float:
    """The same threshold as an integer where values are, which are compared much faster so."""
    return math.ceil(threshold) if dtype.kind in "iu" and math.isfinite(threshold) else threshold
