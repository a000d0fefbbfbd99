"""Bytes typed by hand from the layouts of XTC and its index, which no writer of ours made."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from spring_mpi.events.formats.lcls1 import decode as xtc_decode
from spring_mpi.events.formats.lcls1.decode import decode_image, event_codes
from spring_mpi.events.formats.lcls1.epics import records_in
from spring_mpi.events.formats.lcls1.handle import XtcHandle
from spring_mpi.events.formats.lcls1.idx import read_idx
from spring_mpi.events.formats.lcls1.layout import IMAGES, Item
from spring_mpi.events.formats.lcls1.payload import Config
from spring_mpi.events.formats.reader import DAMAGED, SLOW, STEP
from spring_mpi.events.formats.registry import find_reader

CONFIGURE = """
    00000000 01000000  00000004 ffff0100  00000000   # 0 ns, 1 s, service 4, no fiducial, env
    00000000 00000003 00000000 01000100 b0000000     # event level, Xtc, 176 bytes
    00000000 02000002 0100000a 01000100 9c000000     # segment of 10.0.0.1, Xtc, 156 bytes
    00000000 01000001 00000009 0d000100 88000000     # EpicsArch.0:NoDevice.0, Epics V1, 136 bytes
    0700 1c00 0100                                   # variable 7, configured string, one value
    41 42 43 3a 58 00 00 00 00 00 00 00 00 00 00 00  # ABC:X
    00000000 00000000 00000000 00000000
    00000000 00000000 00000000 00000000
    00000000 00000000 00000000 00000000
    0100 0200                                        # status, severity
    6f6e0000 00000000 00000000 00000000 00000000     # on
    00000000 00000000 00000000 00000000 00000000
    0000                                             # padding
"""
CALIB_CYCLE = """
    00000000 01000000  00000008 ffff0100  00000000
    00000000 00000003 00000000 01000100 14000000
"""
EVENT = """
    05000000 02000000  3412000c 01000600  00000000   # 5 ns, 2 s, ticks 0x1234, 12, 1, vector 3
    00400000 00000003 00000000 01000100 58000000     # user damage
    00000000 02000002 0100000a 01000100 44000000
    00000000 01000001 0004001c 02000100 30000000     # CxiDg2.0:Tm6740.0, Frame V1
    03000000 02000000 0c000000 20000000              # 3 columns, 2 rows, 12 bits, offset 32
    0100 0200 0300 0400 ff0f 0600
"""
NAME = "65 2d 72 30 30 30 33 2d 73 30 30 2d 63 30 30 2e 78 74 63 00 00000000 00000000 00000000"
HEADER_V1 = f"26000100 {NAME} 0100 02 02 01000000"
HEADER_V2 = f"26000200 {NAME} 01000000 0200 0200 01000000 00000000 00000000 00000000"
INDEX = """
    02000000 05000000 01000000 ec00000000000000      # 2 s, 5 ns, fiducial 1, offset 236
    00400000 00000000 02000000 01000000              # damage; segments: none damaged, 2nd empty
    c400000000000000 00000000 01000000 00000000      # calib cycle at 196
    8c 28                                            # event codes 140, 40
    02000002 0100000a 01  01000001 0004001c  02000100
    03000002 0200000a 01  01000001 00000009  0d000100
"""


def typed(text: str) -> bytes:
    """The bytes of hexadecimal text with comments."""
    return bytes.fromhex("".join(line.split("#")[0] for line in text.splitlines()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of a configuration, a calib cycle and an event."""
    path = tmp_path / "e-r0003-s00-c00.xtc"
    path.write_bytes(typed(CONFIGURE) + typed(CALIB_CYCLE) + typed(EVENT))
    return path


def test_scan(path: Path) -> None:
    """Identity, place and damage of the event; configuration and step as transitions."""
    scan = find_reader("xtc").scan(str(path), dataset=None, pid=None)
    assert scan.pids is not None
    assert scan.rows is not None
    assert scan.flags is not None
    assert scan.transitions is not None
    assert scan.pids.tolist() == [[3, 2 << 32 | 5, 1]]
    assert (scan.rows.tolist(), scan.flags.tolist()) == ([236], [DAMAGED])
    assert (scan.dataset, scan.shape, scan.dtype) == ("CxiDg2.0:Tm6740.0", (1, 2, 3), "uint16")
    assert scan.transitions.tolist() == [(1 << 32, 0, SLOW), (1 << 32, 196, STEP)]


def test_event(path: Path) -> None:
    """Pixels, event identity and the slow-control value of the configuration."""
    handle = XtcHandle(str(path))
    assert handle.event("", 236).data.tolist() == [[1, 2, 3], [4, 4095, 6]]
    identity = handle.field("EventId", 236)
    names = ("seconds", "nanoseconds", "fiducial", "ticks", "vector", "run", "control")
    assert [int(identity[name]) for name in names] == [2, 5, 1, 0x1234, 3, 3, 12]
    assert handle.field("ABC:X", 236) == "on"
    handle.close()


def test_tree(path: Path) -> None:
    """Source, type, version, damage and bytes of what a datagram holds."""
    handle = XtcHandle(str(path))
    (image,) = handle.items(236)
    assert image[:4] == ("CxiDg2.0:Tm6740.0", 2, 1, 0)
    assert bytes(image.payload) == struct.pack("<4I6H", 3, 2, 12, 32, 1, 2, 3, 4, 4095, 6)
    handle.close()


def item(kind: int, version: int, text: str) -> Item:
    """Data of some source with a typed payload."""
    return Item("", kind, version, 0, memoryview(typed(text)))


def test_all_images_that_are_decoded_are_told() -> None:
    """The table for people is that of the decoders."""
    assert {kind for kind, _ in xtc_decode._KINDS} == {*IMAGES}


def test_event_codes() -> None:
    """Three entries of fiducial, ticks and code, of which two are of fiducial 0x1a2b."""
    text = """
        03000000
        2b1a0000 01000000 8c000000
        2a1a0000 01000000 28000000
        2b1a0000 02000000 2b000000
    """
    assert event_codes(item(19, 4, text), 0x1A2B).tolist() == [140, 43]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        # Number 7, type, count; status, severity, seconds, nanoseconds; padding; values.
        ("0700 1400 0100 0000  0000 0000 01000000 02000000  00000000 00000000f83f", None),
        ("0700 1400 0100 0000  0000 0000 01000000 02000000  00000000 000000000000f83f", 1.5),
        ("0700 1200 0300 0000  0000 0000 01000000 02000000  000000 01 02 ff 0000", [1, 2, 255]),
        ("0700 0f00 0200 0000  0000 0000 01000000 02000000  0000 0100 feff", [1, -2]),
        ("0700 1300 0100 0000  0000 0000 01000000 02000000  00000080", -(2**31)),
    ],
)
def test_slow_control(text: str, values: object) -> None:
    """Double, char behind a padding of three bytes, short behind one of two, long."""
    (record,) = records_in([item(13, 1, text)])
    found = None if record.values is None else record.values.tolist()
    assert (record.key[2], record.name, found) == (7, "", values)


def test_early_pnccd() -> None:
    """A frame of 2 rows and 1 column; the sizes in bytes 5, 6 and 3 are not believed."""
    config = typed("0004 4000 01 ff ff 06" + "00" * 80 + "0100 0200" + "00" * 932)
    frame = "00 00 00 ff" + "00" * 20 + "0100 0200" + "00" * 36 + "feff 0300"
    data, layout = decode_image(item(11, 6, frame), Config(12, 6, config))
    assert (data.tolist(), layout.dtype) == ([[-2], [3]], "<i2")


def test_jungfrau() -> None:
    """Two modules of 1 x 2 pixels, each with 20 bytes about itself before all frames."""
    config = typed("02000000 01000000 02000000 c8000000 0000 0000" + "00" * 16)
    about = "0100000000000000 02000000 0300 0000 0000 0000"
    frames = "0100 0240  03c0 ff3f"
    text = "0900000000000000 05000000 06000000" + about + about + frames
    data, layout = decode_image(item(108, 2, text), Config(107, 1, config))
    assert data.tolist() == [[[1, 0x4002]], [[0xC003, 0x3FFF]]]
    assert (layout.modules, layout.kind) == ((0, 1), "jungfrau")


def test_epix() -> None:
    """An ASIC of 2 x 2 pixels: header, frame, 1 + 1 other rows, temperature, last word."""
    sizes = "01000000 01000000 03000000 02000000 02000000 01000000 01000000"
    config = typed("00" * 4 * 23 + sizes + "00" * 20)
    frame = "0100 0200 0300 0400"
    text = "00" * 32 + frame + "ffff ffff ffff ffff" + "1122 78563412" + "0000"
    data, layout = decode_image(item(75, 2, text), Config(84, 1, config))
    assert (data.tolist(), layout.kind) == ([[1, 2], [3, 4]], "epix100a")


@pytest.mark.parametrize("header", [HEADER_V1, HEADER_V2])
def test_index(header: str, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The facility's index says the same, in both versions, and is taken."""
    data = typed(header + "\n" + INDEX)
    idx = read_idx(data)
    assert (idx.name, idx.slow_segments) == ("e-r0003-s00-c00.xtc", 0b10)
    assert idx.nodes.tolist() == [(2, 5, 1, 236, 0x4000, 0, 2, 1)]
    without = find_reader("xtc").scan(str(path), dataset=None, pid=None)
    path.with_name(f"{path.name}.idx").write_bytes(data)
    assert repr(find_reader("xtc").scan(str(path), dataset=None, pid=None)) == repr(without)
    assert not caplog.records
