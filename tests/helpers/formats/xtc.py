"""Writes XTC files of LCLS-I, and the facility's index of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIGURE, BEGIN_RUN, END_RUN, BEGIN_CALIB, END_CALIB, ENABLE, L1 = 4, 6, 7, 8, 9, 10, 12
SOURCE, SEGMENT, EVENT, REPORTER = (level << 24 for level in (1, 2, 3, 6))

Source = tuple[int, int]
TM6740 = (SOURCE | 0x1234, 28 << 24 | 4 << 8)
PNCCD = (SOURCE | 0x1234, 8 << 24 | 5 << 8)
CSPAD = (SOURCE | 0x1234, 32 << 24 | 10 << 8)
CSPAD_2X2 = (SOURCE | 0x1234, 32 << 24 | 13 << 8)
EVR = (SOURCE | 0x1234, 1 << 8)
EPICS = (SOURCE | 0x1234, 9 << 24)
EBEAM = (REPORTER, 0)


def container(
    payload: bytes, kind: int, version: int = 1, source: Source = (EVENT, 0), damage: int = 0
) -> bytes:
    """Header and payload, padded to a multiple of 4 bytes."""
    payload += bytes(-len(payload) % 4)
    return struct.pack("<5I", damage, *source, version << 16 | kind, 20 + len(payload)) + payload


def segment(*sources: bytes, number: int = 1, damage: int = 0) -> bytes:
    """A segment around its sources' data."""
    place = (SEGMENT | number, 0x0A000000 + number)
    return container(b"".join(sources), 1, source=place, damage=damage)


@dataclass(frozen=True)
class Datagram:
    """A datagram; ``content`` are its segments."""

    service: int = L1
    seconds: int = 1_400_000_000
    nanoseconds: int = 0
    fiducial: int = 0
    content: bytes = b""
    damage: int = 0
    env: int = 0
    ticks: int = 0
    vector: int = 0

    def encode(self) -> bytes:
        """Its bytes."""
        low = self.service << 24 | self.ticks
        high = self.vector << 17 | self.fiducial
        head = struct.pack("<5I", self.nanoseconds, self.seconds, low, high, self.env)
        return head + container(self.content, 1, damage=self.damage)


def events(count: int, *contents: bytes, first: int = 0) -> list[Datagram]:
    """Events at 120 Hz, their contents in turn."""
    return [
        Datagram(
            nanoseconds=number * 8_333_333 % 10**9,
            seconds=1_400_000_000 + number * 8_333_333 // 10**9,
            fiducial=3 * number % 0x1FFE0,
            content=contents[number % len(contents)] if contents else b"",
        )
        for number in range(first, first + count)
    ]


def run(*datagrams: Datagram, configuration: bytes = b"", number: int = 0) -> list[Datagram]:
    """A whole run around its events."""
    return [
        Datagram(CONFIGURE, content=configuration), Datagram(BEGIN_RUN, env=number),
        Datagram(BEGIN_CALIB), Datagram(ENABLE), *datagrams, Datagram(END_CALIB), Datagram(END_RUN),
    ]  # fmt: skip


def encode(datagrams: Iterable[Datagram]) -> bytes:
    """A file of these datagrams."""
    return b"".join(datagram.encode() for datagram in datagrams)


def offsets(datagrams: Sequence[Datagram]) -> list[int]:
    """Where each datagram begins."""
    sizes = [len(datagram.encode()) for datagram in datagrams]
    return [sum(sizes[:number]) for number in range(len(sizes))]


def frame(
    pixels: NDArray[Any], source: Source = TM6740, offset: int = 32, depth: int = 0, **more: int
) -> bytes:
    """A camera's frame of 8, 16 or 32 bits, of which ``depth`` are said to count, or all."""
    rows, columns = pixels.shape
    head = struct.pack("<4I", columns, rows, depth or 8 * pixels.itemsize, offset)
    return container(head + pixels.tobytes(), 2, 1, source, **more)


def epics(
    number: int, kind: int, dtype: str, place: int, values: Sequence[Any], name: str = ""
) -> bytes:
    """A record whose values begin at ``place``; with a name one of the configuration."""
    array = np.array(values, dtype)
    head = struct.pack("<3h", number, kind, len(values)) + name.encode()
    return container(head.ljust(place, b"\0") + array.tobytes(), 13, 1, EPICS)


def epics_aliases(names: dict[int, str]) -> bytes:
    """Other names of variables, by their numbers."""
    entries = (
        struct.pack("<h64s2xf", number, name.encode(), 1.0) for number, name in names.items()
    )
    return container(struct.pack("<i", len(names)) + b"".join(entries), 54, 1, EPICS)


def evr(codes: Iterable[tuple[int, int]], version: int = 3) -> bytes:
    """Pairs of a fiducial and an event code."""
    entries = [struct.pack("<3I", fiducial, 7, code) for fiducial, code in codes]
    return container(struct.pack("<I", len(entries)) + b"".join(entries), 19, version, EVR)


def pnccd_config(links: int = 4) -> bytes:
    """Of version 1: so many links of 512 x 512 pixels."""
    return container(struct.pack("<2I", links, 16 + 2 * 512 * 512), 12, 1, PNCCD)


def pnccd(links: NDArray[np.uint16]) -> bytes:
    """Links (links, 512, 512), each behind its own header."""
    parts = (struct.pack("<4I", 1, 2, 3, 4) + link.tobytes() for link in links)
    return container(b"".join(parts), 11, 1, PNCCD)


def early_pnccd_config(rows: int, columns: int) -> bytes:
    """Of version 6, with the sizes in 16 bits; those of 8 bits overflow."""
    text = struct.pack("<2H4B", 1024, 64, 1, columns & 0xFF, rows & 0xFF, 6)
    text = text.ljust(88, b"\0") + struct.pack("<2H", columns, rows)
    return container(text.ljust(1024, b"\0"), 12, 6, PNCCD)


def early_pnccd(pixels: NDArray[np.int16]) -> bytes:
    """A frame of version 6."""
    head = bytes(24) + struct.pack("<2H", 1, pixels.shape[0])
    return container(head.ljust(64, b"\0") + pixels.tobytes(), 11, 6, PNCCD)


def cspad_config(version: int, quads: int, sections: int, asics: int = 0xFFFF) -> bytes:
    """Masks of quadrants, of the sections of all of them, and of ASICs."""
    first = {1: 9, 2: 9, 3: 18, 4: 18, 5: 19}[version]
    words = [0] * first + [asics, quads] + ([sections] if version > 1 else [])
    return container(struct.pack(f"<{len(words)}I", *words) + bytes(400), 29, version, CSPAD)


def cspad(
    quads: Iterable[tuple[int, NDArray[np.int16]]], version: int = 2, trailer: int = 4
) -> bytes:
    """Sections (sections, 185, 388) of each quadrant, in this order."""
    parts = (
        struct.pack("<2I", 0, quad << 24) + bytes(24) + pixels.tobytes() + bytes(trailer)
        for quad, pixels in quads
    )
    return container(b"".join(parts), 28, version, CSPAD)


def cspad_2x2(sections: NDArray[np.int16]) -> bytes:
    """Sections (2, 185, 388); in the file their pixels alternate."""
    pixels = np.ascontiguousarray(np.moveaxis(sections, 0, -1)).tobytes()
    return container(bytes(32) + pixels, 41, 1, CSPAD_2X2)


@dataclass(frozen=True)
class Index:
    """A facility's index of a file."""

    name: str
    datagrams: Sequence[Datagram]
    version: int = 2
    slow: Sequence[bool] | None = None
    """Which events have slow-control values; they are the second of two segments."""

    def encode(self) -> bytes:
        """Its bytes: header, events, calib cycles, event codes, segments."""
        placed = list(zip(offsets(self.datagrams), self.datagrams, strict=True))
        found = [(at, one) for at, one in placed if one.service == L1 and one.fiducial != 0x1FFFF]
        slow = self.slow or [False] * len(found)
        nodes = sorted(
            (one.seconds, one.nanoseconds, one.fiducial, at, one.damage, 0, 0 if has else 2, 1)
            for (at, one), has in zip(found, slow, strict=True)
        )
        calibs = [(at, 0, one.seconds, 0) for at, one in placed if one.service == BEGIN_CALIB]
        return b"".join(
            [
                self._header(len(calibs), len(nodes)),
                *(struct.pack("<3Iq4I", *node) for node in nodes),
                *(struct.pack("<qi2I", *calib) for calib in calibs),
                bytes([140]),
                *(_segment(number, kind) for number, kind in ((1, 2), (2, 13))),
            ]
        )

    def _header(self, calibs: int, nodes: int) -> bytes:
        name = self.name.encode()[:31]
        if self.version == 1:
            return struct.pack("<I32sh2bi", 1 << 16 | 38, name, calibs, 1, 2, nodes)
        return struct.pack("<I32si2h4i", 2 << 16 | 38, name, calibs, 1, 2, nodes, 0, 0, 0)


def _segment(number: int, kind: int) -> bytes:
    source = TM6740 if kind == 2 else EPICS
    head = struct.pack("<2IB", SEGMENT | number, 0x0A000000 + number, 1)
    return head + struct.pack("<3I", *source, 1 << 16 | kind)


def replaced(datagrams: Sequence[Datagram], number: int, **changes: Any) -> list[Datagram]:
    """The same datagrams but for one."""
    return [
        replace(one, **changes) if place == number else one for place, one in enumerate(datagrams)
    ]
