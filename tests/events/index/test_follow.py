"""A follower sees every event once it is complete, and never stumbles over what is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.writers import Writer, frame, write_shot
from numpy.typing import NDArray

from spring_mpi.errors import StaleIndexError
from spring_mpi.events import Loader, build_index, load_index
from spring_mpi.events.formats.hdf5.plain import Hdf5Reader
from spring_mpi.events.index.follow import Follower
from spring_mpi.events.index.wanted import Wanted

Frames = NDArray[np.uint16]


def wanted(root: Path, *texts: str, **options: object) -> Wanted:
    """Sources of a folder, read as the writer writes them."""
    given = {"reader": "auto", "dataset": "pattern", "pid": ("pid_1",), "run": None}
    return Wanted(texts, **(given | options), root=str(root))  # type: ignore[arg-type]


def seen(follower: Follower) -> list[int]:
    """The pids in the follower's index."""
    return follower.index.pids.ravel().tolist()


def test_a_run_that_is_being_written(tmp_path: Path) -> None:
    """Events of a file in SWMR mode, and files, are seen at the next look and can be read."""
    with Writer(tmp_path / "run.h5") as writer:
        follower = Follower(wanted(tmp_path, "run.h5", "shot_*.npz"))
        told = follower.look()
        assert told == [f"no file matches 'shot_*.npz' in {tmp_path} yet; it is tried again"]
        assert seen(follower) == []
        for pid in (3, 5):
            writer.do("add", pid)
            write_shot(tmp_path, pid + 1)
            assert follower.look() == []
        assert seen(follower) == [3, 4, 5, 6]
        with Loader() as loader:
            for position, pid in enumerate((3, 4, 5, 6)):
                event = loader.read(follower.index.ref(position))
                assert event.data.tolist() == frame(pid).tolist()
        writer.do("close")
    assert follower.look() == []
    assert seen(follower) == [3, 4, 5, 6]


def test_a_torn_record_waits(tmp_path: Path) -> None:
    """An event counts when all its datasets hold it, and not before."""
    with Writer(tmp_path / "run.h5") as writer:
        follower = Follower(wanted(tmp_path, "run.h5"))
        writer.do("add", 1)
        writer.do("add_pid", 2)
        assert follower.look() == []
        assert seen(follower) == [1]
        assert follower.look() == []
        writer.do("add_frame", 2)
        assert follower.look() == []
        assert seen(follower) == [1, 2]


def test_datasets_beside_the_frame_count(frames: Frames, write_hdf5: Callable[..., Path]) -> None:
    """A centre for each event must be there, too; one for all events says nothing."""
    columns = {"pattern": frames, "pid_1": np.arange(6), "mask": frames[0]}
    path = write_hdf5("run.h5", {**columns, "centers": np.zeros((4, 2))})
    scan = Hdf5Reader().scan_growing(
        str(path), dataset="pattern", pid="pid_1", beside=["centers", "mask"]
    )
    assert (scan.shape, scan.pids.ravel().tolist()) == ((4, 5, 7), [0, 1, 2, 3])


@pytest.mark.parametrize("missing", [1.0, 0.5, 0.01])
def test_a_file_that_is_being_copied(tmp_path: Path, missing: float) -> None:
    """A part of an npz file is no fault, told once, and taken when it is complete."""
    path = write_shot(tmp_path, 7)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * (1 - missing))])
    follower = Follower(wanted(tmp_path, "shot_*.npz"))
    (told,) = follower.look()
    assert str(path) in told
    assert told.endswith("it is tried again")
    assert follower.look() == []
    assert seen(follower) == []
    path.write_bytes(whole)
    assert follower.look() == []
    assert seen(follower) == [7]


LATE = """
import os, numpy as np
def load(path):
    times = len(os.listdir(os.path.dirname(path)))
    open(os.path.join(os.path.dirname(path), f"call{times}.txt"), "w").close()
    if times == 2:
        os.utime(path, ns=(1, 1))
    return {"pattern": np.ones((4, 4)), "pid": [1]}
"""


def test_a_file_that_is_completed_during_a_look(tmp_path: Path) -> None:
    """A file that changed while it was scanned is scanned again, and indexed as it is then."""
    (tmp_path / "loader.py").write_text(LATE)
    (tmp_path / "one.dat").touch()
    reader = str(tmp_path / "loader.py:load")
    follower = Follower(wanted(tmp_path, "*.dat", reader=reader, dataset=None, pid=()))
    assert (follower.look(), seen(follower)) == ([], [])
    assert (follower.look(), seen(follower)) == ([], [1])
    follower.index.check()


def test_a_file_that_stays_unreadable_is_told_again_once(tmp_path: Path) -> None:
    """After ten minutes there is one more line, and no other."""
    now = [0.0]
    (tmp_path / "shot_1.npz").write_bytes(b"PK\x03\x04")
    follower = Follower(wanted(tmp_path, "shot_*.npz"), clock=lambda: now[0])
    lines = []
    for now[0] in range(0, 3000, 100):
        lines += follower.look()
    assert [line.rpartition("; ")[2] for line in lines] == [
        "it is tried again", "it was tried for 10 minutes",
    ]  # fmt: skip


LOCKING = """
import h5py, sys
with h5py.File(sys.argv[1], "a") as file:
    print("open", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def locked(tmp_path: Path, frames: Frames) -> Callable[[], Callable[[], object]]:
    """``locked()``: ``run.h5`` is open for writing, without SWMR, until the answer is called."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["pattern"], file["pid_1"] = frames, np.arange(6)

    def lock() -> Callable[[], object]:
        command = [sys.executable, "-c", LOCKING, str(tmp_path / "run.h5")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        writer = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
        assert writer.stdout.readline() == "open\n"
        # Without a time-out it needs no time.sleep, which a test replaces.
        return lambda: writer.communicate("\n")

    return lock


def test_a_file_that_a_writer_locks(
    tmp_path: Path, locked: Callable[[], Callable[[], object]]
) -> None:
    """A file open for writing without SWMR is tried until its writer has closed it."""
    release = locked()
    follower = Follower(wanted(tmp_path, "run.h5"))
    assert "lock" in follower.look()[0]
    assert seen(follower) == []
    release()
    assert follower.look() == []
    assert seen(follower) == [0, 1, 2, 3, 4, 5]


def test_a_worker_waits_for_the_writer(
    tmp_path: Path,
    frames: Frames,
    locked: Callable[[], Callable[[], object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event whose file is locked when it is to be read is read when the writer lets go."""
    follower = Follower(wanted(tmp_path, "run.h5"))
    follower.look()
    release = locked()
    monkeypatch.setattr("spring_mpi.events.reading.loader.time.sleep", lambda _: release())
    with Loader() as loader:
        assert loader.read(follower.index.ref(4)).data.tolist() == frames[4].tolist()


def test_no_look_keeps_a_writer_out(tmp_path: Path, frames: Frames) -> None:
    """After a look, and after reading an event, the file can be opened for writing again."""
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("pattern", data=frames, maxshape=(None, 5, 7))
        file.create_dataset("pid_1", data=np.arange(6), maxshape=(None,))
    follower = Follower(wanted(tmp_path, "run.h5"))
    follower.look()
    with Loader() as loader:
        loader.read(follower.index.ref(5))
        with h5py.File(path, "a") as file:
            file["pattern"].resize(7, axis=0)
            file["pid_1"].resize(7, axis=0)
            file["pattern"][6], file["pid_1"][6] = frames[0] + 1, 6
        follower.look()
        assert loader.read(follower.index.ref(6)).data.tolist() == (frames[0] + 1).tolist()


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    """A follower that begins with a saved index knows its events, and finds the others."""
    with Writer(tmp_path / "run.h5") as writer:
        writer.do("add", 1)
        write_shot(tmp_path, 2)
        first = Follower(wanted(tmp_path, "run.h5", "shot_*.npz"))
        first.look()
        index_file = tmp_path / "index.h5"
        first.index.save(index_file)
        writer.do("add", 3)
        second = Follower(wanted(tmp_path, "run.h5", "shot_*.npz"), (), load_index(index_file))
        assert second.look() == []
        assert seen(second) == [1, 2, 3]
        assert [second.index.ref(n) for n in (0, 1)] == [first.index.ref(n) for n in (0, 1)]


def test_files_at_rest_are_left_alone(tmp_path: Path, frames: Frames) -> None:
    """A file that has not changed between two looks is not opened any more, until it changes."""
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file["pattern"], file["pid_1"] = frames, np.arange(6)
    follower = Follower(wanted(tmp_path, "run.h5"))
    for _ in range(2):
        follower.look()
    status = path.stat()
    path.write_bytes(b"\0" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert follower.look() == []
    os.utime(path)
    assert "cannot be read" in follower.look()[0]


def test_a_followed_file_may_change(tmp_path: Path, frames: Frames) -> None:
    """Growth makes no index stale; other files are checked as ever."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["pattern"], file["pid_1"] = frames, np.arange(6)
    shot = write_shot(tmp_path, 9)
    follower = Follower(wanted(tmp_path, "run.h5", "shot_*.npz"))
    follower.look()
    os.utime(tmp_path / "run.h5", ns=(1, 1))
    follower.index.check()
    assert build_index(tmp_path / "run.h5", dataset="pattern").ref(0).source.mtime_ns == 1
    os.utime(shot, ns=(1, 1))
    with pytest.raises(StaleIndexError, match=r"shot_9\.npz was written to"):
        follower.index.check()
