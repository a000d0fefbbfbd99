"""Hostile HDF5 files: any dataset may be missing, of any shape and type, or a link to anywhere.

Readers answer with one of `READ_FAULTS`, take no more memory than the file is worth, and end.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats.euxfel import MODULE, EuxfelFile
from helpers.formats.flash import write_new, write_old
from helpers.formats.nexus import write_master
from helpers.formats.swissfel import write_jungfrau
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.events.event import Source
from spring_mpi.events.formats.hdf5.sizes import LEAST_LIMIT
from spring_mpi.events.formats.reader import READ_FAULTS
from spring_mpi.events.formats.registry import find_reader
from spring_mpi.events.index.assembly import assemble
from spring_mpi.events.index.scans import Scanned
from spring_mpi.events.index.wanted import Wanted

FRAMES = np.arange(6 * 4 * 5, dtype=np.uint16).reshape(6, 4, 5)
EXTENTS = st.sampled_from([0, 1, 2, 3, 5, 6, 7, 1000, 2**20, 2**31, 2**40, 2**60])
SHAPES = st.lists(EXTENTS, max_size=4).map(tuple)
TYPES = st.sampled_from(["u1", "u2", "i8", "u8", "f4", "f8", ">u2", "S7", "c8", "?", "O"])
NUMBERS = st.lists(st.sampled_from([0, 1, 2, 6, 2**31, 2**53, 2**63, 2**64 - 1]), max_size=7)


def euxfel(path: Path) -> Path:
    """A module's file with a control value."""
    pair = np.stack([FRAMES, FRAMES], axis=1)
    file = EuxfelFile([10, 11, 13], control={"A/B": np.arange(3.0)})
    source = MODULE.format(7)
    return file.image(source, [2, 0, 4], pair, range(6), cellId=np.arange(6)).write(path)


def cxi(path: Path) -> Path:
    """Frames with a mask for each."""
    with h5py.File(path, "w") as file:
        file["entry_1/data_1/data"] = FRAMES
        file["entry_1/data_1/mask"] = FRAMES % 3
        for name in ("machineTime", "machineTimeNanoSeconds", "fiducial"):
            file[f"LCLS/{name}"] = np.arange(6)
    return path


def hdf5(path: Path) -> Path:
    """Frames under a name of no format, in compressed chunks, with the number of each."""
    with h5py.File(path, "w") as file:
        file.create_dataset("run/frames", data=FRAMES, chunks=(2, 4, 5), compression="gzip")
        file["run/number"] = np.arange(6)
    return path


MAKERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "euxfel": ("euxfel", euxfel),
    "swissfel": (
        "swissfel",
        lambda path: write_jungfrau(path, "JF06", range(1, 7), FRAMES, [1, 1, 0, 1, 1, 1]),
    ),
    "flash": ("flash", lambda path: write_new(path, {"FL1/CAM": (range(1, 7), FRAMES)})),
    "old flash": ("flash", lambda path: write_old(path, range(1, 7), {"CAM": FRAMES})),
    "nexus": ("nexus", lambda path: write_master(path, [FRAMES[:2], FRAMES[2:]], FRAMES[0])),
    "cxi": ("cxi", cxi),
    "hdf5": ("hdf5", hdf5),
}
ASKED: dict[str, dict[str, Any]] = {"hdf5": {"dataset": "/run/frames", "pid": "/run/number"}}
"""What readers must be told."""


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, Any]:
    """What becomes of a dataset."""
    kind = draw(st.sampled_from(["gone", "group", "link", "extent", "numbers", "scalar"]))
    values: dict[str, Callable[[], Any]] = {
        "extent": lambda: (draw(SHAPES), draw(TYPES), draw(st.booleans())),
        "numbers": lambda: np.array(draw(NUMBERS), np.uint64),
        "link": lambda: draw(st.sampled_from(["/", "nowhere", "../x", "/INDEX", "/data", "."])),
    }
    return kind, values.get(kind, lambda: 7)()


def apply(file: h5py.File, name: str, kind: str, value: Any) -> None:
    """Put something else in the place of a dataset."""
    del file[name]
    if kind == "group":
        file.create_group(name)
    elif kind == "link":
        file[name] = h5py.SoftLink(value)
    elif kind == "extent":
        shape, dtype, chunked = value
        chunks = tuple(max(1, min(extent, 64)) for extent in shape) if chunked and shape else None
        dtype = h5py.string_dtype() if dtype == "O" else dtype
        file.create_dataset(name, shape, dtype, chunks=chunks)
    elif kind != "gone":
        file[name] = value


def datasets(file: h5py.File) -> list[str]:
    """Names of all, links to other files included."""
    names: list[str] = []
    file.visititems_links(lambda name, _: names.append(name))
    return [name for name in names if not isinstance(file.get(name), h5py.Group)]


def use(reader_name: str, path: Path) -> None:
    """Index the file, and read three events and a field of each, as far as it goes."""
    reader = find_reader(reader_name)
    try:
        reader.sniff(str(path))
        scan = reader.scan(str(path), **ASKED.get(reader_name, {"dataset": None, "pid": None}))
        if scan.shape[0]:
            assemble([Scanned(Source(str(path), reader_name), scan)], Wanted())
        handle = reader.open(str(path))
        rows = range(min(3, scan.shape[0])) if scan.rows is None else scan.rows[:3].tolist()
        try:
            for row in rows:
                handle.event(scan.dataset, row)
                handle.field("/CONTROL/A/B/actual/value", row)
        finally:
            handle.close()
    except READ_FAULTS:
        pass


def check_changed(maker: str, folder: Path, wanted: list[tuple[int, tuple[str, Any]]]) -> None:
    """The law, for one file with changed datasets; see `little_memory` for its second half."""
    reader, make = MAKERS[maker]
    path = make(folder / f"{maker}-R0034-AGIPD07.cxi")
    with h5py.File(path, "r+") as file:
        for number, (kind, value) in wanted:
            names = datasets(file)
            try:
                apply(file, names[number % len(names)] if names else "x", kind, value)
            except (ValueError, OSError, KeyError, RuntimeError, TypeError, MemoryError):
                # HDF5 itself refuses to make such a thing.
                return
    use(reader, path)


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """More than four of the largest allowed pieces at once is a `MemoryError`, so a failure."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + 4 * LEAST_LIMIT
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


CHANGES = st.lists(st.tuples(st.integers(0, 40), changes()), min_size=1, max_size=3)
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.parametrize("maker", MAKERS)
@settings(max_examples=170, suppress_health_check=QUIET)
@given(wanted=CHANGES)
def test_changed_datasets(
    maker: str, tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[int, tuple[str, Any]]]
) -> None:
    """1190 files of seven kinds."""
    check_changed(maker, tmp_path_factory.getbasetemp(), wanted)


def damaged(original: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Files with a few changed bytes, some cut short."""
    chance = random.Random(seed)
    for _ in range(count):
        content = bytearray(original)
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            content[chance.randrange(len(content))] = chance.choice((0, 255, chance.randrange(256)))
        if chance.random() < 0.1:
            del content[chance.randrange(len(content)) :]
        yield bytes(content)


def ends_well(action: Callable[[], object]) -> bool:
    """Whether a process of its own survives an action: HDF5 may take it down at damaged bytes."""
    child = os.fork()
    if not child:
        status = 1
        try:
            action()
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "a fault that is not of files"
    return os.WIFEXITED(status)


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("maker", MAKERS)
def test_damaged_bytes(maker: str, tmp_path: Path) -> None:
    """119,000 files: no fault but those of files, and none alone ends a process.

    What HDF5 leaves behind after many damaged files can end it; so there is a process for every
    hundred, and one of its own for each of a hundred that failed.
    """
    reader, make = MAKERS[maker]
    original = make(tmp_path / "original-R0034-AGIPD07.cxi").read_bytes()
    path = tmp_path / "damaged-R0034-AGIPD07.cxi"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        use(reader, path)

    for seed in range(170):
        files = list(damaged(original, 100, seed))
        if not ends_well(partial(list, map(read, files))):
            alone = [ends_well(partial(read, one)) for one in files]
            assert all(alone), f"seed {seed}, file {alone.index(False)}"
