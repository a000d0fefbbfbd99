"""Whatever bytes an XTC file or its index holds: faults that are told, no crash, little memory."""

from __future__ import annotations

import logging
import struct
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from helpers.formats import xtc as write
from helpers.formats import xtc_panels as panels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.events.formats.lcls1.handle import XtcHandle
from spring_mpi.events.formats.reader import READ_FAULTS
from spring_mpi.events.formats.registry import find_reader

NAME = "e1-r0001-s00-c00.xtc"
ALLOWED = 2_000_000
"""Bytes of memory for a file of a few kilobytes, of what Python itself needs."""


def whole_run() -> tuple[bytes, bytes]:
    """A small file of everything that is decoded, and its index."""
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4)
    content = write.segment(
        write.frame(pixels),
        write.early_pnccd(pixels.astype(np.int16)),
        write.container(bytes(200), 28, 2, write.CSPAD),
        write.container(bytes(200), 41, 1, write.CSPAD_2X2),
        write.evr([(0, 140), (3, 41)]),
        panels.epix(pixels.reshape(4, 3)[:, :2], 3, 6),
        panels.jungfrau(pixels[None]),
    )
    slow = write.segment(write.epics(1, 14, "S40", 20, ["on", "off"]), number=2)
    configuration = write.segment(
        write.early_pnccd_config(3, 4),
        write.cspad_config(5, 0b1, 0b1),
        panels.epix_config(84, 2, 32, (4, 2), panels.EPIX),
        panels.jungfrau_config((1, 3, 4)),
        write.epics(1, 28, "S40", 74, ["a"], "PV"),
        write.epics_aliases({1: "alias"}),
    )
    datagrams = write.run(
        *write.events(2, content, content + slow), configuration=configuration, number=5
    )
    return write.encode(datagrams), write.Index(NAME, datagrams, slow=[False, True]).encode()


FILE, INDEX = whole_run()
WORDS = [0, 1, 2, 15, 19, 20, 21, 36, 40, 64, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1]

Edit = tuple[bool, int, int]
"""In the index or in the file, at what byte, which word."""

edits = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(0, len(FILE) - 4),
        st.sampled_from(WORDS) | st.integers(0, 2**32 - 1),
    ),
    min_size=1,
    max_size=4,
)
ends = st.none() | st.integers(0, len(FILE))


def spoilt(changed: Sequence[Edit], end: int | None) -> tuple[bytes, bytes]:
    """File and index with some words changed and the file maybe cut."""
    both = bytearray(FILE), bytearray(INDEX)
    for in_index, place, word in changed:
        # Words of the file are aligned to 2 bytes, those of the index are not.
        place = place % (len(INDEX) - 4) if in_index else place & ~1
        struct.pack_into("<I", both[in_index], place, word)
    return bytes(both[0][:end]), bytes(both[1])


def use(path: Path, dataset: str, field: str) -> int:
    """Scan the file and read its events; how often that gave something."""
    rows = {0, 40}
    with suppress(*READ_FAULTS):
        scan = find_reader("xtc").scan(str(path), dataset=dataset, pid=None)
        assert scan.rows is not None
        rows |= set(scan.rows.tolist())
    handle = XtcHandle(str(path))
    good = sum(read(handle, row, dataset, field) for row in sorted(rows))
    handle.close()
    return good


def read(handle: XtcHandle, row: int, dataset: str, field: str) -> int:
    """Read an event in every way; how many of them gave something."""
    good = 0
    with suppress(*READ_FAULTS):
        handle.event(dataset, row)
        good += 1
    with suppress(*READ_FAULTS):
        handle.field(field, row)
        good += 1
    with suppress(*READ_FAULTS):
        good += len(list(handle.items(row))) > 0
    return good


def check(folder: Path, changed: Sequence[Edit], end: int | None, *names: str) -> int:
    """Write the files and read them."""
    for name, data in zip((NAME, f"{NAME}.idx"), spoilt(changed, end), strict=True):
        (folder / name).write_bytes(data)
    return use(folder / NAME, *names)


@contextmanager
def little_memory() -> Iterator[None]:
    """Fails where more was taken than `ALLOWED`."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < ALLOWED
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Files that are torn are told a thousand times otherwise."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


DATASETS = ["", "Tm6740", "pnCCD", "Epix", "Jungfrau", "Cspad", "Cspad2x2"]
FIELDS = ["EventId", "Evr", "PV", "alias", "EpicsArch"]
fuzzed = given(
    changed=edits, end=ends, dataset=st.sampled_from(DATASETS), field=st.sampled_from(FIELDS)
)
shared = HealthCheck.function_scoped_fixture


@pytest.mark.parametrize("dataset", DATASETS[:5])
@pytest.mark.parametrize("field", FIELDS[:4])
def test_all_is_read(dataset: str, field: str, tmp_path: Path) -> None:
    """The file that is spoilt below is a good one: each event gives its image, field and items."""
    assert check(tmp_path, [], None, dataset, field) >= 2 * 3


@fuzzed
@settings(max_examples=1000, suppress_health_check=[shared])
def test_spoilt_files(
    changed: list[Edit], end: int | None, dataset: str, field: str, tmp_path: Path
) -> None:
    """A thousand spoilt files raise nothing but the faults that are told."""
    check(tmp_path, changed, end, dataset, field)


@fuzzed
@settings(max_examples=100, suppress_health_check=[shared])
def test_memory(
    changed: list[Edit], end: int | None, dataset: str, field: str, tmp_path: Path
) -> None:
    """A size that a spoilt file claims is not taken before it is compared with the file's."""
    with little_memory():
        check(tmp_path, changed, end, dataset, field)


@pytest.mark.long
@pytest.mark.timeout(7200)
@fuzzed
@settings(max_examples=100_000, suppress_health_check=[shared], derandomize=False)
def test_many_spoilt_files(
    changed: list[Edit], end: int | None, dataset: str, field: str, tmp_path: Path
) -> None:
    """A hundred thousand, others each time."""
    check(tmp_path, changed, end, dataset, field)


@given(data=st.binary(max_size=300))
@settings(max_examples=300, suppress_health_check=[shared])
def test_any_bytes(data: bytes, tmp_path: Path) -> None:
    """Bytes that were never XTC."""
    (tmp_path / NAME).write_bytes(data)
    find_reader("xtc").sniff(str(tmp_path / NAME))
    use(tmp_path / NAME, "", "EventId")
