"""The event index: where each event's bytes lie, found by pid."""

from __future__ import annotations

import bisect
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import StaleIndexError, UnknownPidError
from ...model.names import parse_pid, pid_text
from ..event import Event, EventRef, Part, Pid, Source, change_of
from ..flags import DUPLICATE, INCOMPLETE
from ..formats.pids import whole_numbers
from ..formats.reader import STEP, Frame
from ..left_out import LeftOut
from ..reading.loader import Loader
from .columns import TRANSITIONS, Frames, Statistics
from .search import first_not_below, repeated
from .wanted import Wanted, rebuild_text
from .writing import write_index

_MOST_LISTED = 5

AnyPid = Sequence[int] | int | str
"""``(71, 1, 145)`` or ``"71-1-145"``; a number alone where pids have only one."""


@dataclass(frozen=True, eq=False)
class EventIndex:
    """Events in the order of their pids, as columns; events of equal pids as they were found."""

    part_pids: NDArray[np.int64]
    """(parts, numbers), rows in lexicographic order."""
    source: NDArray[np.uint32]
    """Which of the sources holds the part."""
    row: NDArray[np.uint64]
    """What the source's reader finds the part by."""
    part_flags: NDArray[np.uint32]
    """What its source says of the part: `DAMAGED`, `INCOMPLETE` (`flags`), or nothing."""
    pid_names: tuple[str, ...]
    """One name for each number of a pid."""
    sources: tuple[Source, ...]
    frames: tuple[Frames, ...]
    """One for each source."""
    wanted: Wanted = Wanted()
    """What the index was built of."""
    transitions: NDArray[np.void] = field(default_factory=lambda: np.empty(0, TRANSITIONS))
    """`TRANSITIONS` records in the order of time: where steps and slow-control values begin."""
    statistics: Statistics | None = None
    """None where the frames were not measured."""
    left_out: tuple[LeftOut, ...] | None = ()
    """Events of the sources that have no frame; None: not known, in indexes of older versions."""
    file: str = "index.h5"
    """Where the index is stored, or would be."""

    def __post_init__(self) -> None:
        for column in (self.part_pids, self.source, self.row, self.part_flags):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """(events,): which part is the first of the event.

        Parts are one event where their pids are equal, and they come from different sources that
        hold parts (see `Source.is_part`).
        """
        holds_parts = np.array([source.is_part for source in self.sources], np.bool_)
        begins = np.ones(len(self.row), np.bool_)
        if holds_parts.any():
            part, source = holds_parts[self.source], self.source
            same = (self.part_pids[1:] == self.part_pids[:-1]).all(axis=1)
            begins[1:] = ~(same & part[1:] & part[:-1] & (source[1:] != source[:-1]))
        return np.flatnonzero(begins)

    @cached_property
    def pids(self) -> NDArray[np.int64]:
        """(events, numbers), rows in lexicographic order."""
        has_parts = len(self.starts) < len(self.row)
        return self.part_pids[self.starts] if has_parts else self.part_pids

    @cached_property
    def flags(self) -> NDArray[np.uint32]:
        """(events,): those of `flags`.

        An event is incomplete, too, where others of its run have more parts.
        """
        if not len(self):
            return np.empty(0, np.uint32)
        flags = np.bitwise_or.reduceat(self.part_flags, self.starts)
        flags |= np.where(repeated(self.pids), np.uint32(DUPLICATE), np.uint32(0))
        counts = np.diff(self.starts, append=len(self.row))
        if counts.max() > 1:
            _, run = np.unique(self.pids[:, 0], return_inverse=True)
            most = np.zeros(run.max() + 1, counts.dtype)
            np.maximum.at(most, run, counts)
            flags |= np.where(counts < most[run], np.uint32(INCOMPLETE), np.uint32(0))
        return flags

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """(events,): the step of the scan (calib cycle) of each event, from 0 on; -1: none."""
        times = np.unique(self.transitions["time"][self.transitions["kind"] == STEP])
        if not len(times) or not (name := self._time_name):
            return np.full(len(self), -1)
        own = self.pids[:, self.pid_names.index(name)].astype(np.uint64)
        return np.searchsorted(times, own, side="right") - 1

    @property
    def _time_name(self) -> str:
        """The number of the pids that is a time; empty where none is."""
        return next((name for name in ("time", "timestamp") if name in self.pid_names), "")

    def find(self, pid: AnyPid) -> int:
        """Position of the first event of that pid, which may be written as ``71-1-145``.

        Raises
        ------
        UnknownPidError
            If there is none; it says which is nearest.
        """
        wanted = _numbers(pid)
        self._check_width(len(wanted), pid_text(wanted))
        place = bisect.bisect_left(range(len(self)), wanted, key=self.pid)
        if place == len(self) or self.pid(place) != wanted:
            raise UnknownPidError(f"no event {pid_text(wanted)}: {self._contents(wanted, place)}")
        return place

    def find_many(self, pids: Iterable[AnyPid] | NDArray[Any]) -> NDArray[np.int64]:
        """Positions (m,) of pids, an array (m, numbers) or as `find`, in the order of the pids.

        Raises
        ------
        UnknownPidError
            If any is unknown; it lists the first few.
        """
        wanted = self._as_rows(pids)
        places = first_not_below(self.pids, wanted)
        known = places < len(self)
        known[known] = (self.pids[places[known]] == wanted[known]).all(axis=1)
        if not known.all():
            missing = wanted[~known]
            names = ", ".join(map(pid_text, missing[:_MOST_LISTED].tolist()))
            more = ", ..." if len(missing) > _MOST_LISTED else ""
            raise UnknownPidError(
                f"{len(missing)} of {len(wanted)} events are not in the index: {names}{more}; "
                f"{self._contents()}"
            )
        return places

    def pid(self, position: int) -> Pid:
        """The pid of the event at that position."""
        return tuple(self.pids[position].tolist())

    def ref(self, position: int) -> EventRef:
        """Where the event at that position is."""
        start = int(self.starts[position])
        end = int(self.starts[position + 1]) if position + 1 < len(self) else len(self.row)
        first, *more = (self._part(place) for place in range(start, end))
        return EventRef(self.pid(position), first.source, first.dataset, first.row, tuple(more))

    def _part(self, place: int) -> Part:
        source = int(self.source[place])
        return Part(self.sources[source], self.frames[source].dataset, int(self.row[place]))

    def with_parts(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> EventIndex:
        """The same sources with these parts alone, in that order, and without statistics."""
        return replace(
            self,
            part_pids=self.part_pids[chosen],
            source=self.source[chosen],
            row=self.row[chosen],
            part_flags=self.part_flags[chosen],
            statistics=None,
        )

    def read(self, pid: AnyPid) -> Event:
        """The first event of that pid; errors as in `find` and `Loader.read`."""
        return self._loader.read(self.ref(self.find(pid)))

    def raw(self, pid: AnyPid) -> Frame:
        """The first event's frame as the files have it, also a stack; errors as in `Loader.raw`."""
        return self._loader.raw(self.ref(self.find(pid)))

    def close(self) -> None:
        """Close the files that `read` and `raw` keep open."""
        self._loader.close()

    def stale(self) -> Iterator[str]:
        """What changed since the index was built, one text for each file."""
        for source in self.sources:
            if change := change_of(source):
                yield f"{source.path} {change}"

    def check(self) -> None:
        """Raises `StaleIndexError` if a file changed or is gone, with the command to rebuild."""
        changes = list(self.stale())
        if changes:
            more = f" (and {len(changes) - 1} more files changed)" if len(changes) > 1 else ""
            raise StaleIndexError(f"{changes[0]}{more}; rebuild the index: {self.rebuilding()}")

    def rebuilding(self) -> str:
        """The command that builds the index again, of the files where they are now."""
        return rebuild_text(self.wanted, self.sources, self.file)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index as `load_index` reads it; `SourceError` where that is impossible."""
        write_index(self, path)

    @cached_property
    def _loader(self) -> Loader:
        return Loader()

    def _as_rows(self, pids: Iterable[AnyPid] | NDArray[Any]) -> NDArray[np.int64]:
        try:
            rows = pids if isinstance(pids, np.ndarray) else np.array([*map(_numbers, pids)])
            if rows.size == 0:
                return np.empty((0, self.pids.shape[1]), dtype=np.int64)
            rows = whole_numbers(rows.reshape(len(rows), -1))
        except (TypeError, ValueError) as fault:
            raise UnknownPidError(f"pids are rows of {self._width()}: {fault}") from fault
        self._check_width(rows.shape[1], pid_text(rows[0]))
        return rows

    def _check_width(self, numbers: int, text: str) -> None:
        if numbers != self.pids.shape[1]:
            raise UnknownPidError(
                f"no event {text}: pids of this index have {self._width()}, not {numbers}"
            )

    def _width(self) -> str:
        return f"{self.pids.shape[1]} numbers ({', '.join(self.pid_names)})"

    def _contents(self, wanted: Pid = (), place: int = 0) -> str:
        """What pids there are, and the nearest of the two beside a place in their order."""
        text = f"the index holds {len(self)} events"
        if len(self):
            text += f", {pid_text(self.pid(0))} to {pid_text(self.pid(len(self) - 1))}"
        beside = [self.pid(p) for p in (place - 1, place) if 0 <= p < len(self)]
        if wanted and beside:
            nearest = min(beside, key=lambda pid: _distance(pid, wanted))
            text += f"; the nearest is {pid_text(nearest)}"
        return text


def _distance(first: Pid, second: Pid) -> list[int]:
    return [abs(a - b) for a, b in zip(first, second, strict=True)]


def _numbers(pid: AnyPid) -> Pid:
    """The numbers of a pid; `ValueError` for a text that is none."""
    if isinstance(pid, str):
        return parse_pid(pid)
    return tuple(map(operator.index, (pid,) if isinstance(pid, int | np.integer) else pid))
