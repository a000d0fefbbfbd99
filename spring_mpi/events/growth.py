"""Growing an event index: what the scans of sources hold that it does not know yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .assembly import ROW_NAMES, Scanned, assemble, merged
from .index import EventIndex
from .search import first_not_below, places_of


@dataclass(frozen=True)
class Growth:
    """A grown index, and what could not become a part of it."""

    index: EventIndex
    refused: tuple[tuple[str, str], ...] = ()
    """(path, reason) of sources with events that are left out."""


def grow(index: EventIndex, scanned: Sequence[Scanned], run: int | None) -> Growth:
    """The index with all events of the scanned sources that it does not hold.

    Known events stay as they are. Without duplicates the grown index is the one that is built of
    all sources at once, unless events bring no pid: these are numbered in the order of arrival.

    Parameters
    ----------
    scanned
        Sources, new ones or known ones again, in the order of their paths.
    run
        Number of the run; None: that of each file.
    """
    present = [one for one in scanned if one.scan.shape[0] or one.scan.left_out]
    names = index.pid_names or (present[0].pid_names if present else ())
    fitting, refused, known = [], [], _places_by_path(index)
    for one in present:
        places = known.get(one.source.path, np.empty(0, np.intp))
        rows, pids = index.row[places], index.part_pids[places]
        if one.pid_names != names:
            reason = f"its pids are {_numbers(one.pid_names)}, those of others {_numbers(names)}"
            refused.append((one.source.path, reason))
        elif _is_other_data(one, rows, pids, run):
            refused.append((one.source.path, "was written anew; what is new in it is left out"))
        elif one.scan.pids is None and len(rows):
            fitting.append(replace(one, first=len(rows)))
        else:
            fitting.append(one)
    if not fitting:
        return Growth(index, tuple(refused))
    start = int(index.pids[:, 1].max()) + 1 if len(index) and names == ROW_NAMES else 0
    found = assemble(fitting, run=run, root=index.root, command=index.command, start=start)
    fresh, doubles = _sifted(index, found)
    refused += _double(found, doubles)
    return Growth(merged(index, _subset(found, fresh)), tuple(refused))


def _places_by_path(index: EventIndex) -> dict[str, NDArray[np.intp]]:
    """The positions of each file's events; a file may be several sources, in a row."""
    found: dict[str, NDArray[np.intp]] = {}
    for source, places in zip(
        index.sources, places_of(index.source, len(index.sources)), strict=True
    ):
        earlier = found.get(source.path)
        found[source.path] = places if earlier is None else np.concatenate([earlier, places])
    return found


def _is_other_data(
    one: Scanned, rows: NDArray[np.uint64], pids: NDArray[np.int64], run: int | None
) -> bool:
    """Whether a source no longer holds its known events where they were."""
    if not len(rows):
        return False
    order = np.argsort(rows)
    now = one.rows
    if len(rows) > len(now) or (now[: len(rows)] != rows[order]).any():
        return True
    known = one.pids(0, run)[: len(rows)]
    return one.scan.pids is not None and bool((known != pids[order]).any())


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


def _subset(index: EventIndex, chosen: NDArray[np.bool_]) -> EventIndex:
    """Some events of an index; the sources of the others stay."""
    return replace(
        index,
        part_pids=index.part_pids[chosen],
        source=index.source[chosen],
        row=index.row[chosen],
        part_flags=index.part_flags[chosen],
        statistics=None,
    )


def _numbers(names: Sequence[str]) -> str:
    return f"{len(names)} numbers ({', '.join(names)})"
