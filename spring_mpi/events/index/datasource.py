"""A run as its user sees it: how many events there are, any one of them, or all in turn."""

from __future__ import annotations

import contextlib
import copy
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..event import Event, EventRef
from ..geometry import Geometry
from ..reading.loader import WINDOW, Fault, Loader, drained, finished, in_turn
from .build import build_index
from .condition import parse_condition
from .event_index import AnyPid, EventIndex
from .wanted import AnyPath

Windows = Generator[deque[Event | Fault], None, None]


class DataSource:
    """The events of some sources, and a loader for them.

    Parameters
    ----------
    source
        A file, pattern, list of them, source string, or an index that is there already.
    geometry
        Puts stacks of modules together.
    where
        Which events count, such as ``"sum > 1e5 and not damaged"``; None: all.
    **reading
        As `build_index`: ``reader``, ``dataset``, ``pid``, ``run``, ``root``.

    Raises
    ------
    SourceError
        As `build_index`, or if the index has no statistics for ``where``.
    ValueError
        If ``where`` is no condition.
    """

    def __init__(
        self,
        source: AnyPath | Sequence[AnyPath] | EventIndex,
        *,
        geometry: Geometry | None = None,
        where: str | None = None,
        **reading: Any,
    ) -> None:
        self.index = source if isinstance(source, EventIndex) else build_index(source, **reading)
        chosen = parse_condition(where).select(self.index) if where else np.ones(len(self.index))
        self._positions = np.flatnonzero(chosen)
        self._geometry, self._loader = geometry, Loader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def pids(self) -> NDArray[np.int64]:
        """(events, numbers), of the events that count."""
        return self.index.pids[self._positions]

    def read(self, pid: AnyPid) -> Event:
        """The first event of that pid; errors as in `EventIndex.find` and `Loader.read`."""
        return self._loader.read(self.index.ref(self.index.find(pid)), self._geometry)

    def events(
        self, pids: Iterable[AnyPid] | NDArray[Any] | None = None, *, ahead: int = WINDOW
    ) -> Events:
        """The events of these pids in their order, or all that count; see `Events`.

        Parameters
        ----------
        ahead
            Bytes of events that are read while the caller works on those before them; up to twice
            as much is in memory. Every iteration opens files of its own.

        Raises
        ------
        UnknownPidError
            If a pid is not in the index.
        """
        positions = self._positions if pids is None else self.index.find_many(pids)
        refs = (self.index.ref(int(position)) for position in positions)
        return Events(_windows(refs, self._geometry, ahead))

    def part(self, rank: int, size: int) -> DataSource:
        """The events for one of so many ranks: neighbours, as many as others have, or one more.

        Raises
        ------
        ValueError
            If there is no such rank.
        """
        if not 0 <= rank < size:
            raise ValueError(f"there is no rank {rank} of {size}; they are numbered from 0 on")
        start, end = (len(self) * edge // size for edge in (rank, rank + 1))
        own = copy.copy(self)
        own._positions, own._loader = self._positions[start:end], Loader()
        return own

    def close(self) -> None:
        """Close the files that `read` keeps open."""
        self._loader.close()


class Events(Iterator[Event]):
    """Events in turn, while a thread reads those to come; `close`, or the last event, ends it.

    A fault is raised when its event's turn comes; `next` goes on with the event after it.
    """

    def __init__(self, windows: Windows) -> None:
        self._ahead = _read_ahead(windows)
        self._turns = drained(self._ahead)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __next__(self) -> Event:
        return in_turn(next(self._turns))

    def close(self) -> None:
        """Stop reading, as soon as what is being read is there, and close the files."""
        self._ahead.close()


def _windows(refs: Iterable[EventRef], geometry: Geometry | None, size: int) -> Windows:
    with Loader() as loader:
        yield from loader.windows(refs, partial(finished, geometry), window=size)


def _read_ahead(windows: Windows) -> Windows:
    """The same windows, of which a thread reads the next one while this one is used."""
    with contextlib.closing(windows), ThreadPoolExecutor(1, "events") as thread:
        coming = thread.submit(next, windows, None)
        while (window := coming.result()) is not None:
            coming = thread.submit(next, windows, None)
            yield window
