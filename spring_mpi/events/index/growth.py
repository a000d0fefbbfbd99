"""Growing an event index: what the scans of sources hold that it does not know yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .assembly import assemble
from .event_index import EventIndex
from .scans import ROW_NAMES, Scanned, joined, scans_of
from .search import first_not_below


@dataclass(frozen=True)
class Growth:
    """A grown index, and what could not become a part of it."""

    index: EventIndex
    refused: tuple[tuple[str, str], ...] = ()
    """(path, reason) of sources with events that are left out."""


def grow(index: EventIndex, scans: Sequence[Scanned]) -> Growth:
    """The index with all events of the scanned sources that it does not hold.

    Known events stay as they are. Without duplicates the grown index is the one that is built of
    all sources at once, unless events bring no pid: these are numbered in the order of arrival.

    Parameters
    ----------
    scans
        Of sources, new ones or known ones again, in the order of their paths.
    """
    present = [scanned for scanned in scans if scanned.count or scanned.scan.left_out]
    if not present:
        return Growth(index)
    names = index.pid_names or present[0].pid_names
    known = list(scans_of(index))
    files = {each.source.path: each for each in joined(known, by=lambda source: source.path)}
    fitting, refused = [], []
    for scanned in present:
        path = scanned.source.path
        before = files.get(path)
        if scanned.pid_names != names:
            told = f"its pids are {_numbers(scanned.pid_names)}, those of others {_numbers(names)}"
            refused.append((path, told))
        elif before is None or not before.count:
            fitting.append(scanned)
        elif _is_other_data(scanned, before, index.wanted.run):
            refused.append((path, "was written anew; what is new in it is left out"))
        else:
            is_counted = scanned.scan.pids is None
            fitting.append(scanned.after(before.count) if is_counted else scanned)
    if not fitting:
        return Growth(index, tuple(refused))
    start = int(index.pids[:, 1].max()) + 1 if len(index) and names == ROW_NAMES else 0
    found = assemble(fitting, index.wanted, start)
    fresh, doubles = _sifted(index, found)
    refused += _double(found, doubles)
    if not (fresh.any() or found.left_out):
        return Growth(index, tuple(refused))
    grown = assemble(joined([*known, *scans_of(found.with_parts(fresh))]), index.wanted)
    return Growth(replace(grown, file=index.file), tuple(refused))


def _is_other_data(scanned: Scanned, before: Scanned, run: int | None) -> bool:
    """Whether a source no longer holds its known events where they were."""
    order = np.argsort(before.rows)
    now, known = scanned.rows, before.rows[order]
    if len(known) > len(now) or (now[: len(known)] != known).any():
        return True
    if scanned.scan.pids is None:
        return False
    return bool((scanned.pids(0, run)[: len(known)] != before.pids(0, None)[order]).any())


def _sifted(index: EventIndex, found: EventIndex) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the found events are new, and which are others with the pid of a known event.

    Sources that hold parts are scanned once, when they are complete: all of theirs is new.
    """
    pids, known = found.part_pids, index.part_pids
    is_new = np.ones(len(pids), np.bool_)
    is_new[1:] = (pids[1:] != pids[:-1]).any(axis=1)
    is_part = np.array([source.is_part for source in found.sources], np.bool_)[found.source]
    if not len(known):
        return is_new | is_part, ~(is_new | is_part)
    place = np.minimum(first_not_below(known, pids), len(known) - 1)
    is_known = (known[place] == pids).all(axis=1)
    paths = {source.path: number for number, source in enumerate(found.sources)}
    of_known = np.array([paths.get(source.path, -1) for source in index.sources], np.int64)
    is_same = is_known & (of_known[index.source[place]] == found.source)
    is_same &= index.row[place] == found.row
    is_new = is_part | (is_new & ~is_known)
    return is_new, ~(is_new | is_same)


def _double(found: EventIndex, doubles: NDArray[np.bool_]) -> Iterator[tuple[str, str]]:
    counts = np.bincount(found.source[doubles], minlength=len(found.sources))
    for source, count in zip(found.sources, counts.tolist(), strict=True):
        if count:
            yield source.path, f"{count} events have pids that others have; they are left out"


def _numbers(names: Sequence[str]) -> str:
    return f"{len(names)} numbers ({', '.join(names)})"
