"""What LCLS-I payloads mean: images, event codes, slow control."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.formats import xtc as write
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events.formats.lcls1.decode import image_layout, is_image
from spring_mpi.events.formats.lcls1.handle import XtcHandle
from spring_mpi.events.formats.lcls1.layout import TypeId
from spring_mpi.events.formats.reader import Scan
from spring_mpi.events.formats.registry import find_reader
from spring_mpi.events.geometry.psana import read as read_objects
from spring_mpi.events.reading.stacking import assembled
from spring_mpi.psana.contents import FrameV1

SECTIONS = np.arange(8 * 185 * 388, dtype=np.int64).reshape(8, 185, 388).astype(np.int16)
SHOT = write.segment(write.frame(np.zeros((2, 3), np.uint16)))


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """``written(*contents, configuration=b"")``: scan, handle and rows of such events."""
    handles = []

    def make(*contents: bytes, configuration: bytes = b"") -> tuple[Scan, XtcHandle, list[int]]:
        path = tmp_path / "e1-r0001-s00-c00.xtc"
        found = write.events(len(contents), *contents)
        datagrams = write.run(*found, configuration=write.segment(configuration))
        path.write_bytes(write.encode(datagrams))
        handles.append(XtcHandle(str(path)))
        scan = find_reader("xtc").scan(str(path), dataset=None, pid=None)
        assert scan.rows is not None
        return scan, handles[-1], scan.rows.tolist()

    yield make
    for handle in handles:
        handle.close()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_camera(dtype: type[np.unsignedinteger[Any]], written: Any) -> None:
    """A frame has the rows, columns and depth of its header; an odd size is padded."""
    pixels = np.arange(15, dtype=dtype).reshape(3, 5)
    scan, handle, rows = written(write.segment(write.frame(pixels)))
    data = handle.event(scan.dataset, rows[0]).data
    assert (scan.shape[1:], scan.dtype, data.dtype) == ((3, 5), str(pixels.dtype), pixels.dtype)
    assert data.tolist() == pixels.tolist()
    data += 1  # memory of its own


def test_depth_and_offset_of_a_camera_are_as_recorded(written: Any) -> None:
    """An Opal with 12 bits in words of 16 says so."""
    pixels = np.arange(15, dtype=np.uint16).reshape(3, 5)
    _, handle, rows = written(write.segment(write.frame(pixels, offset=31, depth=12)))
    frame = handle.event("", rows[0])
    assert (frame.info["depth"], frame.info["offset"]) == (12, 31)
    camera = FrameV1(frame.data, frame.info)
    assert (camera.depth(), camera.offset()) == (12, 31)
    with pytest.raises(SourceError, match="tells no offset"):
        FrameV1(frame.data, {}).offset()


def test_pnccd(written: Any) -> None:
    """Links 0, 3 above and 1, 2 below, both lower ones turned by 180 degrees."""
    links = np.random.default_rng(1).integers(0, 2**14, (4, 512, 512)).astype(np.uint16)
    content = write.segment(write.pnccd(links))
    scan, handle, rows = written(content, configuration=write.pnccd_config())
    image = handle.event("Camp", rows[0]).data
    assert (scan.shape, scan.dtype) == ((1, 1024, 1024), "uint16")
    assert np.array_equal(image[:512, :512], links[0])
    assert np.array_equal(image[:512, 512:], links[3])
    assert np.array_equal(image[512:, :512], np.rot90(links[1], 2))
    assert np.array_equal(image[512:, 512:], np.rot90(links[2], 2))


def test_pnccd_is_a_stack_for_a_geometry_of_its_sensors(written: Any) -> None:
    """Each link is the module of its number, as in psana; its frame's own mask goes with it."""
    links = np.random.default_rng(1).integers(0, 2**14, (4, 512, 512)).astype(np.uint16)
    content = write.segment(write.pnccd(links))
    _, handle, rows = written(content, configuration=write.pnccd_config())
    frame = handle.event("Camp", rows[0])
    sensors = "".join(f"C 0 PNCCD:V1 {k} 0 {k * 38400} 0 0 0 0 0 0 0\n" for k in range(4))
    geometry = read_objects(f"{sensors}IP 0 C 0 0 0 100000 0 0 0 0 0 0\n")
    expected, _ = geometry.assemble(links)
    marked = frame._replace(mask=frame.data == frame.data.max())
    image = assembled(marked, geometry)
    assert image.data.tolist() == expected.tolist()
    assert image.mask is not None
    is_marked = expected == links.max()
    assert (image.mask == geometry.excluded | is_marked).all()
    assert is_marked.any()


def test_early_pnccd(written: Any) -> None:
    """Frames of 2009: one CCD, signed, with sizes that do not fit into a byte."""
    pixels = np.arange(-50, 128 * 256 - 50, dtype=np.int16).reshape(128, 256)
    content = write.segment(write.early_pnccd(pixels))
    scan, handle, rows = written(content, configuration=write.early_pnccd_config(128, 256))
    assert (scan.shape, scan.dtype) == ((1, 128, 256), "int16")
    assert np.array_equal(handle.event("", rows[0]).data, pixels)


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("trailer", [0, 4])
def test_cspad(version: int, trailer: int, written: Any) -> None:
    """Sections that the config names, by their numbers, in whatever order quadrants come."""
    config = write.cspad_config(version, quads=0b1101, sections=0x03000081)
    quads = {2: SECTIONS[:0], 3: SECTIONS[:2], 0: SECTIONS[2:4]}
    if version == 1:
        quads = {2: SECTIONS, 3: SECTIONS + 1, 0: SECTIONS + 2}
    content = write.segment(write.cspad(quads.items(), min(version, 2), trailer))
    scan, handle, rows = written(content, configuration=config)
    frame = handle.event("Cspad", rows[0])
    if version == 1:
        assert frame.info["modules"] == (*range(8), *range(16, 32))
        expected = np.concatenate([quads[0], quads[2], quads[3]])
    else:
        assert frame.info["modules"] == (0, 7, 24, 25)
        expected = np.concatenate([quads[0], quads[3]])
    assert scan.shape == (1, len(expected), 185, 388)
    assert np.array_equal(frame.data, expected)


def test_cspad_of_one_section_pair(written: Any) -> None:
    """Where only the first ASICs are read, each quadrant has two sections."""
    config = write.cspad_config(5, quads=0b1, sections=0xFF, asics=0xFFF1)
    content = write.segment(write.cspad([(0, SECTIONS[:2])], version=1))
    scan, _, _ = written(content, configuration=config)
    assert scan.shape == (1, 2, 185, 388)


def test_cspad_with_wrong_quadrants(written: Any) -> None:
    """Data of a quadrant that is not configured are an error, not pixels at a wrong place."""
    config = write.cspad_config(2, quads=0b11, sections=0x0101)
    pairs = [(0, 1), (0, 0), (3, 1), (0, 3)]
    contents = (write.segment(write.cspad([(q, SECTIONS[:1]) for q in pair])) for pair in pairs)
    _, handle, rows = written(*contents, configuration=config)
    handle.event("Cspad", rows[0])
    for row in rows[1:]:
        with pytest.raises(ValueError, match="CSPAD"):
            handle.event("Cspad", row)


def test_cspad_2x2(written: Any) -> None:
    """The two sections, whose pixels alternate in the file, come one after the other."""
    scan, handle, rows = written(write.segment(write.cspad_2x2(SECTIONS[:2])))
    frame = handle.event("Cspad2x2", rows[0])
    assert (scan.shape, frame.info["modules"]) == ((1, 2, 185, 388), (0, 1))
    assert np.array_equal(frame.data, SECTIONS[:2])


@pytest.mark.parametrize("version", [3, 4])
def test_event_codes(version: int, written: Any) -> None:
    """Codes of this pulse alone; the list holds those of others."""
    codes = write.segment(write.evr([(0, 140), (99, 40), (0, 43), (3, 41)], version))
    _, handle, rows = written(SHOT + codes, SHOT + codes)
    assert [handle.field("Evr", row).tolist() for row in rows] == [[140, 43], [41]]


TIMED: dict[int, tuple[str, int, list[Any]]] = {
    14: ("S40", 20, ["abc"]), 15: ("<i2", 22, [-3, 4]), 16: ("<f4", 20, [0.5]),
    17: ("<u2", 22, [3]), 18: ("u1", 23, [1, 2, 255]), 19: ("<i4", 20, [-70000]),
    20: ("<f8", 24, [1.25, -2.5]),
}  # fmt: skip
NAMED = {
    28: ("S40", 74), 29: ("<i2", 98), 30: ("<f4", 120), 31: ("<u2", 492), 32: ("u1", 91),
    33: ("<i4", 116), 34: ("<f8", 152),
}  # fmt: skip


@pytest.mark.parametrize("kind", TIMED)
def test_slow_control(kind: int, written: Any) -> None:
    """Each type of value by name and alias: that of the configuration, then the last before."""
    dtype, place, values = TIMED[kind]
    named_dtype, named_place = NAMED[kind + 14]
    configuration = write.epics(
        7, kind + 14, named_dtype, named_place, values[::-1], "CXI:T"
    ) + write.epics_aliases({7: "temperature"})
    recorded = write.segment(write.epics(7, kind, dtype, place, values), number=2)
    _, handle, rows = written(SHOT, SHOT + recorded, SHOT, configuration=configuration)
    for name in ("CXI:T", "temperature"):
        found = [handle.field(name, row) for row in (rows[2], rows[0], rows[1])]
        assert [np.atleast_1d(one).tolist() for one in found] == [values, values[::-1], values]
        assert found[0].shape == (() if len(values) == 1 else (len(values),))


def test_slow_control_of_earlier_chunks(tmp_path: Path) -> None:
    """What the chunk of an event does not hold before it is looked for in those before."""
    configuration = write.epics(1, 34, "<f8", 152, [0.0], "X") + write.epics(
        2, 34, "<f8", 152, [7.0], "Y"
    )
    recorded = [write.segment(write.epics(1, 20, "<f8", 24, [value])) for value in (1.0, 2.0)]
    chunks = [
        write.run(*write.events(2, *recorded), configuration=write.segment(configuration)),
        write.events(2, SHOT, SHOT + recorded[0], first=2),
    ]
    for number, datagrams in enumerate(chunks):
        (tmp_path / f"e1-r0001-s00-c0{number}.xtc").write_bytes(write.encode(datagrams))
    handle = XtcHandle(str(tmp_path / "e1-r0001-s00-c01.xtc"))
    rows = write.offsets(chunks[1])
    assert [handle.field("X", row) for row in rows] == [2.0, 1.0]
    assert handle.field("Y", rows[1]) == 7.0
    handle.close()


def test_empty_slow_control_is_passed_over(written: Any) -> None:
    """A record without payload, or of a type without layout, is no value and no fault."""
    configuration = write.epics(1, 34, "<f8", 152, [1.0], "A")
    others = write.container(b"", 13, 1, write.EPICS), write.epics(1, 5, "<f8", 24, [2.0])
    _, handle, rows = written(SHOT + write.segment(*others), configuration=configuration)
    assert handle.field("A", rows[0]) == 1.0


def test_a_variable_that_was_not_connected_leaves_the_others(written: Any) -> None:
    """Its record is header and name, 72 bytes; it has no value, the others have theirs."""
    lost = write.container(struct.pack("<3h64s2x", 0, 34, 1, b"TTSPEC:AMPL"), 13, 1, write.EPICS)
    configuration = lost + write.epics(1, 34, "<f8", 152, [1.5], "GDET:ENRC")
    recorded = write.segment(write.epics(1, 20, "<f8", 24, [2.5]))
    _, handle, rows = written(SHOT, SHOT + recorded, configuration=configuration)
    assert [float(handle.field("GDET:ENRC", row)) for row in rows] == [1.5, 2.5]
    with pytest.raises(SourceError, match=r"no value of TTSPEC:AMPL .* not connected"):
        handle.field("TTSPEC:AMPL", rows[1])


def test_aliases_that_are_missing_leave_the_others(
    written: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that is shorter than it says is told, and read as far as it goes."""
    table = struct.pack("<ih64s2xf", 2, 1, b"energy", 1.0)
    configuration = write.epics(1, 34, "<f8", 152, [1.5], "GDET:ENRC")
    configuration += write.container(table, 54, 1, write.EPICS)
    _, handle, rows = written(SHOT, configuration=configuration)
    assert float(handle.field("energy", rows[0])) == 1.5
    assert "2 aliases in 76 bytes: only 1 are there" in caplog.text


def test_unknown_names_are_told_what_there_is(written: Any) -> None:
    """A name of nothing is an error with what is near, or with the sources."""
    configuration = write.epics(1, 34, "<f8", 152, [1.0], "CXI:DS1:X")
    _, handle, rows = written(SHOT, configuration=configuration)
    with pytest.raises(SourceError, match="did you mean 'CXI:DS1:X'"):
        handle.field("CXI:DS1:Y", rows[0])
    with pytest.raises(SourceError, match=r"its sources are CxiDg2\.0:Tm6740\.0"):
        handle.field("quux", rows[0])


@pytest.mark.parametrize(
    ("kind", "version", "reason"),
    [
        (2, 2, "type 2 version 2 cannot be decoded"),
        (41, 0x8001, "compressed"),
        (91, 1, "small-data file"),
        (15, 7, r"type 15 version 7 cannot be decoded; .* can be had as bytes"),
    ],
)
def test_what_stays_bytes(kind: int, version: int, reason: str, written: Any) -> None:
    """Other types are given as bytes with type and version; decoding them is an error."""
    source = write.EBEAM if kind == 15 else write.CSPAD
    _, handle, rows = written(
        SHOT + write.segment(write.container(b"12345678", kind, version, source))
    )
    _, item = handle.items(rows[0])
    assert (item.type, item.version, bytes(item.payload)) == (kind, version, b"12345678")
    with pytest.raises(SourceError, match=reason):
        handle.field(item.address, rows[0])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([3, 2, 16, 0, 1, 2], "a frame of 28 bytes in a payload of 24"),
        ([2**31, 2**31, 16, 0], "a payload of 16"),
        ([0, 2, 16, 0], "2 x 0 pixels of 16 bits cannot be"),
        ([1, 1, 24, 0, 1], "1 x 1 pixels of 24 bits cannot be"),
        ([1, 1], "too short"),
    ],
)
def test_impossible_frames(words: Sequence[int], reason: str, written: Any) -> None:
    """A frame whose size does not fit its payload is an error before memory is taken."""
    payload = np.array(words, "<u4").tobytes()
    bad = write.segment(write.container(payload, 2, 1, write.TM6740))
    _, handle, rows = written(SHOT, bad)
    with pytest.raises(ValueError, match=reason):
        handle.event("Tm6740", rows[1])


def test_damage_of_the_detector_is_told(written: Any) -> None:
    """An image that came with damage is given, with the damage."""
    pixels: NDArray[np.uint16] = np.ones((2, 3), np.uint16)
    _, handle, rows = written(write.segment(write.frame(pixels, damage=1 << 14)))
    assert handle.event("", rows[0]).info["damage"] == 1 << 14


def is_decoded(kind: int, version: int) -> bool:
    """Whether there is a decoder, which misses the configuration or bytes here."""
    try:
        image_layout(kind, version, b"", 0, None)
    except (SourceError, ValueError) as fault:
        return "decoded are" not in str(fault)
    return True


def test_the_documentation_lists_what_is_decoded() -> None:
    """Types and versions of LCLS-I: those of the table, and no others."""
    text = (Path(__file__).parents[3] / "docs/reference/event-formats.md").read_text()
    rows = re.findall(r"^\| .* \| (\d+) \| ([\d, ]+) \| \(", text, re.MULTILINE)
    listed = {int(kind): [int(one) for one in versions.split(",")] for kind, versions in rows}
    types = set(range(200)) - {TypeId.SMALL_DATA_PROXY}
    known = {kind: [one for one in range(20) if is_decoded(kind, one)] for kind in types}
    assert listed == {kind: versions for kind, versions in known.items() if versions}
    assert all(map(is_image, listed))
