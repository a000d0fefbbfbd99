"""Waiting for room: for which faults, for how long, and what is said."""

from __future__ import annotations

import errno
import os

import pytest

from spring_mpi.rundir.disk_space import RetryingWriter, UnwritableError


class Disk:
    """A write that fails with these errors, one after the other, and then works."""

    def __init__(self, *errors: int) -> None:
        self.errors, self.now, self.kept = list(errors), 0.0, 0
        self.said: list[str] = []
        self.room = RetryingWriter(10.0, self.said.append, self.rest, lambda: self.now)

    def rest(self) -> None:
        self.now += 1.0

    def keep(self) -> None:
        self.kept += 1

    def write(self) -> str:
        if self.errors:
            number = self.errors.pop(0)
            raise OSError(number, os.strerror(number), "a.h5")
        return "written"


FAULT = "the disk: it has a fault", "the disk works"


@pytest.mark.parametrize(
    ("number", "reason", "end"),
    [
        (errno.ENOSPC, "room: the disk is full", "there is room"),
        (errno.EDQUOT, "room: the quota is used up", "there is room"),
        (errno.EIO, *FAULT),
        (errno.ESTALE, *FAULT),
        (errno.ETIMEDOUT, *FAULT),
        (errno.ESHUTDOWN, *FAULT),
        (errno.ENOTCONN, *FAULT),
    ],
)
def test_what_may_end_is_waited_for(number: int, reason: str, end: str) -> None:
    """It is told once, with file and time limit, and so is its end; what is at stake is kept."""
    disk = Disk(number, errno.EIO, number)
    assert disk.room(disk.write, meanwhile=disk.keep) == "written"
    assert disk.said == [
        f"waits for {reason} (a.h5: {os.strerror(number)}), for up to 10 s (workers.room)",
        f"goes on: {end} again after 3 s",
    ]
    assert (disk.now, disk.kept) == (3.0, 1)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.ENOENT])
@pytest.mark.parametrize("before", [(), (errno.ENOSPC,)])
def test_what_a_person_must_mend_is_not_waited_for(number: int, before: tuple[int, ...]) -> None:
    """It ends the wait at once, with file and reason."""
    disk = Disk(*before, number)
    with pytest.raises(UnwritableError, match=rf"cannot be written: a\.h5: {os.strerror(number)}"):
        disk.room(disk.write)
    assert disk.now == len(before)


def test_a_wait_has_an_end() -> None:
    """After the seconds that it may last, and not before."""
    disk = Disk(*[errno.ENOSPC] * 100)
    with pytest.raises(UnwritableError, match=r"could not be written for 10 s \(workers.room\)"):
        disk.room(disk.write)
    assert disk.now == 10.0


def test_what_works_is_not_told() -> None:
    """No fault, no word."""
    disk = Disk()
    assert disk.room(disk.write, meanwhile=disk.keep) == "written"
    assert (disk.said, disk.kept) == ([], 0)
