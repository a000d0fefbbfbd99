"""The reader of xtc2 finds every event of a stream, and gives what was recorded for it."""

from __future__ import annotations

import logging
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.formats import xtc2 as writer
from helpers.formats.xtc2 import Stream
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events.formats.lcls2.reader import Xtc2Reader
from spring_mpi.events.formats.reader import DAMAGED, INCOMPLETE, SLOW, STEP, Frame, Scan

NAME = "exp-r0034-s000-c000.xtc2"
TIMES = [10, 11, (1 << 32) + 5, (1 << 32) + 6]
PLANES = np.arange(4 * 2 * 3 * 5, dtype=np.uint16).reshape(4, 2, 3, 5)


def recorded_stream(planes: NDArray[np.uint16] = PLANES, run: int | None = 34) -> Stream:
    """Four events of a camera with two segments, slow control and a second step between them."""
    stream = Stream(segments=(4, 6)[: planes.shape[1]], run=run).configure().begin().step(3, 0.5)
    stream.event(TIMES[0], planes[0]).event(TIMES[1], planes[1])
    stream.slow(20, 1e-6).step(21, 1.5)
    stream.event(TIMES[2], planes[2]).slow((1 << 32) + 5, 2e-6, "bad").event(TIMES[3], planes[3])
    return stream.add((1 << 32) + 9, writer.END_RUN)


def scan(path: Path, dataset: str | None = None) -> Scan:
    """The scan of a file."""
    return Xtc2Reader().scan(str(path), dataset=dataset, pid=None)


def read(path: Path, scanned: Scan, order: list[int]) -> list[Frame]:
    """The frames of some events, in the given order."""
    handle = Xtc2Reader().open(str(path))
    assert scanned.rows is not None
    frames = [handle.event(scanned.dataset, int(scanned.rows[number])) for number in order]
    handle.close()
    return frames


def told(scanned: Scan) -> tuple[object, ...]:
    """All of a scan, so that it can be compared."""
    columns = (scanned.pids, scanned.rows, scanned.flags, scanned.transitions)
    parts = [column.tolist() for column in columns if column is not None]
    return (scanned.dataset, scanned.shape, scanned.dtype, scanned.pid_names, *parts)


@pytest.mark.parametrize("small", [False, True])
def test_events_in_any_order(tmp_path: Path, small: bool) -> None:
    """Pids, shape and transitions are those recorded, and frames come in whatever order."""
    path = recorded_stream().write(tmp_path / NAME, small=small)
    scanned = scan(path)
    order = [3, 0, 2, 2, 1]
    frames = read(path, scanned, order)
    assert (scanned.dataset, scanned.shape, scanned.dtype) == (
        "cam.raw.image",
        (4, 2, 3, 5),
        "uint16",
    )
    assert (scanned.pid_names, scanned.is_part) == (("run", "timestamp"), True)
    assert scanned.pids is not None
    assert scanned.pids.tolist() == [[34, time] for time in TIMES]
    assert [one.data.tolist() for one in frames] == PLANES[order].tolist()
    assert {one.info["modules"] for one in frames} == {(4, 6)}
    assert all(one.data.flags.writeable for one in frames)
    assert scanned.transitions is not None
    times = [(1, SLOW), (3, STEP), (20, SLOW), (21, STEP), ((1 << 32) + 5, SLOW)]
    assert scanned.transitions[["time", "kind"]].tolist() == times


def test_camera_of_one_segment_is_a_picture(tmp_path: Path) -> None:
    """One segment in a stream gives (rows, columns), and its number."""
    path = recorded_stream(PLANES[:, :1]).write(tmp_path / NAME)
    (frame,) = read(path, scan(path), [2])
    assert scan(path).shape == (4, 3, 5)
    assert (frame.data.tolist(), frame.info["modules"]) == (PLANES[2, 0].tolist(), (4,))


def test_segment_of_several_planes(tmp_path: Path) -> None:
    """A field with three axes is a stack; its planes are counted through the segments."""
    block = writer.names(7, "det", "raw", {"raw": (1, 3)}, segment=2)
    stream = Stream().add(1, writer.CONFIGURE, block)
    stream.add(5, writer.EVENT, writer.values(7, [PLANES[0]]))
    path = stream.write(tmp_path / NAME)
    (frame,) = read(path, scan(path), [0])
    assert scan(path).shape == (1, 2, 3, 5)
    assert (frame.data.tolist(), frame.info["modules"]) == (PLANES[0].tolist(), (4, 5))


def test_last_event_of_a_batch_is_an_event(tmp_path: Path) -> None:
    """The transition that ends a batch holds an event like any other."""
    stream = Stream().configure().begin()
    stream.add(5, writer.LAST_OF_BATCH, writer.values(writer.CAMERA, [PLANES[0, 0], np.uint32(1)]))
    path = stream.write(tmp_path / NAME, small=True)
    (frame,) = read(path, scan(path), [0])
    assert frame.data.tolist() == PLANES[0, 0].tolist()


@pytest.mark.parametrize("dataset", ["cam.raw.image", "cam.raw", "cam", "image"])
def test_short_names(tmp_path: Path, dataset: str) -> None:
    """A detector, an algorithm or a field alone is enough where it is plain what is meant."""
    path = recorded_stream().write(tmp_path / NAME)
    assert scan(path, dataset).dataset == "cam.raw.image"


@pytest.mark.parametrize("number", [1, 7, 23, 24, 100])
def test_torn_tail(tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture) -> None:
    """An incomplete datagram at the end is left out and told; the events before it are kept."""
    stream = recorded_stream()
    whole = stream.write(tmp_path / NAME)
    last = stream.event(1 << 33, PLANES[0]).datagrams[-1]
    path = tmp_path / f"{NAME}.inprogress"
    path.write_bytes(whole.read_bytes() + last[:number])
    assert told(scan(path)) == told(scan(whole))
    assert f"{path}: the last {number} bytes are an incomplete datagram" in caplog.text


def test_damaged_header(tmp_path: Path) -> None:
    """Bytes that are no header where the next one should be stop the scan, with their place."""
    stream = recorded_stream()
    place = sum(map(len, stream.datagrams[:5]))
    data = bytearray(stream.write(tmp_path / NAME).read_bytes())
    for change in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
        data[place + 20 : place + 24] = change
        (tmp_path / NAME).write_bytes(data)
        with pytest.raises(ValueError, match=f"byte {place}: "):
            scan(tmp_path / NAME)


@pytest.mark.parametrize("small", [False, True])
def test_damage_is_flagged(tmp_path: Path, small: bool) -> None:
    """Damaged and incomplete events are kept, and told apart; so with small data, which lack it."""
    stream = Stream(segments=(0, 1)).configure().begin()
    stream.event(10, PLANES[0]).event(11, PLANES[1], damage=1 << 4)
    stream.event(12, PLANES[2], lost=[0]).event(13, PLANES[3], damage=1 << 4, lost=[0, 1])
    stream.event(14, PLANES[0], damage=1 << 3).event(15, PLANES[0], lost=[0, 1])
    values = [PLANES[0, 0], np.uint32(0)]
    parts = [writer.values(source, values) for source in (writer.CAMERA, writer.CAMERA + 1)]
    damaged = writer.values(writer.CAMERA, values, damage=1 << 5)
    corrupted = writer.values(writer.CAMERA, values, damage=1 << 3)
    stream.add(16, writer.EVENT, b"".join(parts) + struct.pack("<IHHI", 0, 0, 1, 5))
    stream.add(17, writer.EVENT, damaged + parts[1])
    stream.add(18, writer.EVENT, corrupted + parts[1])
    path = stream.write(tmp_path / NAME, small=small)
    scanned = scan(path)
    both = DAMAGED | INCOMPLETE
    assert scanned.pids is not None
    assert scanned.pids[:, 1].tolist() == [10, 11, 12, 13, 14, 16, 17, 18]
    assert scanned.flags is not None
    flags = [0, DAMAGED, INCOMPLETE, both, both, DAMAGED, DAMAGED, DAMAGED]
    assert scanned.flags.tolist() == flags
    frames = read(path, scanned, [1, 2, 6])
    assert [one.info["modules"] for one in frames] == [(0, 1), (1,), (0, 1)]
    assert frames[1].data.tolist() == PLANES[2, 1:].tolist()
    for number in (3, 4):
        with pytest.raises(ValueError, match=r"the event holds no cam\.raw\.image"):
            read(path, scanned, [number])
    with pytest.raises(ValueError, match="the values are marked as corrupted"):
        read(path, scanned, [7])


def test_segments_in_any_order(tmp_path: Path) -> None:
    """Modules come in the order of their numbers, however the stream has them."""
    path = Stream(segments=(6, 4)).configure().begin().event(5, PLANES[0]).write(tmp_path / NAME)
    (frame,) = read(path, scan(path), [0])
    assert (frame.data.tolist(), frame.info["modules"]) == (PLANES[0, ::-1].tolist(), (4, 6))


def test_default_is_what_events_hold(tmp_path: Path) -> None:
    """What only a Configure holds is not taken for the frames unless it is asked for."""
    fields = {"image": (1, 2)}
    blocks = writer.names(7, "det", "config", fields) + writer.names(8, "det", "raw", fields)
    stream = Stream().add(1, writer.CONFIGURE, blocks + writer.values(7, [PLANES[1, 0]]))
    path = stream.add(5, writer.EVENT, writer.values(8, [PLANES[0, 0]])).write(tmp_path / NAME)
    assert [scan(path, name).dataset for name in (None, "det")] == ["det.raw.image"] * 2
    assert scan(path, "det.config").shape[0] == 0


def test_other_events_are_left_out(tmp_path: Path) -> None:
    """Events of other detectors in the same stream are none of this one's."""
    stream = recorded_stream()
    stream.add((1 << 32) + 7, writer.EVENT, writer.values(writer.EPICS, [1.0, "x"]))
    path = stream.write(tmp_path / NAME)
    assert scan(path).shape[0] == 4


def test_every_configure_has_its_names(tmp_path: Path) -> None:
    """A source means what the last Configure before the event says; runs are counted likewise."""
    first, second = Stream(run=1), Stream(run=2, dtype="f4", detector="other")
    first.configure(1).begin(2).event(3, PLANES[0, :1]).slow(4, 0.5)
    place = sum(map(len, first.add(4, writer.UNCONFIGURE).datagrams))
    second.configure(5).begin(6).event(7, PLANES[1, :1].astype("f4"))
    second.run = 3
    second.begin(8).slow(9, 3.5).event(10, PLANES[2, :1].astype("f4"))
    stream = Stream(datagrams=first.datagrams + second.datagrams)
    for small in (False, True):
        path = stream.write(tmp_path / NAME, small=small)
        one, other = scan(path, "cam"), scan(path, "other")
        assert one.pids is not None
        assert other.pids is not None
        assert (one.dtype, one.pids.tolist()) == ("uint16", [[1, 3]])
        assert (other.dtype, other.pids.tolist()) == ("float32", [[2, 7], [3, 10]])
        assert read(path, one, [0])[0].data.tolist() == PLANES[0, 0].tolist()
        frames = [frame.data.tolist() for frame in read(path, other, [1, 0])]
        assert frames == PLANES[[2, 1], 0].tolist()
        assert other.rows is not None
        assert other.transitions is not None
        configured = other.transitions["row"][[0, 2]].tolist()
        assert configured == [0, 1 << 48 | place]
        handle = Xtc2Reader().open(str(path))
        assert handle.field("PRESSURE", int(other.rows[1])) == 3.5
        with pytest.raises(ValueError, match=r"no epics\.raw\.PRESSURE is recorded"):
            handle.field("PRESSURE", int(other.rows[0]))
        handle.close()


def test_fields(tmp_path: Path) -> None:
    """Values of the event itself; else the ones recorded last before it, not those after."""
    path = recorded_stream().write(tmp_path / NAME)
    scanned = scan(path)
    assert scanned.rows is not None
    rows = [int(row) for row in scanned.rows]
    handle = Xtc2Reader().open(str(path))
    assert handle.field("gain", rows[1]).tolist() == [11, 11]
    assert handle.field("cam.raw.image", rows[1]).tolist() == PLANES[1].tolist()
    assert [handle.field("motor", row).item() for row in rows] == [0.5, 0.5, 1.5, 1.5]
    assert [handle.field("epics.raw.PRESSURE", row).item() for row in rows[:1:-1]] == [2e-6, 1e-6]
    assert [handle.field("STATE", row).item() for row in rows[2:]] == ["OK", "bad"]
    with pytest.raises(ValueError, match=r"no epics\.raw\.PRESSURE is recorded in this file bef"):
        handle.field("PRESSURE", rows[0])
    with pytest.raises(SourceError, match=r"'cam' is not enough; it may be cam\.raw\.image, cam"):
        handle.field("cam", rows[0])
    with pytest.raises(SourceError, match=r"no dataset 'cam\.raw\.gein'; did you mean 'cam\.raw"):
        handle.field("cam.raw.gein", rows[0])
    handle.close()


def test_rows_that_are_no_events(tmp_path: Path) -> None:
    """A place where no event begins is refused."""
    path = recorded_stream().write(tmp_path / NAME)
    handle = Xtc2Reader().open(str(path))
    with pytest.raises(ValueError, match="byte 0: no event is there"):
        handle.event("cam.raw.image", 0)
    with pytest.raises(EOFError, match="the file ends before"):
        handle.event("cam.raw.image", os.path.getsize(path))
    for name in ("dog", "scan.raw.motor"):
        with pytest.raises(SourceError, match=f"no frames '{name}'; .*it holds cam"):
            handle.event(name, 0)
    handle.close()


def test_pids_are_the_formats_own(tmp_path: Path) -> None:
    """A dataset of pids is refused."""
    path = recorded_stream().write(tmp_path / NAME)
    with pytest.raises(SourceError, match="pids of their own"):
        Xtc2Reader().scan(str(path), dataset=None, pid="a")


def test_sniff(tmp_path: Path) -> None:
    """Files are known by their names and by their first bytes."""
    data = recorded_stream().write(tmp_path / NAME).read_bytes()
    cases = {
        "a.xtc2": data,
        "b.xtc2.inprogress": data,
        "c.xtc2": b"",
        "d.xtc2": b"x" * 99,
        "e": data,
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    known = [name for name in cases if Xtc2Reader().sniff(str(tmp_path / name))]
    assert known == ["a.xtc2", "b.xtc2.inprogress"]


def test_no_frames(tmp_path: Path) -> None:
    """Without frames a file is refused, and what it holds is named; so is a field that is none."""
    stream = Stream(segments=()).configure().begin().event(10, PLANES[0], lost=[0, 1])
    path = stream.write(tmp_path / NAME)
    with pytest.raises(SourceError, match=r"no event holds frames.*it holds epics\.raw\.PRESSURE"):
        scan(path)
    with pytest.raises(SourceError, match=r"epics\.raw\.STATE has 1 axes; frames are"):
        scan(path, "STATE")


def test_opened_files_are_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither scans nor handles leave files open, also where they fail."""
    path = recorded_stream().write(tmp_path / NAME, small=True)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    with caplog.at_level(logging.CRITICAL):
        read(path, scan(path), [0])
        with pytest.raises(SourceError):
            scan(path, "nothing")
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before
