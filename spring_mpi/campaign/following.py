"""Follow mode: events that are written while a campaign runs become jobs of its queue."""

from __future__ import annotations

import os
import queue as queues
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..config.event_choice import EventSelection
from ..errors import SpringError
from ..events.index.event_index import EventIndex
from ..events.index.follow import Follower
from ..model.outcome import State
from ..rank0.log import Level, Log
from ..rank0.queue import Queue
from ..rundir.disk_space import fault_text
from .plan import Plan
from .selection import grown

_LONGEST_END = 2.0
"""Seconds that the end of a campaign waits for a look that is under way."""


@dataclass(frozen=True)
class Found:
    """What a look found."""

    remarks: tuple[str, ...]
    index: EventIndex
    positions: NDArray[np.int64]
    """Of the selected events in the index, new ones last."""


class EventSearch:
    """Looks for new events, and saves the index that holds them before anybody hears of them.

    So a campaign that dies in between resumes with them, and the journal need not know.
    """

    def __init__(
        self, follower: Follower, plan: Plan, path: Path, *, may_save: Callable[[], bool]
    ) -> None:
        self._follower, self._events, self._path = follower, plan.config.events, path
        self._may_save = may_save
        self._index, self._positions = plan.index, plan.positions
        self._list_state = _state(self._events)
        self._said: set[str] = set()

    def look(self) -> Found:
        """One look."""
        remarks = self._follower.look()
        try:
            self._take_over()
        except (SpringError, OSError) as fault:
            reason = fault_text(fault) if isinstance(fault, OSError) else str(fault)
            remarks += [f"{reason}; it is tried again"] if reason not in self._said else []
            self._said.add(reason)
        else:
            self._said.clear()
        return Found(tuple(remarks), self._index, self._positions)

    def _take_over(self) -> None:
        """Save a grown index, and select from it; all or nothing, so that it can be repeated."""
        index, state = self._follower.index, _state(self._events)
        if index is self._index and state == self._list_state:
            return
        positions = grown(self._events, self._index, self._positions, index)
        if index is not self._index and self._may_save():
            index.save(self._path)
        self._index, self._positions, self._list_state = index, positions, state


class Following:
    """Lets a thread look, so that rank 0 never waits for files, and takes over what it found."""

    def __init__(
        self,
        follower: Follower,
        plan: Plan,
        queue: Queue,
        path: Path,
        seconds: float,
        log: Log,
    ) -> None:
        self._plan, self._queue, self._seconds, self._log = plan, queue, seconds, log
        self._stop = threading.Event()
        self._search = EventSearch(follower, plan, path, may_save=lambda: not self._stop.is_set())
        # Beside `_stop` all that both threads touch: plan and queue belong to that of rank 0.
        self._found: queues.SimpleQueue[Found | str] = queues.SimpleQueue()
        self._thread = threading.Thread(target=self._watch, name="new events", daemon=True)

    def __enter__(self) -> Callable[[], None]:
        """What rank 0 is to call in every turn: `take`."""
        self._thread.start()
        return self.take

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(_LONGEST_END)

    def take(self) -> None:
        """Queue the jobs of new events; never waits."""
        while not self._found.empty():
            found = self._found.get()
            if isinstance(found, str):
                self._log("looking for new events failed; it is tried again", Level.FAULT)
                self._log(found, Level.DETAIL)
            else:
                self._take(found)

    def _take(self, found: Found) -> None:
        for remark in found.remarks:
            self._log(remark, Level.FAULT)
        added = len(found.index) - len(self._plan.index)
        if not added and len(found.positions) == len(self._plan.positions):
            return
        names = self._plan.grow(found.index, found.positions)
        for name in names:
            self._queue.settle(name, State.WAITING)
        self._log(f"{added} new events ({len(found.index)} in all): {len(names)} new jobs")

    def _watch(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._found.put(self._search.look())
            except Exception:
                # A fault of ours in a look must not end the campaign; the next look may do.
                self._found.put(traceback.format_exc())


def _state(events: EventSelection) -> tuple[int, int]:
    """Size and time of change of the list of events; zeros where there is none."""
    try:
        status = os.stat(events.list or "")
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
