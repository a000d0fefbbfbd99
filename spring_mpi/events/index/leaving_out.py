"""Which events an index leaves out: each of them once, whatever sources told of it."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..left_out import LeftOut
from .search import first_not_below, places_of, sorting

_MOST_GROUPS, _MOST_NAMES = 63, 32
"""A set of names is a bit of 64, the last bit all sets beyond that; and names that are kept."""


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
    for group in found:
        if group.pids is None:
            done.append(group)
        elif group.events:
            kinds.setdefault((group.pids.shape[1], group.unit, group.lack), []).append(group)
    done += itertools.chain.from_iterable(_joined(groups, pids) for groups in kinds.values())
    order = operator.attrgetter("source", "unit", "lack", "holds")
    return tuple(sorted(done, key=order))


def _joined(groups: Sequence[LeftOut], indexed: NDArray[np.int64]) -> Iterator[LeftOut]:
    """Of one kind."""
    sets = sorted({group.holds for group in groups})
    bit = {holds: min(number, _MOST_GROUPS) for number, holds in enumerate(sets)}
    counts = [len(group.pids) for group in groups if group.pids is not None]
    pids = np.concatenate([group.pids for group in groups if group.pids is not None])
    bits = np.repeat(np.array([1 << bit[group.holds] for group in groups], np.uint64), counts)
    sources = np.repeat(np.array([group.source for group in groups], np.uint32), counts)
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
    united = [_united(holds for holds in sets if mask >> bit[holds] & 1) for mask in masks.tolist()]
    # Different masks may be of the same names.
    known = sorted(set(united))
    named = np.array([known.index(holds) for holds in united])[which.reshape(-1)]
    codes, which = np.unique(sources.astype(np.int64) * len(known) + named, return_inverse=True)
    for code, places in zip(
        codes.tolist(), places_of(which.reshape(-1).astype(np.uint32), len(codes)), strict=True
    ):
        source, number = divmod(code, len(known))
        yield replace(
            groups[0], events=len(places), holds=known[number], pids=pids[places], source=source
        )


def _united(sets: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """The first names of all the sets, in alphabetic order."""
    return tuple(sorted(set(itertools.chain.from_iterable(sets)))[:_MOST_NAMES])


def _are_in(rows: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(wanted,): whether each is one of the sorted rows."""
    if not len(rows):
        return np.zeros(len(wanted), np.bool_)
    place = np.minimum(first_not_below(rows, wanted), len(rows) - 1)
    return np.asarray((rows[place] == wanted).all(axis=1))
