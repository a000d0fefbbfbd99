"""The byte layout of LCLS-I XTC files: datagrams, and the tree of containers in each.

Layout as in SLAC's pdsdata (``xtc/Dgram.hh``, ``Xtc.hh``, ``TimeStamp.hh``, ``Damage.hh``). All
numbers are little endian. A file is a row of datagrams: 20 bytes of time and identity, then one
container (20 bytes of header, then its payload) that holds segments, which hold the sources' data.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .sources import address

Octets = bytes | bytearray | memoryview
Read = Callable[[int, int], Octets]
"""``read(offset, size)``: exactly so many bytes."""

Found = tuple[int, Octets]
"""Offset and header of a datagram."""

HEADER = np.dtype(
    [
        (name, "<u4")
        for name in (
            "nanoseconds", "seconds", "low", "high", "env",
            "damage", "log", "phy", "contains", "extent",
        )
    ]
)  # fmt: skip
"""The first 40 bytes of a datagram; the last five words are the header of its container."""

RECORD = np.dtype(
    [
        ("offset", np.uint64), ("seconds", np.uint64), ("nanoseconds", np.uint64),
        ("fiducial", np.int64), ("service", np.uint8), ("damage", np.uint32),
        ("env", np.uint32), ("slow", np.uint8),
    ]
)  # fmt: skip
"""What an index needs of a datagram; ``slow`` is `NO`, `YES` or `UNKNOWN`."""

NO, YES, UNKNOWN = 0, 1, 2
"""Whether a datagram brings slow-control values."""

INVALID_FIDUCIAL = 0x1FFFF
INCOMPLETE_CONTRIBUTION = 1 << 15
"""Damage of a container whose payload is not to be trusted."""
CONTAINS_INCOMPLETE = 1 << 16
LARGEST_DATAGRAM = 0x6000000
"""Bytes; the facility's own limit."""

_MOST_SOURCES = 1 << 16
"""In one datagram; real ones hold some hundred."""

_CONTAINER = struct.Struct("<5I")
_BEFORE_CONTAINER = HEADER.itemsize - _CONTAINER.size


class Service(IntEnum):
    """What a datagram is."""

    CONFIGURE = 4
    BEGIN_RUN = 6
    BEGIN_CALIB_CYCLE = 8
    L1_ACCEPT = 12


class TypeId(IntEnum):
    """What a payload is; only the types that are told apart here."""

    XTC = 1
    FRAME = 2
    PNCCD_FRAME = 11
    PNCCD_CONFIG = 12
    EPICS = 13
    EVR_DATA = 19
    CSPAD = 28
    CSPAD_CONFIG = 29
    INDEX = 38
    CSPAD_2X2 = 41
    EPICS_CONFIG = 54
    EPIX_CONFIG = 74
    EPIX_ELEMENT = 75
    EPIX_10K_CONFIG = 83
    EPIX_100A_CONFIG = 84
    GENERIC_PGP_CONFIG = 85
    EPIX_S_CONFIG = 88
    SMALL_DATA_PROXY = 91
    JUNGFRAU_CONFIG = 107
    JUNGFRAU_ELEMENT = 108
    EPIX_10KA_CONFIG = 112
    EPIX_10KA_2M_CONFIG = 117
    EPIX_10KA_ARRAY = 118
    EPIX_10KA_QUAD_CONFIG = 120


IMAGES = {
    TypeId.FRAME: "cameras (Camera.FrameV1)",
    TypeId.PNCCD_FRAME: "pnCCD",
    TypeId.CSPAD: "CSPAD",
    TypeId.CSPAD_2X2: "CSPAD 2x2",
    TypeId.EPIX_ELEMENT: "ePix",
    TypeId.EPIX_10KA_ARRAY: "ePix10ka quad and 2M",
    TypeId.JUNGFRAU_ELEMENT: "Jungfrau",
}
"""The types whose payloads are images that can be decoded, and of which detectors they are."""


def decoded() -> str:
    """What can be decoded, for people."""
    return f"decoded are {', '.join(f'{name}: type {kind}' for kind, name in IMAGES.items())}"


class Slot(NamedTuple):
    """A source's data: what they are, and where their payload lies."""

    log: int
    phy: int
    type: int
    version: int
    damage: int
    start: int
    """Offset of the payload's first byte, in what ``read`` reads from."""
    size: int

    @property
    def address(self) -> str:
        """The source's name, as ``CxiDg2.0:Tm6740.0``."""
        return address(self.log, self.phy)

    @property
    def label(self) -> str:
        """The source's name, with the type of its data where that is none of `TypeId`."""
        is_known = self.type in {*TypeId}
        return self.address if is_known else f"{self.address} (type {self.type})"


class Item(NamedTuple):
    """A source's data with their bytes."""

    address: str
    """Name of the source, as ``CxiDg2.0:Tm6740.0``."""
    type: int
    version: int
    damage: int
    payload: memoryview
    log: int = 0
    phy: int = 0


def slots(read: Read, start: int, end: int) -> Iterator[Slot]:
    """The sources' data in the datagram between two offsets; reads headers only.

    A container whose damage says that it is incomplete is given as it is, not looked into.

    Raises
    ------
    ValueError
        If a container does not fit into the one around it, or there are more than 65536 sources.
    """
    ends = [end]
    place = start + _BEFORE_CONTAINER
    left = _MOST_SOURCES
    while ends:
        if place == ends[-1]:
            ends.pop()
            continue
        damage, log, phy, contains, extent = _container(read, place, ends[-1])
        kind, inside = contains & 0xFFFF, place + _CONTAINER.size
        if kind == TypeId.XTC and not damage & INCOMPLETE_CONTRIBUTION:
            ends.append(place + extent)
            place = inside
        elif not left:
            raise ValueError(f"more than {_MOST_SOURCES} sources before byte {place}")
        else:
            left -= 1
            yield Slot(log, phy, kind, contains >> 16, damage, inside, extent - _CONTAINER.size)
            place += extent


def _container(read: Read, place: int, end: int) -> tuple[int, ...]:
    if place + _CONTAINER.size > end:
        raise ValueError(f"torn container at byte {place}: {end - place} bytes are left for it")
    words = _CONTAINER.unpack(read(place, _CONTAINER.size))
    if not _CONTAINER.size <= words[-1] <= end - place:
        raise ValueError(
            f"damaged container at byte {place}: its extent is {words[-1]}, "
            f"but {_CONTAINER.size} to {end - place} bytes are possible"
        )
    return words


def datagram_size(header: Octets, offset: int) -> int:
    """Bytes of the datagram that begins so; `ValueError` for a header that cannot be."""
    extent = int.from_bytes(header[36:40], "little")
    if extent < _CONTAINER.size or extent % 4 or extent > LARGEST_DATAGRAM:
        raise ValueError(f"damaged datagram header at byte {offset}: its extent is {extent}")
    return _BEFORE_CONTAINER + extent


def walk(read: Read, start: int, end: int, *, growing: bool = False) -> Iterator[Found]:
    """Offset and header of every complete datagram between two offsets; the first is at ``start``.

    Where a file grows, zeros are what is not written yet, and end it too.

    Raises
    ------
    ValueError
        For a header that cannot be.
    """
    while start + HEADER.itemsize <= end:
        header = read(start, HEADER.itemsize)
        if growing and not any(header):
            return
        size = datagram_size(header, start)
        if start + size > end:
            return
        yield start, header
        start += size


def service_of(header: Octets) -> int:
    """What the datagram is that begins so; see `Service`."""
    return header[11] & 0xF


def records(found: list[Found]) -> NDArray[Any]:
    """`RECORD` of each offset and header (datagrams,)."""
    headers = np.frombuffer(b"".join(header for _, header in found), HEADER)
    table = np.zeros(len(found), RECORD)
    table["offset"] = [offset for offset, _ in found]
    for name in ("seconds", "nanoseconds", "damage", "env"):
        table[name] = headers[name]
    table["fiducial"] = headers["high"] & INVALID_FIDUCIAL
    table["service"] = headers["low"] >> 24 & 0xF
    table["slow"] = np.select(
        [table["service"] == Service.CONFIGURE, table["service"] == Service.L1_ACCEPT],
        [YES, UNKNOWN], NO,
    )  # fmt: skip
    return table


EVENT_ID = np.dtype(
    [
        ("seconds", np.uint32), ("nanoseconds", np.uint32), ("fiducial", np.uint32),
        ("ticks", np.uint32), ("vector", np.uint32), ("control", np.uint32), ("run", np.int64),
    ]
)  # fmt: skip
"""The identity of an event; ticks are those of the 119 MHz clock."""


def event_id(header: Octets, run: int) -> NDArray[Any]:
    """`EVENT_ID` () of the datagram that begins so."""
    start = np.frombuffer(header, HEADER, count=1)[0]
    low, high = int(start["low"]), int(start["high"])
    return np.array(
        (
            start["seconds"], start["nanoseconds"], high & INVALID_FIDUCIAL,
            low & 0xFFFFFF, high >> 17, low >> 24, run,
        ),
        EVENT_ID,
    )  # fmt: skip
