"""The event index: where each event's bytes lie, found by pid."""

from __future__ import annotations

import bisect
import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StaleIndexError, UnknownPidError
from ..names import pid_text
from .loader import Loader
from .readers import whole_numbers
from .search import first_not_below
from .source import Event, EventRef, Pid, Source, change_of

DUPLICATE = 1
"""Flag of an event whose pid other events have, too."""
_MOST_LISTED = 5


@dataclass(frozen=True)
class Frames:
    """The frames of a source."""

    dataset: str
    """Name of the dataset; empty where the format has only one."""
    shape: tuple[int, ...]
    """(rows, columns)."""
    dtype: str


@dataclass(frozen=True, eq=False)
class EventIndex:
    """Events in the order of their pids, as columns; events of equal pids as they were found."""

    pids: NDArray[np.int64]
    """(events, numbers), rows in lexicographic order."""
    source: NDArray[np.uint32]
    """Which of the sources holds the event."""
    row: NDArray[np.uint64]
    """Position of the event in its source."""
    flags: NDArray[np.uint32]
    """`DUPLICATE` or 0."""
    pid_names: tuple[str, ...]
    """One name for each number of a pid."""
    sources: tuple[Source, ...]
    frames: tuple[Frames, ...]
    """One for each source."""
    root: str = ""
    """The folder at which relative paths started."""
    command: str = "spring-index build"
    """The command that builds the index, but for its ``-o FILE``."""
    file: str = "index.h5"
    """Where the index is stored, or would be."""

    def __post_init__(self) -> None:
        for column in (self.pids, self.source, self.row, self.flags):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.pids)

    def find(self, pid: Pid | int) -> int:
        """Position of the first event of that pid.

        Raises
        ------
        UnknownPidError
            If there is none; it says which is nearest.
        """
        numbers = (pid,) if isinstance(pid, int | np.integer) else pid
        wanted = tuple(map(operator.index, numbers))
        self._check_width(len(wanted), pid_text(wanted))
        place = bisect.bisect_left(range(len(self)), wanted, key=self.pid)
        if place == len(self) or self.pid(place) != wanted:
            raise UnknownPidError(f"no event {pid_text(wanted)}: {self._contents(wanted, place)}")
        return place

    def find_many(self, pids: Iterable[Sequence[int]] | NDArray[Any]) -> NDArray[np.int64]:
        """Positions (m,) of pids (m, numbers), in the order of the pids.

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
        source = int(self.source[position])
        return EventRef(
            pid=self.pid(position),
            source=self.sources[source],
            dataset=self.frames[source].dataset,
            row=int(self.row[position]),
        )

    def read(self, pid: Pid | int) -> Event:
        """The first event of that pid; errors as in `find` and `Loader.read`."""
        return self._loader.read(self.ref(self.find(pid)))

    def close(self) -> None:
        """Close the files that `read` keeps open."""
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
            raise StaleIndexError(
                f"{changes[0]}{more}; rebuild the index: {self.command} -o {self.file}"
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index as `load_index` reads it; `SourceError` where that is impossible."""
        from .storage import write_index

        write_index(self, path)

    @cached_property
    def _loader(self) -> Loader:
        return Loader()

    def _as_rows(self, pids: Iterable[Sequence[int]] | NDArray[Any]) -> NDArray[np.int64]:
        try:
            rows = pids if isinstance(pids, np.ndarray) else np.array(list(pids))
            if rows.size == 0:
                return np.empty((0, self.pids.shape[1]), dtype=np.int64)
            rows = whole_numbers(rows.reshape(len(rows), -1))
        except ValueError as fault:
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


def _distance(one: Pid, other: Pid) -> list[int]:
    return [abs(a - b) for a, b in zip(one, other, strict=True)]
