"""Scans and events of XTC files: identities, flags, transitions, streams, chunks, damage."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.formats import xtc as write
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.lcls1.handle import XtcHandle
from spring_mpi.events.formats.reader import DAMAGED, INCOMPLETE, SLOW, STEP, Scan
from spring_mpi.events.formats.registry import find_reader, guess_file_reader

NAME = "e665-r0034-s00-c00.xtc"
FRAMES = np.arange(4 * 6, dtype=np.uint16).reshape(4, 2, 3)
IMAGES = [write.segment(write.frame(frame)) for frame in FRAMES]
OPAL = (write.SOURCE | 0x1234, 6 << 24 | 3 << 8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a file that is not yet there."""
    return tmp_path / NAME


def put(path: Path, datagrams: Sequence[write.Datagram]) -> list[int]:
    """Write the file; offsets of its events."""
    path.write_bytes(write.encode(datagrams))
    placed = zip(write.offsets(datagrams), datagrams, strict=True)
    return [offset for offset, one in placed if one.service == write.L1]


def scan(path: Path, dataset: str | None = None) -> Scan:
    """What the reader finds."""
    return find_reader("xtc").scan(str(path), dataset=dataset, pid=None)


def flags(path: Path) -> list[int]:
    """Flags of all events."""
    found = scan(path).flags
    assert found is not None
    return found.tolist()


def transitions(found: Scan) -> list[tuple[int, int]]:
    """Place and kind of all transitions."""
    assert found.transitions is not None
    return [(int(one["row"]), int(one["kind"])) for one in found.transitions]


def test_events(path: Path) -> None:
    """The index finds the reader, the pids and, in any order, the frames."""
    datagrams = write.run(*write.events(4, *IMAGES))
    put(path, datagrams)
    assert guess_file_reader(str(path)) == "xtc"
    found = scan(path)
    assert found.pids is not None
    assert found.pid_names == ("run", "time", "fiducial")
    assert (found.shape, found.dtype, found.is_part) == ((4, 2, 3), "uint16", True)
    assert found.pids.tolist() == [
        [34, one.seconds << 32 | one.nanoseconds, one.fiducial]
        for one in datagrams if one.service == write.L1
    ]  # fmt: skip
    handle = XtcHandle(str(path))
    assert found.rows is not None
    for number in (3, 0, 2, 2, 1):
        read = handle.event(found.dataset, int(found.rows[number])).data
        assert (read.dtype, read.tolist()) == (np.dtype("u2"), FRAMES[number].tolist())
    handle.close()


def test_fiducials_wrap(path: Path) -> None:
    """Equal fiducials, 364 s apart, are two events, and their order is that of time."""
    first, second = write.events(2, *IMAGES)
    later = replace(second, seconds=first.seconds + 364, fiducial=first.fiducial)
    put(path, write.run(first, later))
    found = scan(path).pids
    assert found is not None
    assert (found[0, 2], found[1, 2], found[1, 1] > found[0, 1]) == (0, 0, True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0),
        ({"fiducial": 0x1FFFF}, DAMAGED),
        ({"damage": 1 << 1}, DAMAGED),
        ({"damage": 1 << 14}, DAMAGED),
        ({"damage": 1 << 15}, DAMAGED | INCOMPLETE),
        ({"damage": 1 << 16}, DAMAGED | INCOMPLETE),
        ({"content": b"torn" * 4}, DAMAGED),
        ({"content": struct.pack("<5I", 0, 0, 0, 1, 4000)}, DAMAGED),
        ({"content": struct.pack("<5I", 0, 0, 0, 2, 20) * 65537}, DAMAGED),
    ],
)
def test_flags(changes: dict[str, int], expected: int, path: Path) -> None:
    """Events that are damaged, incomplete or without a fiducial are flagged, none is left out."""
    put(path, write.run(*write.replaced(write.events(3, *IMAGES), 1, **changes)))
    assert flags(path) == [0, expected, 0]


EBEAM = write.container(bytes(4), 15, 7, write.EBEAM, damage=1 << 14)
CAMERA = write.frame(np.full((2, 3), 7, np.uint16))
HURT = write.frame(np.full((2, 3), 7, np.uint16), damage=1 << 14)


@pytest.mark.parametrize(
    ("sources", "damage", "expected"),
    [
        ([CAMERA, EBEAM], 1 << 14, 0),
        ([CAMERA, EBEAM], 1 << 14 | 1 << 1, DAMAGED),
        ([HURT], 1 << 14, DAMAGED),
        ([HURT, EBEAM], 1 << 14, DAMAGED),
        ([CAMERA, write.container(b"", 1, damage=1 << 15)], 1 << 16, 0),
        ([EBEAM], 1 << 14, DAMAGED),
    ],
)
def test_an_event_is_damaged_for_its_own_detector(
    sources: list[bytes], damage: int, expected: int, path: Path
) -> None:
    """Damage that another source explains leaves the image good; what none explains does not."""
    event = write.segment(*sources)
    put(path, write.run(*write.replaced(write.events(3, *IMAGES), 1, content=event, damage=damage)))
    assert flags(path) == [0, expected, 0]


@pytest.mark.parametrize("dataset", [None, "Timepix"])
def test_detectors_without_a_decoder_are_named(dataset: str | None, path: Path) -> None:
    """Their events, sources and types are told, and what is decoded."""
    timepix = (write.SOURCE | 0x1234, 30 << 24 | 17 << 8)
    data = write.segment(write.container(bytes(64), 50, 1, timepix))
    put(path, write.run(*write.events(13, data)))
    with pytest.raises(SourceError) as error:
        build_index(path, dataset=dataset)
    text = str(error.value)
    for words in (NAME, "13 events", ":Timepix.0", "type 50", "decoded are", "Jungfrau: type 108"):
        assert words in text


def halves(number: int) -> tuple[bytes, bytes]:
    """The contents of an event in two datagrams: an Opal in the first, the camera in the other."""
    gone = write.container(b"", 0, 0, damage=2)
    opal = write.frame(np.full((2, 3), 100 + number, np.uint16), OPAL)
    camera = write.frame(np.full((2, 3), number, np.uint16))
    return write.segment(opal) + gone, gone + write.segment(camera)


@pytest.mark.parametrize(
    ("dataset", "values"), [("Tm6740", [0, 1, 2, 3]), ("Opal1000", [100, 101, 102, 103])]
)
@pytest.mark.parametrize("is_second_first", [False, True])
def test_split_events_are_one(
    dataset: str, values: list[int], is_second_first: bool, path: Path
) -> None:
    """Each detector's image is taken from the datagram that has it, wherever the other one lies."""
    whole = write.events(4)
    datagrams = []
    for number, event in enumerate(whole):
        first, second = (replace(event, content=one, damage=2) for one in halves(number))
        datagrams += [second, first] if is_second_first else [first, second]
    late = datagrams.pop(1)
    put(path, write.run(*datagrams, late))
    index = build_index(path, dataset=dataset)
    assert (len(index), index.flags.any()) == (4, False)
    assert [int(index.read(pid).data[0, 0]) for pid in index.pids] == values
    handle = XtcHandle(str(path))
    rows = [index.ref(place).row for place in range(4)]
    other, expected = ("Opal1000", 100) if dataset == "Tm6740" else ("Tm6740", 0)
    found = [int(handle.field(other, row)[0, 0]) for row in rows]
    assert found == [expected + number for number in range(4)]
    handle.close()


def test_split_events_without_an_image_are_one(path: Path) -> None:
    """Where the detector was lost, its event fails alone; two images of one event are told."""
    first, second = (write.events(3)[1], write.events(3)[1])
    opal, camera = halves(1)
    whole = write.events(3, *IMAGES)
    lost = replace(first, content=opal, damage=2)
    put(path, write.run(whole[0], lost, lost, whole[2]))
    assert flags(path) == [0, DAMAGED, 0]
    twice = replace(second, content=camera, damage=2)
    put(path, write.run(whole[0], twice, twice, whole[2]))
    assert len(flags(path)) == 4


def test_incomplete_is_not_looked_into(path: Path) -> None:
    """A segment whose damage says incomplete is given as it is; its sources are not."""
    torn = write.segment(write.frame(FRAMES[0]), damage=1 << 15)
    (row,) = put(path, write.run(*write.events(1, torn + write.segment(write.evr([])))))
    handle = XtcHandle(str(path))
    assert [item[1:4] for item in handle.items(row)] == [(1, 1, 1 << 15), (19, 3, 0)]
    with pytest.raises(SourceError, match=r"no image of any detector; .*Segment.*Evr"):
        handle.event("", row)
    handle.close()


def test_transitions(path: Path) -> None:
    """Calib cycles are steps; the configuration and datagrams with EPICS values are slow."""
    slow = write.segment(write.epics(1, 20, "<f8", 24, [1.0]), number=2)
    datagrams = write.run(*write.events(3, IMAGES[0], IMAGES[0] + slow))
    put(path, datagrams)
    at = write.offsets(datagrams)
    assert transitions(scan(path)) == [(at[0], SLOW), (at[2], STEP), (at[5], SLOW)]


def test_torn_end_is_left_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Wherever a file is cut, the complete datagrams before are read, and the cut is told."""
    datagrams = write.run(*write.events(4, *IMAGES))
    rows = put(path, datagrams)
    whole = path.read_bytes()
    for end in range(rows[1] + 1, rows[-1] + 40, 7):
        path.write_bytes(whole[:end])
        caplog.clear()
        complete = [row for row in rows if row + len(datagrams[4].encode()) <= end]
        found = scan(path)
        assert found.rows is not None
        assert found.rows.tolist() == complete
        assert ("is torn" in caplog.text) == (end not in rows)


@pytest.mark.parametrize("tail", [b"", bytes(3), bytes(400)])
def test_growing_file(tail: bytes, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file in progress may end anywhere, also in zeros that are not written yet."""
    growing = path.with_name(f"{NAME}.inprogress")
    put(growing, write.run(*write.events(4, *IMAGES))[:-3])
    growing.write_bytes(growing.read_bytes() + tail)
    assert guess_file_reader(str(growing)) == "xtc"
    assert (scan(growing).shape, caplog.messages) == ((3, 2, 3), [])


def test_file_that_just_began(path: Path) -> None:
    """A file in progress without a datagram is known by its name, and has no events."""
    growing = path.with_name(f"{NAME}.inprogress")
    growing.write_bytes(b"")
    assert guess_file_reader(str(growing)) == "xtc"
    assert scan(growing).shape == (0, 0, 0)


@pytest.mark.parametrize("extent", [0, 19, 21, 0x6000004, 0xFFFFFFFF])
def test_damaged_header_is_named(extent: int, path: Path) -> None:
    """A header that cannot be is an error that tells its place."""
    rows = put(path, write.run(*write.events(4, *IMAGES)))
    data = bytearray(path.read_bytes())
    data[rows[2] + 36 : rows[2] + 40] = struct.pack("<I", extent)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=rf"{NAME}: .*header at byte {rows[2]}: .*{extent}"):
        build_index(path)


def test_run_of_the_file_that_names_none(tmp_path: Path) -> None:
    """The run is that of the BeginRun where the name has none."""
    put(tmp_path / "test.xtc", write.run(*write.events(1, *IMAGES), number=77))
    found = scan(tmp_path / "test.xtc").pids
    assert found is not None
    assert found[0, 0] == 77


def test_later_chunk_uses_the_first_ones_configuration(tmp_path: Path) -> None:
    """A chunk without Configure is read with that of chunk 0, over those between, or missing."""
    links = np.arange(4 * 512 * 512, dtype=np.uint16).reshape(4, 512, 512)
    image = write.segment(write.pnccd(links))
    first = write.run(configuration=write.segment(write.pnccd_config()))
    put(tmp_path / NAME, first)
    put(tmp_path / NAME.replace("c00", "c02"), [])
    last = tmp_path / NAME.replace("c00", "c03")
    (row,) = put(last, write.events(1, image))
    assert scan(last).shape == (1, 1024, 1024)
    handle = XtcHandle(str(last))
    assert handle.event("pnCCD", row).data[0, 0] == links[0, 0, 0]
    handle.close()
    os.remove(tmp_path / NAME)
    with pytest.raises(SourceError, match="configuration, which is missing"):
        scan(last)


def test_stream_without_the_detector_has_no_events(tmp_path: Path) -> None:
    """By default all streams give the same detector; others keep their transitions."""
    other = write.segment(write.frame(FRAMES[0], write.CSPAD))
    put(tmp_path / NAME, write.run(*write.events(2, *IMAGES)))
    beside = tmp_path / NAME.replace("s00", "s01")
    put(beside, write.run(*write.events(2, other)))
    assert (scan(beside).dataset, scan(beside).shape) == ("CxiDg2.0:Tm6740.0", (0, 0, 0))
    assert len(transitions(scan(beside))) == 2
    assert scan(beside, "CxiDs1").shape == (2, 2, 3)
    with pytest.raises(SourceError, match=r"no detector 'Opal' in this run; .*Tm6740.*Cspad"):
        scan(beside, "Opal")


@pytest.mark.parametrize(
    "name",
    ["CxiDg2.0:Tm6740.0", "Tm6740", "tm6740.0", "CxiDg2", "CxiDg2:Tm6740", "CxiDg2-0|Tm6740-0",
     "DetInfo(CxiDg2.0:Tm6740.0)", ":Tm6740", "Tm6740.1", "Tm674", "BldInfo(EBeam)"],
)  # fmt: skip
def test_names_of_detectors(name: str, path: Path) -> None:
    """Numbers, or one of the two parts, may be left out; what is written must agree."""
    put(path, write.run(*write.events(1, *IMAGES)))
    if name in (":Tm6740", "Tm6740.1", "Tm674", "BldInfo(EBeam)"):
        with pytest.raises(SourceError, match=r"no detector .*Tm6740\.0"):
            scan(path, name)
    else:
        assert scan(path, name).dataset == "CxiDg2.0:Tm6740.0"


def test_ambiguous_name(path: Path) -> None:
    """A name that means two detectors is an error that lists them; a full one is not."""
    second = (write.TM6740[0], write.TM6740[1] | 1)
    both = write.segment(write.frame(FRAMES[0]), write.frame(FRAMES[1], second))
    put(path, write.run(*write.events(1, both)))
    with pytest.raises(SourceError, match=r"CxiDg2\.0:Tm6740\.0, CxiDg2\.0:Tm6740\.1"):
        scan(path, "Tm6740")
    assert scan(path, "Tm6740.1").dataset == "CxiDg2.0:Tm6740.1"


def test_choice_of_a_detector_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where none is named and the run has images of others, too, both are named."""
    second = (write.TM6740[0], write.TM6740[1] | 1)
    both = write.segment(write.frame(FRAMES[0]), write.frame(FRAMES[1], second))
    put(path, write.run(*write.events(1, both)))
    assert scan(path).dataset == "CxiDg2.0:Tm6740.0"
    (told,) = caplog.messages
    assert (
        "of CxiDg2.0:Tm6740.0, the first of the run; there are images of CxiDg2.0:Tm6740.1" in told
    )
    caplog.clear()
    scan(path, "Tm6740.1")
    put(path, write.run(*write.events(2, *IMAGES)))
    scan(path)
    assert not caplog.messages


def test_first_event_without_the_detector(path: Path) -> None:
    """The shape is that of the first good image; reading an event without one is an error."""
    dropped = write.segment(write.container(b"", 2, 1, write.TM6740, damage=2))
    rows = put(path, write.run(*write.events(3, write.segment(), dropped, IMAGES[2])))
    assert scan(path).shape == (3, 2, 3)
    handle = XtcHandle(str(path))
    for row, reason in zip(rows, ["it holds nothing", "sent no data .damage 0x2"], strict=False):
        with pytest.raises(SourceError, match=reason):
            handle.event("Tm6740", row)
    handle.close()


def test_pid_datasets_are_refused(path: Path) -> None:
    """Pids of XTC files are fixed; naming others is an error."""
    put(path, write.run(*write.events(1, *IMAGES)))
    with pytest.raises(SourceError, match="leave 'pid' out"):
        find_reader("xtc").scan(str(path), dataset=None, pid="x")


@pytest.mark.parametrize("name", ["a.xtc2", "a.h5", "a.xtc.idx", "a.txt"])
def test_other_files_are_not_taken(name: str, path: Path) -> None:
    """Neither by the name nor by the content alone is a file XTC."""
    put(path.with_name(name), write.run(*write.events(1, *IMAGES)))
    assert not find_reader("xtc").sniff(str(path.with_name(name)))
    path.write_bytes(b"not a datagram, but longer than a header of one")
    assert not find_reader("xtc").sniff(str(path))


def test_scan_reads_no_frames(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 frames of 32 kB a scan reads less than 200 bytes each."""
    big: NDArray[np.uint16] = np.zeros((128, 128), np.uint16)
    put(path, write.run(*write.events(200, write.segment(write.frame(big)))))
    taken: list[int] = []
    pread = os.pread

    def counted(descriptor: int, size: int, offset: int) -> bytes:
        taken.append(size)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counted)
    assert scan(path).shape == (200, 128, 128)
    assert sum(taken) < 200 * 200
