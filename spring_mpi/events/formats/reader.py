"""What a reader of a file format is: sources are scanned for an index, and opened for events."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ..event import Exclusion
from ..flags import DAMAGED as DAMAGED
from ..flags import INCOMPLETE as INCOMPLETE
from ..gain_stages import RawForm
from ..left_out import LeftOut

PidDatasets = str | Sequence[str] | None
Empty = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
"""``empty(shape, dtype)``: an array for a frame, with any values in it."""

READ_FAULTS = (
    OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError, EOFError,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What libraries raise for files that are missing, truncated or damaged."""


@dataclass(frozen=True)
class Scan:
    """What an index keeps of one source; found without reading a frame."""

    dataset: str
    """Dataset of the frames; empty where the format has only one."""
    pids: NDArray[np.int64] | None
    """(events, numbers); None where the format brings no pids."""
    pid_names: tuple[str, ...]
    """One name for each number of a pid; ``run`` is one that the user may set."""
    shape: tuple[int, ...]
    """(events, rows, columns), or (events, modules, rows, columns)."""
    dtype: str
    rows: NDArray[np.uint64] | None = None
    """(events,): what `Handle.event` finds the event by, such as the byte offset of its record;
    None: 0, 1, 2, ..."""
    flags: NDArray[np.uint32] | None = None
    """(events,): `DAMAGED` and `INCOMPLETE`; None: nothing is wrong."""
    transitions: NDArray[np.void] | None = None
    """What holds from a time on, as `TRANSITION` records in the order of the source."""
    is_part: bool = False
    """Events of equal pids in several sources are parts (modules, streams) of one event."""
    left_out: tuple[LeftOut, ...] = ()
    """Events of the source that have no frame of the dataset."""


TRANSITION = np.dtype([("time", np.uint64), ("row", np.uint64), ("kind", np.uint8)])
"""Time as in the pid, row as in `Scan.rows`, `STEP` or `SLOW`."""

STEP = 1
"""A step of a scan (calib cycle) begins here."""
SLOW = 2
"""Slow-control values are recorded here."""


class Frame(NamedTuple):
    """The parts of an `Event` that its source brings; see there."""

    data: NDArray[Any]
    mask: NDArray[np.bool_] | None = None
    center: tuple[float, float] | None = None
    info: Mapping[str, Any] = {}
    exclusions: tuple[Exclusion, ...] = ()
    raw: RawForm | None = None


class Handle(Protocol):
    """An open source; its calls may raise any of `READ_FAULTS`."""

    def event(self, dataset: str, row: int) -> Frame:
        """The frame in that row of the dataset, and what comes with it."""
        ...

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """Another dataset's values for the event in that row; see `has_rows`."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


@runtime_checkable
class BatchHandle(Handle, Protocol):
    """An open source that reads many events faster than one after the other."""

    def events(self, dataset: str, rows: Sequence[int], empty: Empty = np.empty) -> list[Frame]:
        """What `event` gives for each of the rows; it fails as a whole where one of them does.

        ``empty(shape, dtype)`` may be asked for the arrays of the frames, in any thread.
        """
        ...


@runtime_checkable
class LinkingHandle(Handle, Protocol):
    """An open source whose datasets may have their values in other files."""

    def check(self, dataset: str) -> None:
        """Raises `SourceError` if one of those files is missing; reads no frame."""
        ...


class Extent(Enum):
    """What decides which events a source has."""

    FILE = auto()
    """The file alone."""
    RUN = auto()
    """All files of a run: an event may be spread over several of them."""
    UNKNOWN = auto()
    """More than that; such sources are scanned whenever an index is built."""


@dataclass(frozen=True)
class Facts:
    """What is special about a format, for code that must not know formats by their names.

    The defaults are those of readers that say nothing: of other packages, and of users' files.
    """

    extent: Extent = Extent.UNKNOWN
    detector_of: Callable[[str], str] = str
    """The detector that a dataset is of; modules of one detector may be datasets of their own."""
    has_named_detectors: bool = False
    """Whether an event may hold several detectors, of which ``dataset`` names one."""
    tells_as_psana: bool = False
    """Whether events have the field ``EventId``, and frames of cameras their ``offset``."""
    is_simulated: bool = False
    decoded: Callable[[], str] | None = None
    """Which kinds of detectors are decoded, for people who wonder why a file has no events."""


@runtime_checkable
class Reader(Protocol):
    """A file format; its calls may raise any of `READ_FAULTS`."""

    needs_file: bool
    """False where a source is a text that names no file."""

    def sniff(self, path: str) -> bool:
        """Whether the source is of this format, by its name and its first bytes."""
        ...

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """What the index needs of a source; reads no frames."""
        ...

    def open(self, source: str) -> Handle:
        """The source, ready for reading single events."""
        ...


class BuiltInReader(Reader, Protocol):
    """A reader of this package."""

    facts: Facts


@runtime_checkable
class GrowingReader(Reader, Protocol):
    """A format whose files can be read while they are written, events being added at the end."""

    def scan_growing(
        self, source: str, *, dataset: str | None, pid: PidDatasets, beside: Sequence[str]
    ) -> Scan:
        """As `scan`, of the events that are complete.

        An event is complete when the datasets of frames, pid and those ``beside`` them that have
        rows (see `has_rows`) all hold it.
        """
        ...


def starts_with(path: str, magic: bytes) -> bool:
    """Whether the file begins with these bytes; raises `OSError` where it cannot be read."""
    with open(path, "rb") as file:
        return file.read(len(magic)) == magic


def frames_of(handle: Handle, dataset: str, rows: Sequence[int], empty: Empty) -> list[Frame]:
    """The frames in many rows of an open source, the fastest way; fails where one of them does.

    ``empty`` as in `BatchHandle.events`.
    """
    if isinstance(handle, BatchHandle):
        return handle.events(dataset, rows, empty)
    return [handle.event(dataset, row) for row in rows]


def refuse_names(format_name: str, dataset: str | None, pid: PidDatasets) -> None:
    """Raises `SourceError` if datasets are named for a format that has none."""
    if dataset or pid:
        given = "dataset" if dataset else "pid"
        raise SourceError(f"{format_name} files hold no named datasets; leave {given!r} out")
