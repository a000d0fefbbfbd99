"""The facility's index changes how fast a file is scanned, never what is found."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.formats import xtc as write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.events.formats.lcls1.file import XtcFile
from spring_mpi.events.formats.reader import Scan
from spring_mpi.events.formats.registry import find_reader

NAME = "cxi12345-r0007-s01-c00.xtc"
PIXELS = np.arange(6, dtype=np.uint16).reshape(2, 3)
IMAGE = write.segment(write.frame(PIXELS))
SLOW = write.segment(write.epics(1, 20, "<f8", 24, [1.5]), number=2)
EMPTY = write.segment(number=2)


def scan(path: Path) -> Scan:
    """What the reader finds."""
    return find_reader("xtc").scan(str(path), dataset=None, pid=None)


def same(one: Scan, other: Scan) -> bool:
    """Whether two scans are equal in every entry."""
    pairs = zip(astuple(one), astuple(other), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


def put(path: Path, datagrams: Sequence[write.Datagram], index: bytes) -> None:
    """Write the file and, in the folder ``index``, its index."""
    path.write_bytes(write.encode(datagrams))
    beside = path.parent / "index"
    beside.mkdir(exist_ok=True)
    (beside / f"{path.name}.idx").write_bytes(index)


# Events with slow-control values; with an invalid fiducial; transitions between events.
KINDS = st.lists(st.sampled_from(["plain", "slow", "invalid", "step", "damaged"]), max_size=12)


@given(kinds=KINDS, version=st.sampled_from([1, 2]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_index_or_walk(
    kinds: list[str], version: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A scan with the index is the scan without it, and the index is used."""
    middle, slow = write.events(1, IMAGE + EMPTY, first=100), [False]
    for number, kind in enumerate(kinds):
        (event,) = write.events(1, IMAGE + (SLOW if kind == "slow" else EMPTY), first=number)
        every: dict[str, dict[str, Any]] = {
            "invalid": {"fiducial": 0x1FFFF},
            "step": {"service": write.BEGIN_CALIB, "content": b""},
            "damaged": {"damage": 1 << 14},
        }
        middle += write.replaced([event], 0, **every.get(kind, {}))
        slow += [kind == "slow"] if kind not in ("invalid", "step") else []
    datagrams = write.run(*middle)
    put(tmp_path / NAME, datagrams, write.Index(NAME, datagrams, version, slow).encode())
    with_index = scan(tmp_path / NAME)
    os.remove(tmp_path / "index" / f"{NAME}.idx")
    assert same(with_index, scan(tmp_path / NAME))
    assert caplog.messages == []


def test_index_saves_visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2000 equal events fewer than 100 datagrams are visited."""
    datagrams = write.run(*write.events(2000, IMAGE + EMPTY))
    put(tmp_path / NAME, datagrams, write.Index(NAME, datagrams).encode())
    reads: list[int] = []
    read = XtcFile.read

    def counted(self: XtcFile, offset: int, size: int) -> bytearray:
        reads.append(offset)
        return read(self, offset, size)

    monkeypatch.setattr(XtcFile, "read", counted)
    found = scan(tmp_path / NAME)
    assert (found.shape, len(set(reads)) < 100) == ((2000, 2, 3), True)


def test_first_event_is_looked_into(tmp_path: Path) -> None:
    """Facilities' indexes say of the first event that no segment is empty; it is not believed."""
    datagrams = write.run(*write.events(3, IMAGE + EMPTY))
    index = write.Index(NAME, datagrams, slow=[True, False, False])
    put(tmp_path / NAME, datagrams, index.encode())
    found = scan(tmp_path / NAME)
    assert found.transitions is not None
    assert [int(one["row"]) for one in found.transitions if one["kind"] == 2] == [0]


def other_name(data: bytes) -> bytes:
    """An index of another file."""
    return data.replace(b"r0007", b"r0008")


def other_time(data: bytes) -> bytes:
    """An index whose last event has another time."""
    return data[:60] + data[60:].replace(struct.pack("<I", 1_400_000_000), bytes(4))


def shifted(data: bytes) -> bytes:
    """An index whose first event lies elsewhere."""
    place = 60 + 12
    (offset,) = struct.unpack_from("<q", data, place)
    return data[:place] + struct.pack("<q", offset + 4) + data[place + 8 :]


def cut(data: bytes) -> bytes:
    """An index that lost its end."""
    return data[:100]


def negative(data: bytes) -> bytes:
    """An index with a negative number of events."""
    return data[:44] + struct.pack("<i", -1) + data[48:]


def huge(data: bytes) -> bytes:
    """An index that claims two thousand million events."""
    return data[:44] + struct.pack("<i", 2**31 - 1) + data[48:]


def shorter(data: bytes) -> bytes:
    """An index without the last event, as of a file that grew since."""
    (count,) = struct.unpack_from("<i", data, 44)
    node = 60 + 36 * (count - 1)
    return data[:44] + struct.pack("<i", count - 1) + data[48:node] + data[node + 36 :]


def nothing(data: bytes) -> bytes:
    """An empty file."""
    return b""


@pytest.mark.parametrize(
    "spoil", [other_name, other_time, shifted, cut, negative, huge, shorter, nothing]
)
def test_wrong_index_is_not_used(
    spoil: Callable[[bytes], bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An index that does not fit is named in the log, and the file is walked."""
    datagrams = write.run(*write.events(20, IMAGE + EMPTY, IMAGE + SLOW))
    path = tmp_path / NAME
    path.write_bytes(write.encode(datagrams))
    walked = scan(path)
    put(path, datagrams, spoil(write.Index(NAME, datagrams).encode()))
    assert same(scan(path), walked)
    assert f"{NAME}.idx is not used" in caplog.text


def test_index_of_a_file_that_was_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the last event is torn, the index goes further than the file."""
    datagrams = write.run(*write.events(20, IMAGE + EMPTY))
    put(tmp_path / NAME, datagrams, write.Index(NAME, datagrams).encode())
    os.truncate(tmp_path / NAME, write.offsets(datagrams)[-3] + 50)
    assert scan(tmp_path / NAME).shape == (19, 2, 3)
    assert "is not used" in caplog.text
