"""Whatever is in an xtc2 file, reading it ends, in an error that says so or in values."""

from __future__ import annotations

import contextlib
import logging
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.formats import xtc2 as writer
from helpers.formats.xtc2 import Stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.events.formats.lcls2.reader import Xtc2Reader
from spring_mpi.events.formats.reader import READ_FAULTS

NAME = "exp-r0034-s000-c000.xtc2"
FLOOR = 2_000_000
"""Bytes that the reader may take for a file of any size."""


def small_stream() -> Stream:
    """Every kind of record once or twice, in about 12 kB."""
    planes = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4)
    stream = Stream(segments=(0, 1)).configure().begin().step(3, 0.5)
    stream.event(10, planes).slow(11, 1.0).event(12, planes, damage=1, lost=[0])
    stream.add(13, writer.UNCONFIGURE)
    other = Stream(dtype="f4", run=35).configure(14).begin(15).event(16, planes.astype("f4"))
    return Stream(datagrams=stream.datagrams + other.datagrams).switch(17, 1)


DATA = b"".join(small_stream().datagrams)
SMALL = writer.small_data([small_stream().datagrams])
# The bytes that steer: those of headers, shapes and types, not the padding of the names.
STEERING = {
    data: [at for at in range(len(data)) if any(data[max(0, at - 4) : at + 4])]
    for data in (DATA, SMALL)
}
NUMBERS = [0, 1, 2, 3, 4, 11, 12, 13, 20, 24, 255, 4096, 2**16, 2**24, 2**31, 2**32 - 12, 2**32 - 1]


@st.composite
def changed(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with some numbers overwritten, a part left out or repeated, or the end cut off."""
    out = bytearray(data)
    for at in draw(st.lists(st.sampled_from(STEERING[data]), max_size=4)):
        number = draw(st.sampled_from(NUMBERS) | st.integers(0, 2**32 - 1))
        width = draw(st.sampled_from([1, 2, 4, 8]))
        out[at : at + width] = number.to_bytes(8, "little")[:width]
    if draw(st.booleans()):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(out))] * 2)))
        out[start:end] = out[start:end] * draw(st.sampled_from([0, 2]))
    return bytes(out[: draw(st.none() | st.integers(0, len(out)))])


def replace(path: Path, data: bytes) -> None:
    """Write a new file; to empty the old one makes some file systems wait for the disk."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def read_all(path: Path, data: bytes, small: bytes) -> None:
    """Write the files, scan them, and read all that can be read; nothing unforeseen is raised."""
    replace(path, data)
    replace(path.parent / "smalldata" / NAME.replace(".xtc2", ".smd.xtc2"), small)
    reader = Xtc2Reader()
    with contextlib.suppress(*READ_FAULTS):
        scanned = reader.scan(str(path), dataset=None, pid=None)
        handle = reader.open(str(path))
        rows = [] if scanned.rows is None else scanned.rows.tolist()
        for row in (*rows, 0, 1 << 48, 2**64 - 1):
            with contextlib.suppress(*READ_FAULTS):
                handle.event(scanned.dataset, row)
        for name in ("gain", "PRESSURE", "STATE", "runnum"):
            with contextlib.suppress(*READ_FAULTS):
                handle.field(name, rows[-1])
        handle.close()


def memory_of(path: Path, data: bytes, small: bytes) -> int:
    """The bytes that this takes at most."""
    tracemalloc.start()
    try:
        read_all(path, data, small)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the files are written, without log."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "smalldata").mkdir()
    logging.disable()
    yield folder / NAME
    logging.disable(logging.NOTSET)


either = changed(DATA).map(lambda data: (data, SMALL)) | changed(SMALL).map(
    lambda small: (DATA, small)
)


@given(files=either)
@settings(max_examples=1000)
def test_changed_files(path: Path, files: tuple[bytes, bytes]) -> None:
    """Files with changed headers, and small data that lie."""
    read_all(path, *files)


@given(files=either)
@settings(max_examples=60)
def test_memory(path: Path, files: tuple[bytes, bytes]) -> None:
    """Whatever the headers say, no more memory is taken than a few times the size of the files."""
    assert memory_of(path, *files) < FLOOR + 8 * sum(map(len, files))


@pytest.mark.long
@pytest.mark.timeout(7200)
@given(files=either)
@settings(max_examples=100_000, derandomize=False, suppress_health_check=list(HealthCheck))
def test_many_changed_files(path: Path, files: tuple[bytes, bytes]) -> None:
    """As above, a hundred times as many, and others each time."""
    read_all(path, *files)


@pytest.mark.long
@pytest.mark.timeout(7200)
@given(files=either)
@settings(max_examples=10_000, derandomize=False, suppress_health_check=list(HealthCheck))
def test_memory_of_many(path: Path, files: tuple[bytes, bytes]) -> None:
    """As above, many times."""
    assert memory_of(path, *files) < FLOOR + 8 * sum(map(len, files))


@given(data=st.binary(max_size=200))
@settings(max_examples=200)
def test_noise(path: Path, data: bytes) -> None:
    """Any bytes at all."""
    read_all(path, data, data)


def test_the_unchanged_file(path: Path) -> None:
    """The file that is changed can be read, so that the changes matter."""
    path.write_bytes(DATA)
    reader = Xtc2Reader()
    scanned = reader.scan(str(path), dataset="cam", pid=None)
    assert scanned.shape == (3, 2, 3, 4)
