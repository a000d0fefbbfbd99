"""Runs of several xtc2 files: small data beside them, chunks of a stream, streams of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.formats import xtc2 as writer
from helpers.formats.xtc2 import Stream, write_small

from spring_mpi.errors import SourceError
from spring_mpi.events.formats.lcls2 import chain as xtc2_chain
from spring_mpi.events.formats.lcls2.reader import Xtc2Reader
from spring_mpi.events.formats.reader import Scan

NAME = "exp-r0034-s000-c000.xtc2"
NEXT = "exp-r0034-s000-c001.xtc2"
PLANES = np.arange(3 * 4, dtype=np.uint16).reshape(1, 3, 4)


def short_stream(run: int | None = 34, **keywords: Any) -> Stream:
    """Two events with a SlowUpdate between them."""
    stream = Stream(run=run, **keywords).configure().begin().step(3, 0.5)
    return stream.event(10, PLANES).slow(11, 1.0).event(12, PLANES + 1)


def scan(path: Path, dataset: str | None = None) -> Scan:
    """The scan of a file."""
    return Xtc2Reader().scan(str(path), dataset=dataset, pid=None)


def pids(scanned: Scan) -> list[list[int]]:
    """The pids of a scan."""
    assert scanned.pids is not None
    return scanned.pids.tolist()


def frames(path: Path, scanned: Scan) -> list[object]:
    """All frames of a file."""
    assert scanned.rows is not None
    handle = Xtc2Reader().open(str(path))
    read = [handle.event(scanned.dataset, row).data.tolist() for row in scanned.rows.tolist()]
    handle.close()
    return read


@pytest.fixture
def _no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Going through the file from header to header is an error."""

    def forbidden(file: object) -> None:
        raise AssertionError("the small data were not used")

    monkeypatch.setattr(xtc2_chain, "_walked", forbidden)


@pytest.mark.usefixtures("_no_walk")
def test_small_data_spare_the_walk(tmp_path: Path) -> None:
    """Where the small data fit, the file is not gone through."""
    path = short_stream().write(tmp_path / NAME, small=True)
    assert pids(scan(path)) == [[34, 10], [34, 12]]


@pytest.mark.usefixtures("_no_walk")
def test_small_data_of_any_form(tmp_path: Path) -> None:
    """Pointers may have their parts in any order, and another one than those before."""
    stream = short_stream().event(13, PLANES + 2).slow(14, 2.0).event(15, PLANES + 3)
    path = stream.write(tmp_path / NAME, small=True)
    small = tmp_path / "smalldata" / "exp-r0034-s000-c000.smd.xtc2"
    small.write_bytes(writer.small_data([stream.datagrams], data_first=True))
    assert pids(scan(path)) == [[34, 10], [34, 12], [34, 13], [34, 15]]


@pytest.mark.usefixtures("_no_walk")
def test_many_events_in_threads(tmp_path: Path) -> None:
    """More events than one thread takes come in their order."""
    stream = Stream().configure().begin()
    for time in range(2000):
        stream.event(10 + time, PLANES, damage=time % 2)
    scanned = scan(stream.write(tmp_path / NAME, small=True))
    assert pids(scanned) == [[34, 10 + time] for time in range(2000)]
    assert scanned.flags is not None
    assert scanned.flags.tolist() == [0, 2] * 1000


def other_run(stream: Stream) -> bytes:
    """Small data of a file with the same sizes, but other times."""
    later = short_stream()
    later.datagrams = [bytes([one[0] + 1]) + one[1:] for one in later.datagrams]
    return writer.small_data([later.datagrams])


MISFITS: dict[str, Callable[[Stream], bytes]] = {
    "torn": lambda stream: writer.small_data([stream.datagrams])[:-1],
    "shorter": lambda stream: writer.small_data([stream.datagrams[:-1]]),
    "longer": lambda stream: writer.small_data([[*stream.datagrams, stream.datagrams[-1]]]),
    "gap": lambda stream: writer.small_data([stream.datagrams[:4] + stream.datagrams[5:]]),
    "other run": other_run,
    "beside": lambda stream: writer.small_data([stream.datagrams], shift=4),
    "no pointers": lambda stream: b"".join(stream.datagrams),
    "empty": lambda stream: b"",
    "noise": lambda stream: b"noise" * 100,
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_small_data_that_do_not_fit(
    tmp_path: Path, misfit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Small data of another state of the file, or of another file, are told and not used."""
    stream = short_stream()
    path = stream.write(tmp_path / NAME, small=True)
    small = tmp_path / "smalldata" / "exp-r0034-s000-c000.smd.xtc2"
    small.write_bytes(MISFITS[misfit](stream))
    scanned = scan(path)
    assert (pids(scanned), frames(path, scanned)) == (
        [[34, 10], [34, 12]],
        [PLANES[0].tolist(), (PLANES[0] + 1).tolist()],
    )
    assert f"{small} does not fit to {path} and is not used" in caplog.text


def test_small_data_as_a_source(tmp_path: Path) -> None:
    """Small data are no source of frames, and it is said what is."""
    short_stream().write(tmp_path / NAME, small=True)
    with pytest.raises(SourceError, match=r"is small data, .*name the \.xtc2 file"):
        scan(tmp_path / "smalldata" / "exp-r0034-s000-c000.smd.xtc2")


def two_chunks(folder: Path, *, small: bool) -> tuple[Path, Path]:
    """A stream whose second file begins without a Configure."""
    first = short_stream(run=7).switch(20, 1)
    second = Stream().slow(21, 2.0).event(22, PLANES + 2).add(23, writer.END_RUN)
    paths = first.write(folder / NAME), second.write(folder / NEXT)
    if small:
        write_small(paths[0], [first.datagrams, second.datagrams])
    return paths


@pytest.mark.parametrize("small", [False, True])
def test_chunks(tmp_path: Path, small: bool, request: pytest.FixtureRequest) -> None:
    """Names and run of a later chunk are those of the first; its places are its own."""
    first, second = two_chunks(tmp_path, small=small)
    if small:
        request.getfixturevalue("_no_walk")
    one, other = scan(first), scan(second)
    assert (pids(one), pids(other)) == ([[7, 10], [7, 12]], [[7, 22]])
    assert frames(second, other) == [(PLANES[0] + 2).tolist()]
    assert other.rows is not None
    handle = Xtc2Reader().open(str(second))
    assert handle.field("PRESSURE", int(other.rows[0])) == 2.0
    with pytest.raises(ValueError, match=r"no scan\.raw\.motor is recorded in this file before"):
        handle.field("motor", int(other.rows[0]))
    handle.close()


def test_chunk_with_its_own_configure(tmp_path: Path) -> None:
    """A later chunk that names its own data needs no other file but for the run."""
    path = short_stream(run=35).write(tmp_path / NEXT)
    assert pids(scan(path)) == [[35, 10], [35, 12]]


def test_chunk_without_the_first(tmp_path: Path) -> None:
    """Without the file that names its data a later chunk cannot be read, and it is said why."""
    first, second = two_chunks(tmp_path, small=False)
    first.unlink()
    with pytest.raises(SourceError, match=f"{NAME} is not beside it"):
        scan(second)
    lonely = second.rename(tmp_path / "other.xtc2")
    with pytest.raises(SourceError, match="does not begin with a Configure"):
        scan(lonely)


def test_run_told_by_another_stream(tmp_path: Path) -> None:
    """Where a stream does not tell the run, another one of the run does, else the name."""
    quiet = short_stream(run=None).write(tmp_path / "exp-r0034-s001-c000.xtc2")
    assert pids(scan(quiet)) == [[34, 10], [34, 12]]
    short_stream(run=7).write(tmp_path / "exp-r0035-s000-c000.xtc2")
    assert pids(scan(quiet)) == [[34, 10], [34, 12]]
    short_stream(run=8).write(tmp_path / NAME)
    assert pids(scan(quiet)) == [[8, 10], [8, 12]]


def test_dataset_of_another_stream(tmp_path: Path) -> None:
    """A stream without the detector brings no events, if another stream of the run has it."""
    one = short_stream(detector="cam").write(tmp_path / NAME)
    other = short_stream(detector="dog").write(tmp_path / "exp-r0034-s001-c000.xtc2")
    assert [pids(scan(path, "dog")) for path in (one, other)] == [[], [[34, 10], [34, 12]]]
    assert scan(one, "dog").shape[0] == 0
    with pytest.raises(SourceError, match=r"no dataset 'dot'; .*cam\.raw\.image"):
        scan(one, "dot")


def test_damaged_neighbour(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another stream that cannot be read is told, and does not keep this one from being read."""
    quiet = short_stream(run=None).write(tmp_path / NAME)
    (tmp_path / "exp-r0034-s001-c000.xtc2").write_bytes(b"x" * 100)
    assert pids(scan(quiet)) == [[34, 10], [34, 12]]
    assert "exp-r0034-s001-c000.xtc2: byte 0: the header of a datagram is damaged" in caplog.text
