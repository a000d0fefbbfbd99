"""What was found in each source: an index is assembled of scans, and gives them back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..event import Source, run_in_name, source_of_file
from ..formats.reader import Reader, Scan
from ..left_out import LeftOut
from .search import places_of
from .wanted import Wanted

if TYPE_CHECKING:
    from .event_index import EventIndex

ROW_NAMES = ("run", "row")
"""Names of a pid's numbers where sources bring none."""


@dataclass(frozen=True)
class Scanned:
    """A source, and what was found in it."""

    source: Source
    scan: Scan

    @property
    def count(self) -> int:
        """How many events there are."""
        return self.scan.shape[0]

    @property
    def pid_names(self) -> tuple[str, ...]:
        """One name for each number of the pids."""
        return ROW_NAMES if self.scan.pids is None else self.scan.pid_names

    @property
    def rows(self) -> NDArray[np.uint64]:
        """(count,): what the reader finds the events by."""
        rows = self.scan.rows
        return np.arange(self.count, dtype=np.uint64) if rows is None else rows

    @property
    def flags(self) -> NDArray[np.uint32]:
        """(count,): what the source says of the events."""
        flags = self.scan.flags
        return np.zeros(self.count, np.uint32) if flags is None else flags

    def pids(self, start: int, run: int | None) -> NDArray[np.int64]:
        """(count, numbers); events that bring no pid are counted from ``start``."""
        pids = self.scan.pids
        if pids is None:
            rows = np.arange(start, start + self.count, dtype=np.int64)
            pids = np.stack([np.full_like(rows, run_in_name(self.source.path)), rows], axis=1)
        return self._of_run(pids, run)

    def left_out(self, number: int, run: int | None) -> Iterator[LeftOut]:
        """What is left out of the source of that number."""
        for group in self.scan.left_out:
            pids = None if group.pids is None else self._of_run(group.pids, run)
            yield replace(group, pids=pids, source=number)

    def _of_run(self, pids: NDArray[np.int64], run: int | None) -> NDArray[np.int64]:
        """The pids with that number of the run, if they have one; None: as they are."""
        if run is None or "run" not in self.pid_names:
            return pids
        pids = pids.copy()
        pids[:, self.pid_names.index("run")] = run
        return pids

    def uncounted(self) -> Scanned:
        """The same without pids: its events are to be counted."""
        return replace(self, scan=replace(self.scan, pids=None))

    def after(self, first: int) -> Scanned:
        """The same without so many first events, of a source that brings no pids."""
        return replace(self, scan=replace(
            self.scan, shape=(self.count - first, *self.scan.shape[1:]),
            rows=self.rows[first:], flags=self.flags[first:],
        ))  # fmt: skip

    def extended(self, more: Scanned) -> Scanned:
        """The events of both, which are of one source; both have pids."""
        transitions = [
            part.scan.transitions for part in (self, more) if part.scan.transitions is not None
        ]
        return replace(more, scan=replace(
            more.scan,
            shape=(self.count + more.count, *more.scan.shape[1:]),
            pids=np.concatenate([self.pids(0, None), more.pids(0, None)]),
            rows=np.concatenate([self.rows, more.rows]),
            flags=np.concatenate([self.flags, more.flags]),
            # A source that is scanned again tells them again.
            transitions=np.unique(np.concatenate(transitions)) if transitions else None,
            left_out=(*self.scan.left_out, *more.scan.left_out),
        ))  # fmt: skip


def scan_source(wanted: Wanted, path: str, name: str, reader: Reader) -> Scanned:
    """What is in a source, by the reader of that name; raises any of `READ_FAULTS`."""
    # The state of the file is taken first: a change while it is scanned makes the index stale.
    source = source_of_file(path, name) if reader.needs_file else Source(path, name)
    return Scanned(source, reader.scan(path, dataset=wanted.dataset, pid=wanted.pid_datasets))


def scans_of(index: EventIndex) -> Iterator[Scanned]:
    """The scans that an index was assembled from, in the order of its sources; all have pids."""
    count = len(index.sources)
    events = places_of(index.source, count)
    transitions = places_of(index.transitions["source"], count)
    left_out: dict[int, list[LeftOut]] = {}
    for group in index.left_out or ():
        left_out.setdefault(group.source, []).append(group)
    for number, (source, frames) in enumerate(zip(index.sources, index.frames, strict=True)):
        places = events[number]
        yield Scanned(source, Scan(
            dataset=frames.dataset,
            pids=index.part_pids[places],
            pid_names=index.pid_names,
            shape=(len(places), *frames.shape),
            dtype=frames.dtype,
            rows=index.row[places],
            flags=index.part_flags[places],
            transitions=index.transitions[transitions[number]],
            is_part=source.is_part,
            left_out=tuple(left_out.get(number, ())),
        ))  # fmt: skip


def joined(
    scans: Iterable[Scanned], by: Callable[[Source], Hashable] = lambda source: source
) -> list[Scanned]:
    """Every source once, with the events of all its scans, in the order in which an index has it.

    A file that was indexed as complete and grew later is two sources, the complete one first;
    ``by`` its path it is one.
    """
    found: dict[Hashable, Scanned] = {}
    for scanned in scans:
        key = by(scanned.source)
        found[key] = found[key].extended(scanned) if key in found else scanned
    return sorted(found.values(), key=lambda each: (each.source.path, not each.source.size))
