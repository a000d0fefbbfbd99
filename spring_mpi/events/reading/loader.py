"""Reading of events, one or many in any order, from a few files that stay open."""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError, SourceError, StaleIndexError
from ...model.names import pid_text
from ..event import Event, EventRef, Part, Source, change_of
from ..formats.parts import joined
from ..formats.reader import READ_FAULTS, Empty, Frame, Handle, Reader, frames_of
from ..formats.registry import find_reader
from ..formats.wording import reason_of
from ..geometry import Geometry
from .memory import Memory
from .mixed import refuse_mixed_event
from .stacking import assembled, without_modules

Value = TypeVar("Value")
Shot = TypeVar("Shot", Event, Frame)
Fault = SourceError | PatternError
"""Why an event cannot be read."""

WINDOW = 2**26
"""Bytes of events that are read together."""
_MOST_TOGETHER = 1024
_PATIENCE, _PAUSE = 20.0, 0.1
"""Seconds that a writer, or a network's cache, may keep a new event from us; and between tries."""


class Loader:
    """Reads events; keeps up to ``max_open`` files open, those that were used last."""

    def __init__(self, max_open: int = 32) -> None:
        self._max_open = max_open
        self._readers: dict[str, Reader] = {}
        self._handles: OrderedDict[Source, Handle] = OrderedDict()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, ref: EventRef, geometry: Geometry | None = None) -> Event:
        """The event, its frame (row, column) as the source has it, or assembled by a geometry.

        Raises
        ------
        SourceError
            If the data cannot be read; `StaleIndexError` if the file changed since it was indexed.
        PatternError
            If the frame is no array of numbers that is two-dimensional or a stack that the geometry
            describes, or its mask has another shape.
        """
        return finished(geometry, ref, self.frame(ref))

    def read_many(
        self, refs: Iterable[EventRef], geometry: Geometry | None = None, *, window: int = WINDOW
    ) -> Iterator[Event]:
        """The events in the order of the references, as `read` gives each of them.

        Parameters
        ----------
        window
            Bytes of events that are read together, taken from the largest event so far. In a
            window each file is read in its own order, neighbours and whole chunks at once.

        Raises
        ------
        SourceError, PatternError
            As `read`, when the event's turn comes; `next` goes on with the one after it.
        """
        events = self.windows(refs, partial(finished, geometry), window=window)
        return map(in_turn, drained(events))

    def raw_many(
        self, refs: Iterable[EventRef], *, window: int = WINDOW, first: int = 1
    ) -> Iterator[Frame]:
        """The frames as `raw` gives each of them; see `windows`."""
        return map(in_turn, drained(self.windows(refs, _checked, window=window, first=first)))

    def windows(
        self,
        refs: Iterable[EventRef],
        finish: Callable[[EventRef, Frame], Shot],
        *,
        window: int = WINDOW,
        first: int = 1,
    ) -> Iterator[deque[Shot | Fault]]:
        """What `read_many` gives, one window after the other; the faults in their places.

        Parameters
        ----------
        finish
            Makes of each event's frame what is wanted; may raise `Fault`.
        window
            As in `read_many`.
        first
            Events of a window as long as the size of an event is not known.
        """
        waiting, count, largest = iter(refs), first, 0
        memory = Memory(2 * window)
        while chosen := list(islice(waiting, count)):
            ahead = self._read_together(chosen, memory.empty)
            outcomes = deque(self._outcome(ref, ahead, finish) for ref in chosen)
            largest = max(largest, *map(_bytes, outcomes))
            if largest:
                count = min(max(window // largest, 1), _MOST_TOGETHER)
            yield outcomes

    def raw(self, ref: EventRef) -> Frame:
        """The frame as its sources have it, be it a stack of modules; errors as in `read`."""
        return _checked(ref, self.frame(ref))

    def frame(self, ref: EventRef) -> Frame:
        """The event's frame, or stack (modules, rows, columns), as its source has it.

        Raises
        ------
        SourceError
            As `read`.
        PatternError
            If its parts do not fit together.
        """
        refuse_mixed_event(ref)
        return joined([self._frame(ref, part) for part in ref.parts])

    def field(self, ref: EventRef, dataset: str) -> NDArray[Any]:
        """The event's values of another dataset of its first source; errors as in `read`."""
        return self._attempt(ref, ref.parts[0], lambda handle: handle.field(dataset, ref.row))

    def close(self) -> None:
        """Close all files; the loader can still be used."""
        while self._handles:
            self._handles.popitem()[1].close()

    def _frame(self, ref: EventRef, part: Part) -> Frame:
        return Frame(*self._attempt(ref, part, lambda handle: handle.event(part.dataset, part.row)))

    def _read_together(self, refs: Iterable[EventRef], empty: Empty) -> dict[Part, Frame]:
        """The frames of all parts that can be read together with the others of their source."""
        wanted: dict[tuple[Source, str], set[int]] = {}
        for part in chain.from_iterable(ref.parts for ref in refs):
            if not part.source.grows:
                wanted.setdefault((part.source, part.dataset), set()).add(part.row)
        found: dict[Part, Frame] = {}
        for (source, dataset), rows in wanted.items():
            # What is wrong is told by the event that is at fault, when it is read alone.
            with contextlib.suppress(*READ_FAULTS):
                ordered = sorted(rows)
                frames = frames_of(self._handle(source), dataset, ordered, empty)
                parts = (Part(source, dataset, row) for row in ordered)
                found |= dict(zip(parts, frames, strict=True))
        return found

    def _outcome(
        self, ref: EventRef, ahead: dict[Part, Frame], finish: Callable[[EventRef, Frame], Shot]
    ) -> Shot | Fault:
        try:
            refuse_mixed_event(ref)
            # Taken away: an event that is wanted twice is two events.
            known = [(part, ahead.pop(part, None)) for part in ref.parts]
            return finish(ref, joined([frame or self._frame(ref, part) for part, frame in known]))
        except (SourceError, PatternError) as fault:
            return fault

    def _attempt(self, ref: EventRef, part: Part, action: Callable[[Handle], Value]) -> Value:
        try:
            if part.source.grows:
                return self._patiently(part.source, action)
            return action(self._handle(part.source))
        except StaleIndexError:
            raise
        except READ_FAULTS as fault:
            place = f"event {pid_text(ref.pid)} (row {part.row} of {part.source.path})"
            raise SourceError(f"{place} cannot be read: {reason_of(fault)}") from fault

    def _patiently(self, source: Source, action: Callable[[Handle], Value]) -> Value:
        """Read from a file that is still written, again where its writer is in the way.

        Such a file is never kept open: it would be seen as it was, and HDF5 lets no writer open
        a file that somebody reads.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with contextlib.closing(self._open(source)) as handle:
                    return action(handle)
            except READ_FAULTS:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)

    def _handle(self, source: Source) -> Handle:
        if source not in self._handles:
            while len(self._handles) >= self._max_open:
                self._handles.popitem(last=False)[1].close()
            self._handles[source] = self._open(source)
        self._handles.move_to_end(source)
        return self._handles[source]

    def _open(self, source: Source) -> Handle:
        if change := change_of(source):
            raise StaleIndexError(
                f"{source.path} {change}; build the event index again: spring-index build "
                "(a campaign tells the whole command when it is started again)"
            )
        if source.reader not in self._readers:
            self._readers[source.reader] = find_reader(source.reader)
        return self._readers[source.reader].open(source.path)


def _place(ref: EventRef) -> str:
    return f"event {pid_text(ref.pid)} of {ref.source.path}"


def drained(windows: Iterable[deque[Value]]) -> Iterator[Value]:
    """What is in the windows, which keep nothing of what was given."""
    for window in windows:
        while window:
            yield window.popleft()


def in_turn(outcome: Shot | Fault) -> Shot:
    """The event, or its fault raised."""
    if isinstance(outcome, SourceError | PatternError):
        raise outcome
    return outcome


def finished(geometry: Geometry | None, ref: EventRef, frame: Frame) -> Event:
    """The event of a frame, checked and assembled; see `Loader.read`."""
    if geometry is None:
        frame = without_modules(frame)
        _check(ref, frame, (2,))
    else:
        _check(ref, frame, (2, 3))
        try:
            frame = assembled(frame, geometry)
        except PatternError as fault:
            raise PatternError(f"{_place(ref)}: {fault}") from fault
    return Event(ref.pid, ref.source.path, *frame)


def _checked(ref: EventRef, frame: Frame) -> Frame:
    _check(ref, frame, (2, 3))
    return frame


def _bytes(outcome: Event | Frame | Fault) -> int:
    """What an event takes in memory."""
    if isinstance(outcome, SourceError | PatternError):
        return 0
    return outcome.data.nbytes + (0 if outcome.mask is None else outcome.mask.nbytes)


def _check(ref: EventRef, frame: Frame, axes: tuple[int, ...]) -> None:
    shape, dtype = np.shape(frame.data), frame.data.dtype
    if len(shape) not in axes or dtype.kind not in "iuf":
        hint = "; a stack of modules needs a geometry" if len(shape) == 3 else ""
        raise PatternError(
            f"{_place(ref)} is {shape} {dtype}; a frame is numbers, (rows, columns){hint}"
        )
    if frame.mask is not None and np.shape(frame.mask) != shape:
        mask = np.shape(frame.mask)
        raise PatternError(f"{_place(ref)} has the shape {shape}, but its mask {mask}")
