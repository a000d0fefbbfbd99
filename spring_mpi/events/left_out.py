"""Events of the sources that an index leaves out, since they have no frame of its dataset."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .search import first_not_below, places_of, sorting

if TYPE_CHECKING:
    from .index import EventIndex

_MOST_GROUPS, _MOST_NAMES, _MOST_SHOWN, _MOST_DATASETS = 63, 32, 8, 3
NO_FRAME = "frame"
"""What most are left out for the lack of: one of the dataset."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Some events of a source that an index leaves out, all for the same reason."""

    events: int
    holds: tuple[str, ...] = ()
    """Detectors or datasets that are in them instead, in alphabetic order."""
    pids: NDArray[np.int64] | None = None
    """(events, numbers): the first numbers of their pids, where an event may be in several sources,
    one of which has its frame. Indexes in files keep the number of events alone."""
    unit: str = "events"
    """What they are called, if not that: ``trains`` are events without the number of the pulse."""
    lack: str = NO_FRAME
    """What they do not have."""
    source: int = 0
    """Number of the source in the index."""


def settled(found: Iterable[LeftOut], pids: NDArray[np.int64]) -> tuple[LeftOut, ...]:
    """What an index leaves out, each event once, with all that its sources hold of it.

    It is counted for the first of its sources. The order does not matter.

    Parameters
    ----------
    found
        By source; those without pids stay as they are.
    pids
        (events, numbers) of the index, in lexicographic order: these are not left out.
    """
    kinds: dict[tuple[int, str, str], list[LeftOut]] = {}
    done = []
    for one in found:
        if one.pids is None:
            done.append(one)
        elif one.events:
            kinds.setdefault((one.pids.shape[1], one.unit, one.lack), []).append(one)
    done += itertools.chain.from_iterable(_joined(group, pids) for group in kinds.values())
    return tuple(sorted(done, key=lambda one: (one.source, one.unit, one.lack, one.holds)))


def _joined(group: Sequence[LeftOut], indexed: NDArray[np.int64]) -> Iterator[LeftOut]:
    """Of one kind."""
    sets = sorted({one.holds for one in group})
    bit = {holds: min(number, _MOST_GROUPS) for number, holds in enumerate(sets)}
    counts = [len(one.pids) for one in group if one.pids is not None]
    pids = np.concatenate([one.pids for one in group if one.pids is not None])
    bits = np.repeat(np.array([1 << bit[one.holds] for one in group], np.uint64), counts)
    sources = np.repeat(np.array([one.source for one in group], np.uint32), counts)
    order = sorting(pids, sources)
    order = order[~_are_in(indexed[:, : pids.shape[1]], pids[order])]
    if not len(order):
        return
    pids, bits, sources = pids[order], bits[order], sources[order]
    begins = np.ones(len(pids), np.bool_)
    begins[1:] = (pids[1:] != pids[:-1]).any(axis=1)
    starts = np.flatnonzero(begins)
    pids, sources, bits = pids[starts], sources[starts], np.bitwise_or.reduceat(bits, starts)
    masks, which = np.unique(bits, return_inverse=True)
    united = [
        tuple(sorted({name for one in sets if mask >> bit[one] & 1 for name in one}))[:_MOST_NAMES]
        for mask in masks.tolist()
    ]
    # Different masks may be of the same names.
    known = sorted(set(united))
    named = np.array([known.index(holds) for holds in united])[which.reshape(-1)]
    codes, which = np.unique(sources.astype(np.int64) * len(known) + named, return_inverse=True)
    for code, places in zip(
        codes.tolist(), places_of(which.reshape(-1).astype(np.uint32), len(codes)), strict=True
    ):
        source, number = divmod(code, len(known))
        yield replace(
            group[0], events=len(places), holds=known[number], pids=pids[places], source=source
        )


def _are_in(rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(wanted,): whether each is one of the sorted rows."""
    if not len(rows):
        return np.zeros(len(wanted), np.bool_)
    place = np.minimum(first_not_below(rows, wanted), len(rows) - 1)
    return np.asarray((rows[place] == wanted).all(axis=1))


def left_out(index: EventIndex) -> list[str]:
    """What a person should know of the events that an index leaves out.

    ``10 events have no frame of hsd.raw.waveforms and are left out (5 are in the index): 10 hold
    andor.raw.image``; empty where none is left out, or the index does not know.
    """
    kinds: dict[tuple[str, str], list[LeftOut]] = {}
    for one in index.left_out or ():
        kinds.setdefault((one.unit, one.lack), []).append(one)
    return [_sentence(index, *kind, group) for kind, group in kinds.items()]


def _sentence(index: EventIndex, unit: str, lack: str, group: Sequence[LeftOut]) -> str:
    counts: dict[tuple[str, ...], int] = {}
    for one in group:
        counts[one.holds] = counts.get(one.holds, 0) + one.events
    number = sum(counts.values())
    what = f"{_datasets(index)}" if lack == NO_FRAME else lack
    text = (
        f"{number} {unit if number > 1 else unit.removesuffix('s')} {_has(number)} no {what} and "
        f"{_is(number)} left out ({len(index)} events are in the index)"
    )
    if lack != NO_FRAME:
        return text
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{count} {_holds(count)} {_names(names)}" for names, count in most[:_MOST_SHOWN]]
    more = sum(count for _, count in most[_MOST_SHOWN:])
    return f"{text}: {'; '.join([*told, f'{more} hold other things'] if more else told)}"


def _datasets(index: EventIndex) -> str:
    """The frames that are meant."""
    used = {index.frames[number] for number in np.unique(index.source).tolist()}
    names = sorted({frames.dataset for frames in used if frames.dataset})
    more = ", ..." if len(names) > _MOST_DATASETS else ""
    return f"frame of {', '.join(names[:_MOST_DATASETS])}{more}" if names else "frame"


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_SHOWN
    shown = ", ".join(names[:_MOST_SHOWN]) or "nothing else"
    return f"{shown} and {more} more" if more > 0 else shown


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _holds(number: int) -> str:
    return "holds" if number == 1 else "hold"
