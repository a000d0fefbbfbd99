"""What a reader of a file format is, and the table of those there are."""

from __future__ import annotations

import difflib
import importlib
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ..gain_stages import RawForm
from ..left_out import LeftOut
from ..source import Exclusion

PidDatasets = str | Sequence[str] | None
Empty = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
"""``empty(shape, dtype)``: an array for a frame, with any values in it."""

READ_FAULTS = (
    OSError, ValueError, KeyError, IndexError, TypeError, RuntimeError, EOFError,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip
"""What libraries raise for files that are missing, truncated or damaged."""

# The class in the module of this folder that has the reader's name. Those of files are in the order
# of guessing; adapters, which need a package of the facility, are never guessed.
_FILE_READERS = {
    "cxi": "CxiReader",
    "euxfel": "EuxfelReader",
    "swissfel": "SwissfelReader",
    "flash": "FlashReader",
    "nexus": "NexusReader",
    "hdf5": "Hdf5Reader",
    "npy": "NpyReader",
    "npz": "NpzReader",
    "xtc": "XtcReader",
    "xtc2": "Xtc2Reader",
}
READERS_OF_PARTS = frozenset({"xtc", "xtc2", "euxfel"})
"""Formats that may spread an event over several files."""
_TEXT_READERS = {"simulate": "SimulateReader"}
_ADAPTERS = {"extra_data": "ExtraDataReader", "psana": "PsanaReader"}
_READERS = _FILE_READERS | _TEXT_READERS | _ADAPTERS
BUILT_IN = tuple(_READERS)
"""Names of the readers that are here."""
WITHOUT_FILE = frozenset((*_TEXT_READERS, *_ADAPTERS))
"""Those whose sources are texts or folders; see `experiment.located`."""


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

DAMAGED = 2
"""Flag of an event whose source says that its data are damaged."""
INCOMPLETE = 4
"""Flag of an event of which some part is missing or torn."""


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


def find_reader(name: str) -> Reader:
    """The reader of that name, of this package or another one, or that for ``FILE.py:FUNCTION``.

    Raises
    ------
    SourceError
        If there is none.
    """
    if names_user_file(name):
        from .userfile import UserFileReader

        return UserFileReader(name)
    if name not in _READERS:
        return _plugin(name)
    module = importlib.import_module(f"{__name__}.{name}")
    return cast(Reader, getattr(module, _READERS[name])())


def reader_names() -> tuple[str, ...]:
    """Of the readers that are here, and of those that other packages bring."""
    from .plugins import plugin_names

    return tuple(dict.fromkeys((*_READERS, *plugin_names())))


def _plugin(name: str) -> Reader:
    from .plugins import load_plugin

    try:
        return load_plugin(name)
    except KeyError:
        near = difflib.get_close_matches(name, reader_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {_known()}"
        raise SourceError(f"no reader {name!r}; {hint}") from None


def names_user_file(reader: str) -> bool:
    """Whether a reader's name is ``FILE.py:FUNCTION``."""
    return re.search(r"\.py:\w+$", reader) is not None


def guess_file_reader(path: str) -> str:
    """The name of the reader that knows the file; `SourceError` if none does."""
    try:
        for name in _FILE_READERS:
            if find_reader(name).sniff(path):
                return name
        is_empty = not os.path.getsize(path)
    except SourceError:
        raise
    except OSError as fault:
        raise SourceError(f"{path} cannot be read: {fault.strerror}") from fault
    if is_empty:
        raise SourceError(f"{path} is empty: copy it again, or leave it out")
    raise SourceError(f"cannot tell the format of {path}; name its reader: {_known()}")


def guess_text_reader(text: str) -> str | None:
    """The name of the reader that takes the text for a source without a file, or None."""
    return next((name for name in _TEXT_READERS if find_reader(name).sniff(text)), None)


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


def has_rows(shape: tuple[int, ...]) -> bool:
    """Whether an array that is no frame has an axis of events, by its shape.

    A single number, a centre (2,) and a frame (rows, columns) have none; centres (events, 2),
    frames (events, rows, columns) and stacks (events, modules, rows, columns) have.
    """
    return len(shape) in (3, 4) or (len(shape) == 2 and shape[1] == 2)


def row_for(shape: tuple[int, ...], row: int) -> int | None:
    """Where an array that is no frame holds what belongs to the event in that row of its source.

    None: the array as a whole is the same for all events. What has an axis of events with a single
    place, such as a mask (1, rows, columns), is the same for all of them, too.

    Raises
    ------
    IndexError
        If the array has too few rows.
    """
    if not has_rows(shape):
        return None
    if shape[0] == 1:
        return 0
    if row >= shape[0]:
        raise IndexError(
            f"it holds {shape[0]} entries of {shape[1:]}, none for row {row}: give one for all "
            "events, or one for each"
        )
    return row


def refuse_names(format_name: str, dataset: str | None, pid: PidDatasets) -> None:
    """Raises `SourceError` if datasets are named for a format that has none."""
    if dataset or pid:
        given = "dataset" if dataset else "pid"
        raise SourceError(f"{format_name} files hold no named datasets; leave {given!r} out")


def as_pid(values: Any) -> tuple[int, ...]:
    """One pid as integers.

    Raises
    ------
    ValueError
        If the values are not one row of 64-bit integers.
    """
    numbers = whole_numbers(np.atleast_1d(np.asarray(values)))
    if numbers.ndim != 1:
        raise ValueError(f"a pid must be one row of integers, not {numbers.shape}")
    return tuple(int(number) for number in numbers)


def whole_numbers(values: NDArray[Any]) -> NDArray[np.int64]:
    """The same numbers as int64.

    Raises
    ------
    ValueError
        If one of them is no integer, or too large to be exact.
    """
    exact = values.dtype.kind in "iuf"
    if values.dtype.kind == "u":
        exact = bool((values <= np.iinfo(np.int64).max).all())
    elif values.dtype.kind == "f":
        exact = bool(((np.abs(values) < 2**53) & (values == np.floor(values))).all())
    if not exact:
        raise ValueError(f"pids are 64-bit integers, these {values.dtype} values are not")
    return values.astype(np.int64)


def numbered_scan(dataset: str, pid: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> Scan:
    """The scan of a source with one event whose pid is a plain row of numbers, maybe none.

    Raises
    ------
    ValueError
        If the frame is no two-dimensional array of numbers.
    """
    if len(shape) != 2 or np.dtype(dtype).kind not in "iuf":
        raise ValueError(f"frame is {shape} {dtype}, not numbers with the axes (rows, columns)")
    names = tuple(f"pid_{number}" for number in range(1, len(pid) + 1))
    pids = np.array([pid], dtype=np.int64) if pid else None
    return Scan(dataset, pids, names, (1, *shape), dtype)


def as_center(values: Any) -> tuple[float, float]:
    """(row, column) as floats; raises `ValueError` for anything but two finite numbers."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (2,) or not np.isfinite(numbers).all():
        raise ValueError(f"center must be two numbers (row, column), not {values!r}")
    return float(numbers[0]), float(numbers[1])


def _known() -> str:
    return ", ".join((*reader_names(), "FILE.py:FUNCTION"))
