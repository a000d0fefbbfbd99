"""What a person should know of an index: told where it is built, shown, checked and used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ...model.names import pid_text
from ..flags import FLAGS
from ..formats.registry import facts_of
from ..formats.wording import listed
from ..left_out import NO_FRAME, LeftOut
from .event_index import EventIndex

_MOST_SHOWN, _MOST_DATASETS, _MOST_DETECTORS = 8, 3, 4


def remarks(index: EventIndex) -> list[str]:
    """Sentences on frames of different datasets, and on events that are left out; maybe none."""
    return [*_several(index), *left_out(index)]


def _several(index: EventIndex) -> list[str]:
    """What a person should know of an index whose events have frames of different datasets."""
    if not len(index):
        return []
    events = np.bincount(index.source[index.starts], minlength=len(index.sources)).tolist()
    counts: dict[str, int] = {}
    for source, frames, count in zip(index.sources, index.frames, events, strict=True):
        if count:
            name = facts_of(source.reader).detector_of(frames.dataset)
            counts[name] = counts.get(name, 0) + count
    if len(counts) < 2:
        return []
    named = [f"{count} of {name or 'no name'}" for name, count in counts.items()]
    more = f", and {len(named) - _MOST_DETECTORS} more" if len(named) > _MOST_DETECTORS else ""
    return [
        f"events have frames of {len(counts)} datasets: {', '.join(named[:_MOST_DETECTORS])}"
        f"{more}; name one (dataset) if the others are not meant"
    ]


def flagged(index: EventIndex, positions: NDArray[np.int64]) -> str:
    """How many of the events at these positions are flagged, and as what; empty if none is.

    ``2 of 6 events are flagged: 1 damaged (34-5), 2 incomplete (34-5, ...)``; one event may have
    several flags.
    """
    flags = index.flags[positions]
    if not flags.any():
        return ""
    kinds = ", ".join(_kinds(index, positions, flags))
    return f"{np.count_nonzero(flags)} of {len(flags)} events are flagged: {kinds}"


def _kinds(
    index: EventIndex, positions: NDArray[np.int64], flags: NDArray[np.uint32]
) -> Iterator[str]:
    for word, flag in FLAGS.items():
        found = positions[flags & flag != 0]
        if len(found):
            more = ", ..." if len(found) > 1 else ""
            yield f"{len(found)} {word} ({pid_text(index.pid(int(found[0])))}{more})"


def left_out(index: EventIndex) -> list[str]:
    """What a person should know of the events that an index leaves out.

    ``10 events have no frame of hsd.raw.waveforms and are left out (5 are in the index): 10 hold
    andor.raw.image``; empty where none is left out, or the index does not know.
    """
    kinds: dict[tuple[str, str], list[LeftOut]] = {}
    for group in index.left_out or ():
        kinds.setdefault((group.unit, group.lack), []).append(group)
    return [_sentence(index, *kind, groups) for kind, groups in kinds.items()]


def _sentence(index: EventIndex, unit: str, lack: str, groups: Sequence[LeftOut]) -> str:
    counts: dict[tuple[str, ...], int] = {}
    for group in groups:
        counts[group.holds] = counts.get(group.holds, 0) + group.events
    number = sum(counts.values())
    what = f"{_datasets(index)}" if lack == NO_FRAME else lack
    text = (
        f"{number} {unit if number > 1 else unit.removesuffix('s')} {_has(number)} no {what} and "
        f"{_is(number)} left out ({len(index)} events are in the index)"
    )
    if lack != NO_FRAME:
        return text
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [
        f"{count} {_holds(count)} {listed(names, _MOST_SHOWN) or 'nothing else'}"
        for names, count in most[:_MOST_SHOWN]
    ]
    more = sum(count for _, count in most[_MOST_SHOWN:])
    return f"{text}: {'; '.join([*told, f'{more} hold other things'] if more else told)}"


def _datasets(index: EventIndex) -> str:
    """The frames that are meant."""
    used = {index.frames[number] for number in np.unique(index.source).tolist()}
    names = sorted({frames.dataset for frames in used if frames.dataset})
    more = ", ..." if len(names) > _MOST_DATASETS else ""
    return f"frame of {', '.join(names[:_MOST_DATASETS])}{more}" if names else "frame"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _holds(number: int) -> str:
    return "holds" if number == 1 else "hold"
