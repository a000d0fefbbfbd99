"""Events and where they are: the values that pass between index, readers and workers."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from .gain_stages import RawForm

Pid = tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """One data file, as it was when it was indexed."""

    path: str
    """Absolute path, or the whole text where a reader needs no file (``simulate``)."""
    reader: str
    """Name of the reader, or ``/absolute/my_loader.py:load_data``."""
    size: int = 0
    """Bytes; 0 where there is no file, or one that is still written."""
    mtime_ns: int = 0
    """Time of the last change, nanoseconds; 0 as for ``size``."""
    grows: bool = False
    """True for a file that is still written: more of it is no change."""
    is_part: bool = False
    """True where its events are parts of those with the same pids in other such sources."""

    @property
    def is_file(self) -> bool:
        """Whether the source is a file; False where its reader needs none."""
        return os.path.isabs(self.path)


@dataclass(frozen=True)
class Part:
    """Where a part of an event is."""

    source: Source
    dataset: str
    """Dataset of the frames; empty where the format has only one."""
    row: int
    """What the source's reader finds the event by: its position, or the offset of its record."""


@dataclass(frozen=True)
class EventRef:
    """All that a worker needs to read one event; small, and picklable."""

    pid: Pid
    source: Source
    """Of the first part; an event of most formats has only one."""
    dataset: str
    row: int
    more: tuple[Part, ...] = ()
    """The other parts: modules and streams in sources of their own."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts."""
        return (Part(self.source, self.dataset, self.row), *self.more)


@dataclass(frozen=True)
class Exclusion:
    """What excludes pixels of a frame, such as a mask or a limit."""

    origin: str
    """Where it is, for people: ``the file's /entry_1/instrument_1/detector_1/mask``."""
    pixels: int
    """How many pixels of the frame it excludes, of those that are in the image."""
    remark: str = ""
    """What a person may need to know, such as the values of a mask that excludes nothing."""

    def __str__(self) -> str:
        said = f"excludes {self.pixels} pixels" if self.pixels else "excludes no pixel"
        return f"{self.origin} {said}{f'; {self.remark}' if self.remark else ''}"


@dataclass(frozen=True)
class Event:
    """One shot."""

    pid: Pid
    source: str
    data: NDArray[Any]
    """The raw frame: (row, column), the detector's own type and units."""
    mask: NDArray[np.bool_] | None = None
    """True = excluded, (row, column); None where the format brings no mask."""
    center: tuple[float, float] | None = None
    """(row, column) in pixels, 0.0 = centre of the first pixel; None where not brought."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """What else the reader knows of the shot."""
    exclusions: tuple[Exclusion, ...] = ()
    """What ``mask`` is made of."""
    raw: RawForm | None = None
    """What the values are where nobody has corrected them, as far as the reader knows."""


def source_of_file(path: str, reader: str) -> Source:
    """The file as it is now; raises `OSError` where it is not accessible."""
    now = os.stat(path)
    return Source(path, reader, now.st_size, now.st_mtime_ns)


def file_digest(path: str) -> str:
    """128-bit BLAKE2b of a file's bytes; raises `SourceError` where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as fault:
        raise SourceError(f"cannot read {path}: {fault.strerror}") from fault


def run_in_name(path: str) -> int:
    """The run in a file name, 34 for ``exp-r0034-s00.h5``; 0 where the name tells none."""
    found = re.search(r"(?<![A-Za-z0-9])r(\d{4})(?!\d)", os.path.basename(path))
    return int(found[1]) if found else 0


def change_of(source: Source) -> str:
    """What happened to the file since it was indexed; empty where nothing did."""
    if source.grows or not source.mtime_ns:
        return ""
    try:
        now = source_of_file(source.path, source.reader)
    except OSError as fault:
        return f"cannot be found any more ({fault.strerror})"
    if now.size != source.size:
        return f"has {now.size} bytes, but had {source.size} when it was indexed"
    if now.mtime_ns != source.mtime_ns:
        return "was written to since it was indexed"
    return ""
