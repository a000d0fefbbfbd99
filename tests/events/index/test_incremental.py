"""An index that is built upon an earlier one is the one that is built of everything anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats import xtc as xtc_writer
from helpers.formats.euxfel import MODULE, EuxfelFile
from helpers.formats.nexus import write_master
from helpers.formats.xtc2 import Stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.cli.index import main
from spring_mpi.events import EventIndex, Source, build_index, load_index
from spring_mpi.events.index.build import Built, build
from spring_mpi.events.index.columns import Statistics
from spring_mpi.events.index.wanted import wanted_sources
from spring_mpi.launch.communicator import NullCommunicator

VERSIONS = 3
PLAIN = {"reader": "auto", "dataset": None, "pid": None, "run": None}


def frames(number: int, version: int) -> np.ndarray:
    """One to three frames, others in each version of each file."""
    count = 1 + (number + version) % 3
    return np.full((count, 3, 4), 10 * number + version, np.uint16)


def write_hdf5(path: Path, number: int, version: int) -> None:
    """Frames of two types, with shuffled numbers that occur in other files, too."""
    data = frames(number, version)
    with h5py.File(path, "w") as file:
        file["data"] = data.astype(np.float32) if version == 2 else data
        file["shot"] = [(7 * number + 2 - row) % 5 for row in range(len(data))]


def write_cxi(path: Path, number: int, version: int) -> None:
    """Frames with the identities of Cheetah, without events in one version."""
    data = frames(number, version)[: 0 if version == 2 else None]
    with h5py.File(path, "w") as file:
        file["entry_1/data_1/data"] = data
        for name in ("machineTime", "machineTimeNanoSeconds", "fiducial"):
            file[f"LCLS/{name}"] = np.arange(len(data))[::-1] + 100 * number + version


def write_module(path: Path, number: int, version: int) -> None:
    """A module's frames of some trains; in one version a train is bad."""
    counts = [1, 0, 2] if version else [2, 1, 1]
    pairs = np.full((sum(counts), 2, 3, 4), number, np.uint16)
    file = EuxfelFile([10, 11, 13], good=[1, 1, int(version != 2)])
    file.image(MODULE.format(number), counts, pairs, range(sum(counts))).write(path)


def write_xtc2(path: Path, number: int, version: int) -> None:
    """A segment of the camera, with a step whose time is the version's own."""
    stream = Stream(segments=(number,)).configure().begin().step(3 + version, 0.5)
    for row in range(2 + version):
        stream.event(20 + row, frames(number, 0)[:1], damage=row % 2)
    stream.slow(30 + version, 1.0).write(path)


def write_xtc(path: Path, number: int, version: int) -> None:
    """A stream of LCLS-I; one of them brings no images."""
    image = b"" if number == 1 else xtc_writer.segment(xtc_writer.frame(frames(number, 0)[0]))
    events = xtc_writer.events(2 + version, image, first=3 * (number // 2))
    path.write_bytes(xtc_writer.encode(xtc_writer.run(*events)))


def write_nexus(path: Path, number: int, version: int) -> None:
    """A master; what it links to is of the last one that was written."""
    write_master(path, [frames(number, version)])


@dataclass(frozen=True)
class Kind:
    """A format: how its files are called and written, and how they are read."""

    name: str
    write: Callable[[Path, int, int], None]
    unit: str = "file"
    """What is scanned again if a file changes: the file, its run, or always everything."""
    dataset: str | None = None
    pid: str | None = None


KINDS = {
    "hdf5": Kind("r0034-{}.h5", write_hdf5, dataset="data", pid="shot"),
    "counted": Kind("r0034-{}.h5", write_hdf5, dataset="data"),
    "cxi": Kind("r0034-{}.cxi", write_cxi),
    "euxfel": Kind("RAW-R0034-AGIPD0{}-S00000.h5", write_module, "run"),
    "xtc2": Kind("exp-r0034-s00{}-c000.xtc2", write_xtc2, "run"),
    "xtc": Kind("exp-r0034-s0{}-c00.xtc", write_xtc, "run"),
    "nexus": Kind("r0034_{}_master.h5", write_nexus, "all"),
}

ACTIONS = st.tuples(st.integers(0, 3), st.integers(-1, VERSIONS - 1))
"""A file, and its new version; -1: it is removed."""


@dataclass
class Folder:
    """Files that change, and the index that is built upon the one before."""

    path: Path
    kind: Kind
    ticks: int = 10**18
    known: EventIndex | None = None

    def file(self, number: int) -> Path:
        return self.path / self.kind.name.format(number)

    def put(self, number: int, version: int) -> bool:
        """Write or remove a file; whether anything changed. One file is never removed."""
        path = self.file(number)
        if version < 0:
            gone = number > 0 and path.exists()
            path.unlink() if gone else None
            return gone
        self.kind.write(path, number, version)
        self.ticks += 10**9
        os.utime(path, ns=(self.ticks, self.ticks))
        return True

    def build(self) -> Built:
        """The index upon the one before, which is stored and loaded between."""
        pattern = self.kind.name.format("*")
        options: dict[str, Any] = PLAIN | {"dataset": self.kind.dataset, "pid": self.kind.pid}
        wanted = wanted_sources(pattern, root=self.path, **options)
        built = build(wanted, NullCommunicator(), self.known)
        fresh = build(wanted, NullCommunicator()).index
        assert saved(built.index, self.path) == saved(fresh, self.path)
        assert built.kept + built.scanned == len(built.index.sources)
        self.known = load_index(self.path / "index")
        return built


def saved(index: EventIndex, folder: Path) -> bytes:
    """The bytes of the index as a file."""
    index.save(folder / "index")
    return (folder / "index").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=7, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(ACTIONS, min_size=1, max_size=4))
def test_any_history(
    kind: str, tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, int]]
) -> None:
    """Files that come, change and go: byte by byte the fresh index, and no needless scan."""
    folder = Folder(tmp_path_factory.mktemp("run"), KINDS[kind])
    folder.put(0, 0)
    folder.put(1, 1)
    folder.build()
    for number, version in history:
        was_there = folder.file(number).exists()
        has_changed = folder.put(number, version)
        built = folder.build()
        count = len(built.index.sources)
        everything = {"file": 0, "run": count if has_changed else 0, "all": count}
        written = int(has_changed and version >= 0)
        assert built.scanned == max(written, everything[folder.kind.unit])
        assert built.gone == int(has_changed and was_there and version < 0)


@pytest.fixture
def index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """``index(*options)``: builds index.h5 of a folder of three files; what is printed."""
    folder = Folder(tmp_path, KINDS["hdf5"])
    for number in range(3):
        folder.put(number, 0)
    monkeypatch.chdir(tmp_path)

    def command(*options: str) -> tuple[str, str]:
        words = ["build", "r0034-*.h5", "-o", "index.h5", "--dataset", "data", *options]
        assert main(words) == 0
        captured = capsys.readouterr()
        return captured.out, captured.err

    return command


def test_nothing_changed(index: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    """Files of the same size and time are not even opened; ``--fresh`` opens them."""
    assert index() == ("index.h5: 6 events in 3 sources\n", "")
    before = (tmp_path / "index.h5").read_bytes()
    path = tmp_path / "r0034-0.h5"
    content, then = path.read_bytes(), path.stat().st_mtime_ns
    path.write_bytes(bytes(len(content)))
    os.utime(path, ns=(then, then))
    assert index() == ("index.h5: 3 sources as before, 0 scanned; 6 events\n", "")
    assert (tmp_path / "index.h5").read_bytes() == before
    path.write_bytes(content)
    os.utime(path, ns=(then, then))
    assert index("--fresh") == ("index.h5: 6 events in 3 sources\n", "")
    path.write_bytes(bytes(len(content)))
    os.utime(path, ns=(then, then))
    assert main(["build", "r0034-*.h5", "--fresh", "--dataset", "data"]) == 2


def test_what_is_told(index: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    """Sources that are kept, scanned and gone are counted."""
    index()
    (tmp_path / "r0034-0.h5").unlink()
    write_hdf5(tmp_path / "r0034-3.h5", 3, 1)
    (tmp_path / "r0034-4.h5").write_bytes((tmp_path / "r0034-1.h5").read_bytes())
    assert index() == ("index.h5: 2 sources as before, 2 scanned, 1 gone; 9 events\n", "")


@pytest.mark.parametrize(
    "options", [("--pid", "shot"), ("--run", "7"), ("--reader", "hdf5"), ("--root", "/")]
)
def test_other_options(
    options: tuple[str, ...], index: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    """An index of other options is built whole, and one line says why."""
    index()
    if options[0] == "--root":
        (tmp_path / "index.h5").unlink()
        assert main(["build", str(tmp_path / "*.h5"), "--dataset", "data", *options]) == 0
        options = ()
    out, err = index(*options)
    assert out.endswith("index.h5: 6 events in 3 sources\n")
    told = err.splitlines()
    assert told[0].startswith("index.h5 was built with other options, by spring-index build ")
    assert told[1:] == (["2 events share their pid with others"] if "--pid" in options else [])
    assert index(*options)[0] == "index.h5: 3 sources as before, 0 scanned; 6 events\n"


def test_other_versions(index: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    """An index of another version, or a damaged one, is built whole, and one line says why."""
    index()
    for change in ("format_version", "root"):
        with h5py.File(tmp_path / "index.h5", "r+") as file:
            file.attrs["format_version"] = 99 if change == "format_version" else 1
            if change == "root":
                del file.attrs["root"]
        out, err = index()
        assert out == "index.h5: 6 events in 3 sources\n"
        assert err.startswith("index.h5 is no event index of version 1: ")
        assert err.endswith("; all sources are scanned\n")


def test_statistics(index: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    """They stay while nothing changes; then they are dropped, and that is told."""
    index()
    path = tmp_path / "index.h5"
    columns = Statistics(np.arange(6.0), np.arange(6, dtype=np.uint32), 1.0)
    replace(load_index(path), statistics=columns).save(path)
    before = path.read_bytes()
    assert index()[1] == ""
    assert path.read_bytes() == before
    os.utime(tmp_path / "r0034-0.h5", ns=(1, 1))
    out, err = index()
    assert out == "index.h5: 2 sources as before, 1 scanned; 6 events\n"
    assert err == (
        "sums and lit pixels are dropped, since the sources changed; measure them: "
        "spring-index stats index.h5\n"
    )
    assert load_index(path).statistics is None


def test_files_that_were_growing(tmp_path: Path) -> None:
    """Sources of which size and time are not known, and those that are no files, are scanned."""
    path = tmp_path / "a.h5"
    write_hdf5(path, 0, 0)
    known = build_index(path, dataset="data")
    grown = replace(known, sources=(Source(str(path), "hdf5", grows=True),))
    write_hdf5(path, 0, 1)
    assert len(build_index(path, dataset="data", known=grown)) == 2
    simulated = build_index("events=5:seed=1")
    assert len(build_index("events=5:seed=1", known=simulated)) == 5


def test_known_of_other_options_is_not_used(tmp_path: Path) -> None:
    """In Python, too."""
    path = tmp_path / "a.h5"
    write_hdf5(path, 2, 0)
    plain, numbered = (build_index(path, dataset="data", pid=pid) for pid in (None, "shot"))
    again = build_index(path, dataset="data", pid="shot", known=plain)
    assert again.pids.tolist() == numbered.pids.tolist() != plain.pids.tolist()


def test_pids_that_are_called_like_counted_ones(tmp_path: Path) -> None:
    """Numbers of the file stay, whatever their names."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = frames(0, 2)
        file["run"], file["row"] = [5, 5, 5], [8, 9, 4]
    options: dict[str, Any] = {"dataset": "data", "pid": ("run", "row")}
    first = build_index(tmp_path / "a.h5", **options)
    again = build_index(tmp_path / "a.h5", **options, known=first)
    assert again.pids.tolist() == first.pids.tolist() == [[5, 4], [5, 8], [5, 9]]
