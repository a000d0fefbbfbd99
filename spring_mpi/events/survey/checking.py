"""Checking a run: every source and every event of an index is read, and what is wrong told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...launch.communicator import Communicator
from ...launch.sharing import shared
from ...model.names import pid_text
from ..event import Source, change_of
from ..flags import FLAGS
from ..formats.reader import READ_FAULTS, Handle, LinkingHandle
from ..formats.registry import find_reader
from ..formats.wording import reason_of
from ..index.columns import Frames
from ..index.event_index import EventIndex

_ROWS = 256
"""Events that one rank reads at a time."""
_MOST_LISTED = 5


@dataclass(frozen=True, eq=False)
class Stretch:
    """Some events of one source."""

    source: Source
    frames: Frames
    rows: NDArray[np.uint64]
    """(events,) in the order of the source; none: the source is only opened."""


def faults(index: EventIndex, communicator: Communicator, *, headers: bool) -> Iterator[str]:
    """What is wrong with the sources and events, one line each; for rank 0.

    Parameters
    ----------
    headers
        Sources are compared with what they were and opened; no frame is read.
    """
    told: set[str] = set()
    for found in shared(communicator, check_stretch, _stretches(index, headers=headers)):
        if found and found not in told:
            told.add(found)
            yield found
    for name, flag in FLAGS.items():
        places = np.flatnonzero(index.flags & flag)
        if len(places):
            pids = ", ".join(pid_text(index.pid(int(place))) for place in places[:_MOST_LISTED])
            more = ", ..." if len(places) > _MOST_LISTED else ""
            yield f"{len(places)} events are {name}: {pids}{more}"


def check_stretch(stretch: Stretch) -> str:
    """What is wrong with a source or some of its events; empty where nothing is."""
    source = stretch.source
    if change := change_of(source):
        return f"{source.path} {change}"
    try:
        with closing(find_reader(source.reader).open(source.path)) as handle:
            if isinstance(handle, LinkingHandle):
                handle.check(stretch.frames.dataset)
            wrong = [(row, reason) for row in stretch.rows.tolist()
                     if (reason := _fault_of_event(handle, stretch.frames, row))]  # fmt: skip
    except READ_FAULTS as fault:
        reason = reason_of(fault)
        return reason if source.path in reason else f"{source.path} cannot be opened: {reason}"
    if not wrong:
        return ""
    rows = ", ".join(str(row) for row, _ in wrong[:_MOST_LISTED])
    more = ", ..." if len(wrong) > _MOST_LISTED else ""
    return f"{source.path}: {len(wrong)} events cannot be read (rows {rows}{more}): {wrong[0][1]}"


def _fault_of_event(handle: Handle, frames: Frames, row: int) -> str:
    try:
        shape = tuple(np.shape(handle.event(frames.dataset, row).data))
    except READ_FAULTS as fault:
        return reason_of(fault)
    return "" if shape[-2:] == frames.shape else f"its frame is {shape}, not {frames.shape}"


def _stretches(index: EventIndex, *, headers: bool) -> Iterator[Stretch]:
    order = np.lexsort((index.row, index.source))
    edges = np.searchsorted(index.source[order], np.arange(len(index.sources) + 1))
    for number, (source, frames) in enumerate(zip(index.sources, index.frames, strict=True)):
        rows = index.row[order[edges[number] : edges[number + 1]]]
        chosen = rows[:0] if headers else rows
        for start in range(0, max(len(chosen), 1), _ROWS):
            yield Stretch(source, frames, chosen[start : start + _ROWS])
