"""Frames of different detectors in one index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .formats.reader import Extent, Facts
from .formats.registry import facts_of
from .index import EventIndex
from .mixed import refuse_mixed_event

_MOST = 4


def refuse_mixed(index: EventIndex) -> None:
    """Raises `SourceError` where an event of the index has parts of several detectors.

    Streams of a run may hold one each; without the name of a dataset all of them are taken.
    """
    names = [
        facts.detector_of(frames.dataset) if facts.extent is Extent.RUN else ""
        for facts, frames in zip(_facts(index), index.frames, strict=True)
    ]
    known = sorted(set(names))
    if len(known) < 2 or not len(index):
        return
    detector = np.array([known.index(name) for name in names])[index.source]
    first = np.minimum.reduceat(detector, index.starts)
    last = np.maximum.reduceat(detector, index.starts)
    for place in np.flatnonzero(first != last)[:1].tolist():
        refuse_mixed_event(index.ref(place))


def several(index: EventIndex) -> list[str]:
    """What a person should know of an index whose events have frames of different datasets."""
    if not len(index):
        return []
    events = np.bincount(index.source[index.starts], minlength=len(index.sources)).tolist()
    counts: dict[str, int] = {}
    for facts, frames, count in zip(_facts(index), index.frames, events, strict=True):
        if count:
            name = facts.detector_of(frames.dataset)
            counts[name] = counts.get(name, 0) + count
    if len(counts) < 2:
        return []
    named = [f"{count} of {name or 'no name'}" for name, count in counts.items()]
    more = f", and {len(named) - _MOST} more" if len(named) > _MOST else ""
    return [
        f"events have frames of {len(counts)} datasets: {', '.join(named[:_MOST])}{more}; name one "
        "(dataset) if the others are not meant"
    ]


def _facts(index: EventIndex) -> Iterator[Facts]:
    """Of the format of each source."""
    return (facts_of(source.reader) for source in index.sources)
