"""HDF5 files of others: locked where there are locks, and never read while a writer holds them."""

import errno
import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spring_mpi.errors import HeldFileError, SourceError
from spring_mpi.events.formats.hdf5 import opening
from spring_mpi.events.formats.hdf5.opening import open_file
from spring_mpi.events.geometry import GeometrySpec, read_geometry
from spring_mpi.events.index.build import build_index
from spring_mpi.events.index.follow import Follower
from spring_mpi.events.index.loading import load_index
from spring_mpi.events.index.wanted import Wanted
from spring_mpi.events.index.writing import is_index


def _written(path: Path, count: int = 2) -> str:
    with h5py.File(path, "w") as file:
        file["frames"] = np.ones((count, 8, 8), "u2")
    return str(path)


def _without_locks(monkeypatch: pytest.MonkeyPatch, number: int) -> list[bool]:
    """A file system that cannot lock; which of the openings asked for a lock."""
    real, asked = h5py.File, list[bool]()

    def open_there(path: str, mode: str, locking: bool = True, **more: Any) -> h5py.File:
        asked.append(locking)
        if locking:
            raise OSError(number, os.strerror(number))
        return real(path, mode, locking=False, **more)

    monkeypatch.setattr(h5py, "File", open_there)
    opening._tell_of_no_locks.cache_clear()
    return asked


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_locking_itself_fails_a_file_is_read_without_and_that_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    paths = [_written(tmp_path / name) for name in ("one.h5", "two.h5")]
    asked = _without_locks(monkeypatch, number)
    with caplog.at_level(logging.WARNING):
        for path in paths:
            with open_file(path) as file:
                assert file["frames"].shape == (2, 8, 8)
    assert asked == [True, False] * 2, "never without a lock at once"
    (message,) = caplog.messages
    assert "cannot be locked" in message
    assert os.strerror(number) in message


def test_a_file_that_is_open_without_a_lock_can_be_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 refuses to open a file with and without a lock in one process."""
    path = _written(tmp_path / "run.h5")
    with monkeypatch.context() as patch:
        _without_locks(patch, errno.ENOLCK)
        first = open_file(path)
    with first, open_file(path) as second:
        assert second["frames"].shape == first["frames"].shape


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_an_index_is_read_and_replaced_where_there_are_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A second run finds the index of the first."""

    def refused(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    index, file = build_index(_written(tmp_path / "run.h5"), dataset="/frames"), tmp_path / "i.h5"
    index.save(file)
    monkeypatch.setattr(fcntl, "flock", refused)
    assert len(load_index(file)) == 2
    index.save(file)


def test_an_index_that_is_held_is_refused_with_that_reason(tmp_path: Path) -> None:
    """It is neither taken for other data nor replaced."""
    index, file = build_index(_written(tmp_path / "run.h5"), dataset="/frames"), tmp_path / "i.h5"
    index.save(file)
    with open(file, "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        uses: tuple[Callable[[], object], ...] = (
            lambda: load_index(file),
            lambda: index.save(file),
        )
        for use in uses:
            with pytest.raises(HeldFileError, match=r"^\S*i\.h5: another program"):
                use()


@pytest.mark.parametrize("off", ["FALSE", "0"])
def test_no_lock_is_asked_for_where_the_user_has_switched_locks_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    """Asking could hang."""
    index, file = build_index(_written(tmp_path / "run.h5"), dataset="/frames"), tmp_path / "i.h5"
    index.save(file)
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", off)
    monkeypatch.setattr(fcntl, "flock", lambda *_: pytest.fail("a lock was asked for"))
    assert len(load_index(file)) == 2


def test_an_index_on_a_disk_with_a_fault_is_not_taken_for_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for an old one, which would be built anew."""
    index, file = build_index(_written(tmp_path / "run.h5"), dataset="/frames"), tmp_path / "i.h5"
    index.save(file)

    def faulty(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(h5py, "File", faulty)
    for use in (lambda: load_index(file), lambda: index.save(file), lambda: is_index(file)):
        with pytest.raises(OSError, match=r"^\[Errno 5\] .*i\.h5'$"):
            use()


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EIO])
def test_any_other_fault_is_no_reason_to_leave_the_lock_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = _written(tmp_path / "one.h5")
    asked = _without_locks(monkeypatch, number)
    with pytest.raises(SourceError, match=r"one\.h5"):
        open_file(path)
    assert False not in asked


def test_a_file_that_a_writer_holds_is_refused_with_that_reason(tmp_path: Path) -> None:
    path = _written(tmp_path / "run.h5")
    with open(path, "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        for use in (
            lambda: build_index(path, dataset="/frames"),
            lambda: read_geometry(GeometrySpec(path)),
        ):
            with pytest.raises(SourceError, match=r"run\.h5\b.*: another program .* for writing"):
                use()


def test_the_format_of_a_held_file_is_told_when_it_is_free(tmp_path: Path) -> None:
    """Else it would be taken for plain HDF5 for ever."""
    path = tmp_path / "master.h5"
    with h5py.File(path, "w") as file:
        file["entry/data/data_000001"] = np.ones((3, 8, 8), "u2")
    follower = Follower(Wanted((str(path),), "auto", None, (), None, str(tmp_path)))
    with open(path, "rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        (remark,) = follower.look()
    assert "another program" in remark
    assert "tried again" in remark
    assert follower.look() == []
    assert [source.reader for source in follower.index.sources] == ["nexus"]
    assert len(follower.index) == 3


def test_a_mark_that_a_dead_writer_left_is_told_with_the_tool_that_takes_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def marked(*_: Any, **__: Any) -> None:
        raise OSError("file is already open for write (may use <h5clear file> to clear the flags)")

    monkeypatch.setattr(h5py, "File", marked)
    with pytest.raises(HeldFileError, match="h5clear -s"):
        open_file(str(tmp_path / "run.h5"))
