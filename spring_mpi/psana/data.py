"""Data sources, runs and events, fetched in any order."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError, SourceError, UnknownPidError
from ..events.formats.lcls1.sources import find_address
from ..events.formats.reader import Frame
from ..events.formats.registry import facts_of
from ..events.index.build import build_index
from ..events.index.event_index import EventIndex
from ..events.index.wanted import AnyPath
from ..events.reading.loader import Loader

_log = logging.getLogger(__name__)


class Content(Protocol):
    """A type that an event may hold."""

    @classmethod
    def of(cls, event: Event, source: Source | None) -> Self | None:
        """The event's one of that detector, or None."""


Kind = TypeVar("Kind", bound=Content)


class EventTime(tuple[int, ...]):
    """Which event of a run: the numbers of its pid but for the run.

    ``EventTime(time, fiducial)`` for LCLS-I, with time = seconds << 32 | nanoseconds;
    ``EventTime(timestamp)`` for LCLS-II; train and pulse, or a row, for others.
    """

    __slots__ = ()

    def __new__(cls, *numbers: int) -> Self:
        return super().__new__(cls, numbers)

    def __getnewargs__(self) -> tuple[int, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        return f"EventTime({', '.join(map(str, self))})"

    def time(self) -> int:
        """The first number; for LCLS seconds << 32 | nanoseconds."""
        return self[0]

    def seconds(self) -> int:
        """Seconds of LCLS's clock; of other formats the number has no such part."""
        return self.time() >> 32

    def nanoseconds(self) -> int:
        """Nanoseconds beside `seconds`."""
        return self.time() & 0xFFFFFFFF

    def fiducial(self) -> int:
        """The last number; for LCLS-I the fiducial."""
        return self[-1]


class Source:
    """A detector: ``Source("DetInfo(CxiDg2.0:Tm6740.0)")``, or a part of that name.

    Without a name, or where a format knows one detector only, the one that the events are of.
    """

    def __init__(self, name: str = "") -> None:
        inner = re.fullmatch(r"\w+Info\((.*)\)", name.strip())
        self.name = inner[1] if inner else name.strip()

    def __repr__(self) -> str:
        return f"Source({self.name!r})"


class DataSource:
    """Runs and their events.

    Parameters
    ----------
    source
        A source string (``exp=cxib7913:run=34:idx``), a file, pattern or list of them, or an
        index that is there already (`load_index`).
    **reading
        As `build_index`: ``reader``, ``dataset``, ``pid``, ``run``, ``root``.

    Raises
    ------
    SourceError
        As `build_index`.
    """

    def __init__(self, source: AnyPath | Sequence[AnyPath] | EventIndex, **reading: Any) -> None:
        self._index = source if isinstance(source, EventIndex) else build_index(source, **reading)
        self._of_detectors: dict[str, EventIndex | None] = {}
        self.loader = Loader()

    def runs(self) -> Iterator[Run]:
        """Every run, by its number."""
        names, pids = self._index.pid_names, self._index.pids
        numbers = np.unique(pids[:, 0]) if names[0] == "run" else [0]
        return (Run(self, self._index, int(number)) for number in numbers)

    def events(self) -> Iterator[Event]:
        """Every event that can be fetched, run by run."""
        return (event for run in self.runs() for event in run.events())

    def close(self) -> None:
        """Close the files that are kept open."""
        self.loader.close()

    def index_of(self, source: Source | None) -> EventIndex | None:
        """Where the images of a detector are; None, and a warning, where there are none."""
        name = source.name if source else ""
        if not name or self._is_default(name):
            return self._index
        if name not in self._of_detectors:
            self._of_detectors[name] = self._build(name)
        return self._of_detectors[name]

    def _is_default(self, name: str) -> bool:
        if not facts_of(self._index.sources[0].reader).has_named_detectors:
            return True
        return find_address(name, {frames.dataset for frames in self._index.frames}) is not None

    def _build(self, name: str) -> EventIndex | None:
        runs = list(self.runs())
        try:
            return build_index(
                [source.path for source in self._index.sources],
                reader=self._index.sources[0].reader,
                dataset=name,
                run=runs[0].run() if len(runs) == 1 else None,
            )
        except SourceError as fault:
            _log.warning("%s: %s", name, fault)
            return None


class Run:
    """One run of a `DataSource`."""

    def __init__(self, data: DataSource, index: EventIndex, number: int) -> None:
        self._data, self._index, self._number = data, index, number
        self._has_run = index.pid_names[0] == "run"
        rows = index.pids[:, 0] == number if self._has_run else np.ones(len(index), np.bool_)
        self._places = np.flatnonzero(rows)

    def run(self) -> int:
        """The number of the run."""
        return self._number

    def times(self, step: int | None = None) -> tuple[EventTime, ...]:
        """All events, or those of one step, in the order of their pids."""
        places = self._places if step is None else self._places[self._steps == step]
        return tuple(EventTime(*row) for row in self._index.pids[places, self._has_run :].tolist())

    def nsteps(self) -> int:
        """Number of steps (calib cycles), up to that of the last event; 1 without a scan."""
        return int(self._steps.max()) + 1

    def event(self, time: EventTime) -> Event | None:
        """The event of that time, the first of several; None where it cannot be fetched."""
        pid = (self._number, *time) if self._has_run else tuple(time)
        try:
            event = Event(self._data, self._index, pid)
            event.check()
        except UnknownPidError as fault:
            _log.info("%s", fault)
        except (SourceError, PatternError) as fault:
            _log.warning("%s", fault)
        else:
            return event
        return None

    def events(self) -> Iterator[Event]:
        """Every event that can be fetched, in the order of `times`."""
        return (event for time in self.times() if (event := self.event(time)))

    @property
    def _steps(self) -> NDArray[np.int64]:
        """(events,): steps of the run, from 0 on; events before the first are a step, too."""
        steps: NDArray[np.int64] = self._index.steps[self._places]
        return steps - int(steps.min())


class Event:
    """One event: what it holds is asked for by type, and by detector."""

    def __init__(self, data: DataSource, index: EventIndex, pid: tuple[int, ...]) -> None:
        self.pid, self.pid_names = pid, index.pid_names
        self._data = data
        self.ref = index.ref(index.find(pid))

    def check(self) -> None:
        """Raises `SourceError` or `PatternError` where the event cannot be read."""
        if self.tells_as_psana:
            self.header()
        else:
            self._data.loader.frame(self.ref)

    @property
    def tells_as_psana(self) -> bool:
        """Whether it is one of LCLS-I, whose headers and kinds of detectors are known."""
        return facts_of(self.ref.source.reader).tells_as_psana

    def header(self) -> NDArray[Any]:
        """`EVENT_ID` () of an LCLS-I event."""
        return self._data.loader.field(self.ref, "EventId")

    def frame(self, source: Source | None) -> Frame | None:
        """The detector's image, or stack (modules, rows, columns); None where there is none."""
        try:
            index = self._data.index_of(source)
            if index is None:
                return None
            return self._data.loader.frame(index.ref(index.find(self.pid)))
        except (UnknownPidError, SourceError, PatternError) as fault:
            _log.info("%s", fault)
            return None

    def get(self, kind: type[Kind], source: Source | None = None) -> Kind | None:
        """The event's `EventId`, `Camera.FrameV1` or `PNCCD.FullFrameV1`; None if it has none."""
        return kind.of(self, source)
