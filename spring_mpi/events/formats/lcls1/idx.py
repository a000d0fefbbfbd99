"""The facility's own index of an XTC file (``.xtc.idx``), which saves visiting most datagrams.

Layout as in SLAC's pdsdata (``index/IndexFileStruct.hh``, ``IndexList.cc``): header, one node per
event with a valid fiducial, calib cycles, event codes, segments; packed, little endian. The nodes
are in the order of time. Nothing in it is believed that the XTC file contradicts.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .layout import (
    INVALID_FIDUCIAL,
    NO,
    RECORD,
    UNKNOWN,
    YES,
    Found,
    Read,
    Service,
    TypeId,
    datagram_size,
    records,
    walk,
)

NODE = np.dtype(
    [
        ("seconds", "<u4"), ("nanoseconds", "<u4"), ("fiducial", "<u4"), ("offset", "<i8"),
        ("damage", "<u4"), ("damaged", "<u4"), ("empty", "<u4"), ("codes", "<u4"),
    ]
)  # fmt: skip
"""One event, 36 bytes; bit i of ``empty`` says that the i-th segment has no data."""

_HEADERS = {1: struct.Struct("<I32sh2bi"), 2: struct.Struct("<I32si2h4i")}
_CALIB_NODE = 20
"""Bytes of an entry for a calib cycle."""
_NAME_KEPT = 31
"""Characters of the file's name; the 32nd byte ends it."""
_MOST_SEGMENTS = 32
"""As ``empty`` has bits."""
_CHECKED = 16
"""Events, spread over the file, that are compared with it."""


class Idx(NamedTuple):
    """What such an index says."""

    name: str
    """Name of the XTC file, without folder, its first 31 characters."""
    nodes: NDArray[Any]
    """`NODE` (events,)."""
    slow_segments: int | None
    """Bit mask of the segments with slow-control values; None where the index does not know."""


def read_idx(data: bytes) -> Idx:
    """The index in these bytes.

    Raises
    ------
    ValueError
        If they are no index of version 1 or 2, or fewer than its counts ask for.
    """
    kind, version = struct.unpack("<2H", _take(data, 0, 4))
    if kind != TypeId.INDEX or version not in _HEADERS:
        raise ValueError(f"type {kind} version {version} is no index of version 1 or 2")
    layout = _HEADERS[version]
    _, name, calibs, codes, segments, events = layout.unpack(_take(data, 0, layout.size))[:6]
    if min(calibs, codes, segments, events) < 0:
        raise ValueError("a number of entries is negative")
    place = layout.size + events * NODE.itemsize
    nodes = np.frombuffer(_take(data, layout.size, events * NODE.itemsize), NODE)
    place += calibs * _CALIB_NODE + codes
    return Idx(name.split(b"\0")[0].decode("latin-1"), nodes, _slow_mask(data, place, segments))


def _slow_mask(data: bytes, place: int, segments: int) -> int | None:
    mask = 0
    for bit, types in enumerate(_segment_types(data, place, segments)):
        if TypeId.EPICS in types:
            mask |= 1 << bit
    return mask if 0 < segments <= _MOST_SEGMENTS else None


def _segment_types(data: bytes, place: int, segments: int) -> Iterator[list[int]]:
    for _ in range(segments):
        sources = _take(data, place + 8, 1)[0]
        types = np.frombuffer(_take(data, place + 9 + 8 * sources, 4 * sources), "<u4")
        yield (types & 0xFFFF).tolist()
        place += 9 + 12 * sources


def _take(data: bytes, place: int, size: int) -> bytes:
    if place + size > len(data):
        raise ValueError(f"it ends at byte {len(data)}, but needs {place + size}")
    return data[place : place + size]


def complete(idx: Idx, read: Read, path: str, size: int) -> NDArray[Any]:
    """The records of all datagrams of an XTC file of which the index tells most.

    The index names the events with a valid fiducial. What lies between two of them is visited
    wherever the distance is larger than the smallest, which is where other datagrams can be. So
    are the first, the last and some events between, to see whether the index fits the file.

    Parameters
    ----------
    idx
        What the index says.
    read, path, size
        The XTC file: its bytes, its name, its length in bytes.

    Returns
    -------
    `RECORD` (datagrams,), in the order of the file.

    Raises
    ------
    ValueError
        If the index does not fit the file.
    """
    _check_name(idx, path)
    nodes = idx.nodes[np.argsort(idx.nodes["offset"], kind="stable")]
    _check_offsets(nodes["offset"], size)
    visited = records(list(_visit(read, nodes["offset"], size)))
    indexed = _as_records(nodes, idx.slow_segments)
    _compare(visited, indexed)
    added = visited[~np.isin(visited["offset"], indexed["offset"])]
    together = np.concatenate([indexed, added])
    return together[np.argsort(together["offset"], kind="stable")]


def _check_name(idx: Idx, path: str) -> None:
    name = os.path.basename(path).removesuffix(".inprogress")[:_NAME_KEPT]
    if idx.name != name:
        raise ValueError(f"it is the index of {idx.name!r}")


def _check_offsets(offsets: NDArray[Any], size: int) -> None:
    if not len(offsets):
        raise ValueError("it names no event")
    if offsets[0] < 0 or offsets[-1] >= size or (np.diff(offsets) <= 0).any():
        raise ValueError("its offsets do not lie one after the other in the file")


def _spans(offsets: NDArray[Any], size: int) -> Iterator[tuple[int, int]]:
    """From where to where datagrams must be visited."""
    ends = np.append(offsets[1:], size)
    gaps = ends - offsets
    chosen = gaps > gaps.min()
    chosen[np.linspace(0, len(offsets) - 1, _CHECKED).astype(int)] = True
    chosen[[int(np.argmin(gaps)), -1]] = True
    yield 0, int(offsets[0])
    yield from zip(offsets[chosen].tolist(), ends[chosen].tolist(), strict=True)


def _visit(read: Read, offsets: NDArray[Any], size: int) -> Iterator[Found]:
    for start, stop in _spans(offsets, size):
        end = start
        for offset, header in walk(read, start, stop):
            yield offset, header
            end = offset + datagram_size(header, offset)
        if end != stop and (stop != size or end == start):
            raise ValueError(f"no datagram ends at byte {stop}")


def _as_records(nodes: NDArray[Any], slow_segments: int | None) -> NDArray[Any]:
    table = np.zeros(len(nodes), RECORD)
    for name in ("offset", "seconds", "nanoseconds", "fiducial", "damage"):
        table[name] = nodes[name]
    table["service"] = Service.L1_ACCEPT
    table["slow"] = UNKNOWN
    if slow_segments is not None:
        table["slow"] = np.where(~nodes["empty"] & slow_segments, YES, NO)
        # Whatever is true, facility's indexes say that no segment of the first event is empty.
        table["slow"][0] = UNKNOWN
    return table


def _compare(visited: NDArray[Any], indexed: NDArray[Any]) -> None:
    events = visited["service"] == Service.L1_ACCEPT
    named = np.isin(visited["offset"], indexed["offset"])
    if (events & ~named & (visited["fiducial"] != INVALID_FIDUCIAL)).any():
        raise ValueError("it leaves out events")
    told = indexed[np.searchsorted(indexed["offset"], visited["offset"][named])]
    for key in ("service", "seconds", "nanoseconds", "fiducial"):
        wrong = told[key] != visited[key][named]
        if wrong.any():
            raise ValueError(f"no such event is at byte {told['offset'][wrong][0]}")
