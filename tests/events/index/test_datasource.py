"""A data source: its events one by one or in turn, read ahead by a thread, shared among ranks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import SourceError, UnknownPidError
from spring_mpi.events import DataSource
from spring_mpi.events.formats import reader
from spring_mpi.events.index.assembly import no_events
from spring_mpi.events.index.columns import Statistics
from spring_mpi.events.index.wanted import Wanted
from spring_mpi.events.reading import loader

COUNT = 12
FRAMES = np.arange(COUNT * 20, dtype=np.uint16).reshape(COUNT, 4, 5)
WINDOW = 3 * FRAMES[0].nbytes
PATIENCE = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A run of twelve events."""
    np.save(tmp_path / "r0034.npy", FRAMES)
    return tmp_path / "r0034.npy"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[threading.Event]:
    """One for each window that is being read, or was."""
    begun = [threading.Event() for _ in range(COUNT)]
    numbers = iter(begun)

    def noted(*arguments: Any) -> Any:
        next(numbers).set()
        return frames_of(*arguments)

    frames_of = reader.frames_of
    monkeypatch.setattr(loader, "frames_of", noted)
    return begun


def threads() -> list[str]:
    """Those that read ahead."""
    return [one.name for one in threading.enumerate() if one.name.startswith("events")]


def descriptors() -> int:
    """How many files are open, those that are mapped left out."""
    return len(os.listdir("/proc/self/fd"))


def test_events_of_a_file(path: Path) -> None:
    """One by pid, all in turn, or some in the order asked for, twice if need be."""
    with DataSource(path, run=7) as source:
        assert len(source) == COUNT
        assert source.pids.tolist() == [[7, row] for row in range(COUNT)]
        assert source.read((7, 3)).data.tolist() == FRAMES[3].tolist()
        assert [event.pid for event in source.events(ahead=WINDOW)] == [*map(tuple, source.pids)]
        order = [5, 2, 11, 5, 0]
        read = list(source.events([(7, row) for row in order], ahead=WINDOW))
    assert [event.data.tolist() for event in read] == FRAMES[order].tolist()


def test_unknown_pid(path: Path) -> None:
    """It is told at once, not when its turn would come."""
    with pytest.raises(UnknownPidError, match="34-99"):
        DataSource(path).events([(34, 1), (34, 99)])


def test_no_events() -> None:
    """An empty index has nothing to give."""
    source = DataSource(no_events(Wanted()))
    assert (len(source), list(source.events()), len(source.part(1, 3))) == (0, [], 0)


def test_condition(path: Path) -> None:
    """Only events that fulfil it count; without statistics it is refused."""
    index = DataSource(path).index
    sums = FRAMES.sum(axis=(1, 2), dtype=float)
    measured = replace(index, statistics=Statistics(sums, np.zeros(COUNT, np.uint32), 1.0))
    source = DataSource(measured, where=f"sum > {sums[8]}")
    assert [event.pid[1] for event in source.events()] == [9, 10, 11] == [*source.pids[:, 1]]
    with pytest.raises(SourceError, match="spring-index stats"):
        DataSource(index, where="sum > 1")


@given(size=st.integers(1, 20), count=st.integers(0, COUNT))
def test_ranks_share_the_events(size: int, count: int) -> None:
    """Each event is of one rank; neighbours stay together; no rank has two more than another."""
    source = DataSource(f"events={count}:seed=1") if count else DataSource(no_events(Wanted()))
    parts = [source.part(rank, size) for rank in range(size)]
    joined = [pid for part in parts for pid in part.pids.tolist()]
    assert joined == source.pids.tolist()
    lengths = [len(part) for part in parts]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(("rank", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_ranks_that_there_are_not(rank: int, size: int, path: Path) -> None:
    """They are refused, with the numbers that were given."""
    with pytest.raises(ValueError, match=f"no rank {rank} of {size}"):
        DataSource(path).part(rank, size)


def test_next_window_is_read_meanwhile(path: Path, windows: list[threading.Event]) -> None:
    """It is read while the caller has the first event, and no other one is before that ends."""
    with DataSource(path).events(ahead=WINDOW) as events:
        next(events)
        assert windows[1].wait(PATIENCE)
        begun = [sum(window.is_set() for window in windows)]
        begun += [sum(window.is_set() for window in windows) for _ in events]
    # The first event is a window of its own, then come three each.
    assert begun[0] == 2
    assert all(now <= min(3 + (place - 1) // 3, 5) for place, now in enumerate(begun))
    assert all(later >= now for now, later in pairwise(begun))
    assert begun[-1] == 5


@pytest.mark.parametrize("end", ["close", "break", "all"])
def test_end_of_iteration(end: str, path: Path) -> None:
    """No thread and no file is left, however the iteration ends."""
    source, before = DataSource(path), descriptors()
    if end == "close":
        with source.events(ahead=WINDOW) as events:
            next(events)
            assert len(threads()) == 1
        assert next(events, None) is None
    for _ in source.events(ahead=WINDOW) if end != "close" else ():
        if end == "break":
            break
    assert (threads(), descriptors()) == ([], before)


def test_fault_in_its_turn(tmp_path: Path) -> None:
    """Events before it are given, and those after it, if the caller goes on."""
    for number, frame in enumerate(FRAMES):
        np.savez(tmp_path / f"{number:02}.npz", pattern=frame)
    source = DataSource(str(tmp_path / "*.npz"))
    os.utime(tmp_path / "05.npz", ns=(1, 1))
    events, found = source.events(ahead=WINDOW), list[int | str]()
    for _ in range(COUNT):
        try:
            found.append(next(events).pid[1])
        except SourceError as fault:
            found.append(str(fault))
    assert [one for one in found if isinstance(one, int)] == [0, 1, 2, 3, 4, *range(6, COUNT)]
    assert "05.npz was written to" in str(found[5])
    assert next(events, None) is None


def test_kept_events_stay(path: Path, write_hdf5: Callable[..., Path]) -> None:
    """Events are the caller's own, also when their window, the iteration and the source ended."""
    hdf5 = write_hdf5("a.h5", {"data": FRAMES}, chunks=(5, 4, 5), compression="gzip")
    kept: dict[str, Sequence[NDArray[Any]]] = {}
    for name, source in (("npy", DataSource(path)), ("hdf5", DataSource(hdf5, dataset="data"))):
        with source:
            kept[name] = [event.data for event in source.events(ahead=WINDOW)]
    for frames in kept.values():
        assert np.array_equal(frames, FRAMES)
        assert not any(np.shares_memory(one, other) for one, other in pairwise(frames))
