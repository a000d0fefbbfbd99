"""The lock of a run directory: one campaign at a time, a dead one's lock is taken over."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import RunDirectoryError
from ..launch.environment import restarts, scheduler_job
from ..system.files import delete, write_new

_LARGEST_PID = 2**31 - 1


@dataclass(frozen=True)
class Lock:
    """A file that says who holds a run directory.

    Its holder is dead when the process has ended on this host, or when this is the same scheduler
    job, started again. Whatever cannot be told is taken for alive: a lock of another host, and one
    that names nobody (empty, torn or of another program), however old. A person may delete those.
    """

    path: Path
    """``<run directory>/control/lock``; ``control/tmp`` must exist, too."""

    def holder(self) -> dict[str, Any] | None:
        """Who holds the lock: host, process and its start, boot id, scheduler job, restarts.

        None where there is no lock, empty where it names nobody or cannot be read.
        """
        try:
            return self.read()
        except RunDirectoryError:
            return {}

    def take(self) -> dict[str, Any] | None:
        """Take the lock; returns the dead holder that it was taken from, if any.

        Raises
        ------
        RunDirectoryError
            If another campaign holds it or may do so, or the lock cannot be written.
        """
        try:
            former = self.read()
            if former is not None:
                self._refuse_living(former)
                self._take_from(former)
            else:
                self._create(json.dumps(_identity()).encode())
        except (FileExistsError, FileNotFoundError, BlockingIOError):
            raise RunDirectoryError(
                f"another campaign has just taken {self._rundir} ({self.path}); "
                "wait for it, or choose another output"
            ) from None
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot write the lock {self.path}: {fault.strerror}; free the disk, "
                "mend the folder's permissions, or choose another output"
            ) from fault
        return former

    def obstacle(self) -> str:
        """Why it cannot be taken, and what can be done about that; empty where it can."""
        try:
            holder = self.read()
            if holder is not None:
                self._refuse_living(holder)
        except RunDirectoryError as fault:
            return str(fault)
        return ""

    def is_held(self) -> bool:
        """Whether somebody holds the lock, or may do so."""
        holder = self.holder()
        return holder is not None and not (holder and _is_dead(holder, _identity()))

    def is_ours(self) -> bool:
        """Whether this process holds the lock."""
        return self.holder() == _identity()

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        if self.is_ours():
            # One that stays, as on a file system that is read-only by now, names a dead process.
            delete(self.path)

    @property
    def _rundir(self) -> Path:
        return self.path.parent.parent

    def read(self) -> dict[str, Any] | None:
        """As `holder`; `RunDirectoryError` where the disk keeps us from reading it."""
        try:
            return _parsed(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot read the lock {self.path}: {fault.strerror}; mend its permissions, or "
                "try again when the disk works"
            ) from fault

    def _aside(self) -> Path:
        return self.path.with_name("tmp") / f"lock.{uuid.uuid4().hex}"

    def _refuse_living(self, holder: dict[str, Any]) -> None:
        if not holder:
            raise RunDirectoryError(
                f"{self.path} does not say who holds {self._rundir}; "
                "if no campaign runs there, delete that file"
            )
        if _is_dead(holder, _identity()):
            return
        remedy = (
            f"wait for it, or choose another output (its lock is {self.path})"
            if holder["host"] == platform.node()
            else f"if that run is dead, delete {self.path}"
        )
        raise RunDirectoryError(
            f"{self._rundir} is in use by process {holder['pid']} on {holder['host']}; {remedy}"
        )

    def _take_from(self, dead: dict[str, Any]) -> None:
        """Replace a dead holder's lock by ours; several may try, one succeeds."""
        with open(self.path, "r+b") as file:
            _claim(file)
            # Between our reading and the claim somebody else may have replaced it.
            if self.holder() != dead:
                raise FileExistsError
            self._take_away(dead)
            self._create(json.dumps(_identity()).encode())

    def _take_away(self, dead: dict[str, Any]) -> None:
        aside = self._aside()
        os.rename(self.path, aside)
        try:
            content = aside.read_bytes()
            if _parsed(content) != dead:
                # Without a claim somebody may have been faster: it is their lock, back with it.
                self._create(content)
                raise FileExistsError
        finally:
            aside.unlink(missing_ok=True)

    def _create(self, content: bytes) -> None:
        """Make the lock, complete from its first moment on; FileExistsError where one is."""
        aside = self._aside()
        try:
            write_new(aside, content)
            try:
                # A link fails where the name is taken; a rename would replace what is there.
                os.link(aside, self.path)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                write_new(self.path, content)
        finally:
            aside.unlink(missing_ok=True)


def _claim(file: BinaryIO) -> None:
    """Keep others from taking the same dead lock; BlockingIOError where one is at it.

    The kernel ends a claim with its process. Where the file system knows none, the rename of the
    lock still tells two apart.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass


def _parsed(content: bytes) -> dict[str, Any]:
    """The holder that a lock names; empty where it names none."""
    with suppress(ValueError):
        held = json.loads(content)
        if isinstance(held, dict) and isinstance(held.get("host"), str):
            pid, count = held.get("pid"), held.get("restarts", 0)
            if type(pid) is int and type(count) is int and 0 < pid <= _LARGEST_PID:
                return held
    return {}


def _identity() -> dict[str, Any]:
    """This process, as its lock names it."""
    return {
        "host": platform.node(),
        "pid": os.getpid(),
        "start": _start_time(os.getpid()),
        "boot": _boot_id(),
        "job": scheduler_job(os.environ),
        "restarts": restarts(os.environ),
    }


def _is_dead(holder: dict[str, Any], ours: dict[str, Any]) -> bool:
    if holder["host"] != ours["host"]:
        # Steps of one allocation share the job, but only a requeue has a higher count.
        is_same_job = ours["job"] is not None and holder.get("job") == ours["job"]
        return is_same_job and bool(ours["restarts"] > holder.get("restarts", 0))
    if holder.get("boot") != ours["boot"] or not _is_alive(holder["pid"]):
        return True
    # Numbers of processes are used again: the same one may be another process by now.
    start, now = holder.get("start"), _start_time(holder["pid"])
    return start is not None and now is not None and start != now


def _boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = _stat(pid)
    return not stat or stat[0] != "Z"


def _start_time(pid: int) -> int | None:
    """Start of a process in clock ticks since the boot; None where ``/proc`` does not tell."""
    stat = _stat(pid)
    return int(stat[19]) if stat else None


def _stat(pid: int) -> list[str]:
    """``/proc/<pid>/stat`` from its third field, the state, on; empty where it is not there."""
    with suppress(OSError):
        # The second field, the program's name, may hold blanks and brackets.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return []
