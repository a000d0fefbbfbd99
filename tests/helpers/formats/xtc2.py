"""Writes LCLS-II event files (xtc2), whole runs or single records, and their small data."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIGURE, UNCONFIGURE, BEGIN_RUN, END_RUN, BEGIN_STEP, END_STEP = 2, 3, 4, 5, 6, 7
ENABLE, DISABLE, SLOW_UPDATE, LAST_OF_BATCH, EVENT = 8, 9, 10, 11, 12
PARENT, SHAPES_DATA, SHAPES, DATA, NAMES = range(5)
TEXT, ENUM_VALUE, ENUM_NAME = 10, 11, 12
CODES = {"u1": 0, "u2": 1, "u4": 2, "u8": 3, "i1": 4, "i2": 5, "i4": 6, "i8": 7, "f4": 8, "f8": 9}
POINTER = 0x20000
CAMERA, EPICS, SCAN, RUN_INFO, CHUNK_INFO = 0x100, 0x200, 0x201, 0x202, 0x203


def node(kind: int, payload: bytes, source: int = 0, damage: int = 0) -> bytes:
    """A node of the tree."""
    return struct.pack("<IHHI", source, damage, kind, 12 + len(payload)) + payload


def datagram(time: int, service: int, payload: bytes = b"", damage: int = 0) -> bytes:
    """A datagram with the nodes in its payload."""
    return struct.pack("<QI", time, service << 24) + node(PARENT, payload, damage=damage)


def names(
    source: int,
    detector: str,
    algorithm: str,
    fields: Mapping[str, tuple[int, int]],
    segment: int = 0,
    kind: str = "type",
) -> bytes:
    """Names of fields with their type and number of axes."""
    texts = (kind.encode(), detector.encode(), b"id", algorithm.encode())
    info = struct.pack("<I256s256s256s256sII", 1, *texts, 1, segment)
    declared = (
        struct.pack("<256sI256sII", b"", 0, name.encode(), code, rank)
        for name, (code, rank) in fields.items()
    )
    return node(NAMES, info + b"".join(declared), source)


def values(source: int, arrays: Iterable[Any], damage: int = 0, data_first: bool = False) -> bytes:
    """Values in the order of their names; a ``str`` is written as a text."""
    shapes, data = b"", b""
    for value in arrays:
        array = _bytes(value) if isinstance(value, str) else np.asarray(value)
        if array.ndim:
            # Readers must not look at the lengths behind the last axis.
            shapes += struct.pack("<5I", *array.shape, *[0xFFFFFFFF] * (5 - array.ndim))
        data += array.tobytes()
    parts = [node(SHAPES, shapes), node(DATA, data)]
    return node(SHAPES_DATA, b"".join(reversed(parts) if data_first else parts), source, damage)


def small_data(
    chunks: Sequence[Sequence[bytes]], *, shift: int = 0, data_first: bool = False
) -> bytes:
    """The small data of a stream, given by the datagrams of each of its chunks.

    With a shift they point beside the events.
    """
    pointer = names(POINTER, "smdinfo", "offsetAlg", {"intOffset": (3, 0), "intDgramSize": (3, 0)})
    out = []
    for chunk in chunks:
        at = 0
        for one in chunk:
            time, env = struct.unpack_from("<QI", one)
            service = env >> 24
            if service == CONFIGURE:
                out.append(datagram(time, service, one[24:] + pointer))
            elif service in (EVENT, LAST_OF_BATCH):
                place = [np.uint64(at + shift), np.uint64(len(one))]
                pointed = values(POINTER, place, data_first=data_first and bool(len(out) % 2))
                out.append(datagram(time, service, pointed))
            else:
                out.append(one)
            at += len(one)
    return b"".join(out)


@dataclass
class Stream:
    """One stream of a run: a camera ``cam.raw.image`` of some segments, slow control, a scan."""

    segments: Sequence[int] = (0,)
    dtype: str = "u2"
    run: int | None = 34
    detector: str = "cam"
    kind: str = "type"
    """Type of the detector."""
    datagrams: list[bytes] = field(default_factory=list)

    def configure(self, time: int = 1) -> Stream:
        """The names of all that follows."""
        camera = {"image": (CODES[self.dtype], 2), "gain": (2, 0)}
        cameras = (
            names(CAMERA + number, self.detector, "raw", camera, one, self.kind)
            for number, one in enumerate(self.segments)
        )
        slow = names(EPICS, "epics", "raw", {"PRESSURE": (9, 0), "STATE": (TEXT, 1)})
        scan = names(SCAN, "scan", "raw", {"motor": (9, 0)})
        run = names(RUN_INFO, "runinfo", "runinfo", {"expt": (TEXT, 1), "runnum": (2, 0)})
        chunk = {"chunkid": (2, 0), "filename": (TEXT, 1)}
        switch = names(CHUNK_INFO, "chunkinfo", "chunkinfo", chunk)
        return self.add(time, CONFIGURE, b"".join([*cameras, slow, scan, run, switch]))

    def begin(self, time: int = 2) -> Stream:
        """BeginRun with the number of the run, unless that is None."""
        told = b"" if self.run is None else values(RUN_INFO, ["exp", np.uint32(self.run)])
        return self.add(time, BEGIN_RUN, told)

    def step(self, time: int, motor: float) -> Stream:
        """BeginStep and Enable."""
        return self.add(time, BEGIN_STEP, values(SCAN, [motor])).add(time + 1, ENABLE)

    def slow(self, time: int, pressure: float, state: str = "OK") -> Stream:
        """SlowUpdate."""
        return self.add(time, SLOW_UPDATE, values(EPICS, [pressure, state]))

    def event(
        self, time: int, planes: NDArray[Any], damage: int = 0, lost: Sequence[int] = ()
    ) -> Stream:
        """An event with the planes (segments, rows, columns), but for the lost ones."""
        parts = (
            values(CAMERA + number, [plane, np.uint32(time % 100)], data_first=bool(number % 2))
            for number, plane in enumerate(planes)
            if number not in lost
        )
        return self.add(time, EVENT, b"".join(parts), damage)

    def switch(self, time: int, chunk: int) -> Stream:
        """The Enable that announces the next chunk."""
        told = values(CHUNK_INFO, [np.uint32(chunk), f"x-c{chunk:03}.xtc2"])
        return self.add(time, ENABLE, told)

    def add(self, time: int, service: int, payload: bytes = b"", damage: int = 0) -> Stream:
        """Any datagram."""
        self.datagrams.append(datagram(time, service, payload, damage))
        return self

    def write(self, path: Path, *, small: bool = False) -> Path:
        """The file, and its small data beside it."""
        path.write_bytes(b"".join(self.datagrams))
        if small:
            write_small(path, [self.datagrams])
        return path


def write_small(path: Path, chunks: Sequence[Sequence[bytes]]) -> Path:
    """The small data of a stream whose first chunk is the file at the path."""
    folder = path.parent / "smalldata"
    folder.mkdir(exist_ok=True)
    small = folder / path.name.replace(".xtc2", ".smd.xtc2")
    small.write_bytes(small_data(chunks))
    return small


def _bytes(text: str) -> NDArray[np.uint8]:
    """A text as it is written: ended by a zero, up to a multiple of four bytes."""
    data = text.encode() + b"\0"
    return np.frombuffer(data + b"\0" * (-len(data) % 4), np.uint8)
