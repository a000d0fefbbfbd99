"""The run directory: where everything of a campaign lies, and who holds it."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError

_SCHEDULER_JOBS = ("SLURM_JOB_ID", "LSB_JOBID")


@dataclass(frozen=True)
class RunDirectory:
    """Paths in a run directory."""

    path: Path

    @property
    def config(self) -> Path:
        """The effective config."""
        return self.path / "config.yaml"

    @property
    def index(self) -> Path:
        """The event index, where the config names no other."""
        return self.path / "index.h5"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "rank0.log"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def summary(self) -> Path:
        return self.path / "summary.csv"

    @property
    def results(self) -> Path:
        return self.path / "results"

    @property
    def lock(self) -> Path:
        return self.path / "control" / "lock"

    def create(self) -> None:
        """Make the folders that are missing.

        Raises
        ------
        RunDirectoryError
            If that is not possible, or the folder is there but no run directory.
        """
        if self.path.is_dir() and any(self.path.iterdir()) and not self.lock.parent.is_dir():
            raise RunDirectoryError(
                f"{self.path} holds other files and is no run directory; choose another output"
            )
        try:
            for folder in ("control/tmp", "control/new", "control/reply", "control/done",
                           "results", "checkpoints"):  # fmt: skip
                (self.path / folder).mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot write the run directory {self.path}: {fault.strerror}; "
                "choose another output, or mend the folder's permissions"
            ) from fault

    def results_present(self) -> set[str]:
        """Complete result files, relative to the run directory; each folder is read once.

        What a killed child left half written is deleted.
        """
        found: set[str] = set()
        for folder, _, files in os.walk(self.results):
            below = os.path.relpath(folder, self.path)
            for name in files:
                if name.startswith("."):
                    Path(folder, name).unlink(missing_ok=True)
                else:
                    found.add(f"{below}/{name}")
        return found

    def set_aside(self) -> Path | None:
        """Rename an existing run directory to ``<name>.<date>-<time>``; None where none is."""
        if not self.path.exists():
            return None
        self._refuse_living_holder()
        aside = self.path.with_name(self.path.name + time.strftime(".%Y%m%d-%H%M%S"))
        os.rename(self.path, aside)
        return aside

    def acquire(self) -> dict[str, Any] | None:
        """Take the lock; returns the dead holder that it was taken from, if any.

        Raises
        ------
        RunDirectoryError
            If another campaign holds it, or may do so on another host.
        """
        former = self._refuse_living_holder()
        if former is not None:
            self.lock.unlink(missing_ok=True)
        try:
            with open(self.lock, "x", encoding="utf-8") as file:
                json.dump(_identity(), file)
        except FileExistsError:
            raise RunDirectoryError(f"another campaign has just taken {self.path}") from None
        return former

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        if self.holder() == _identity():
            self.lock.unlink(missing_ok=True)

    def holder(self) -> dict[str, Any] | None:
        """Who holds the lock: host, pid, scheduler job and boot id; None where nobody does."""
        with suppress(OSError, ValueError):
            held = json.loads(self.lock.read_text(encoding="utf-8"))
            return held if isinstance(held, dict) else None
        return None

    def _refuse_living_holder(self) -> dict[str, Any] | None:
        holder = self.holder()
        if holder is None:
            return None
        where = f"pid {holder.get('pid')} on {holder.get('host')}"
        if holder.get("host") != platform.node():
            if holder.get("job") and holder.get("job") == _identity()["job"]:
                return holder  # a requeued scheduler job has left its former node
            raise RunDirectoryError(
                f"{self.path} is in use by {where}; if that run is dead, delete {self.lock}"
            )
        if holder.get("boot") == _boot_id() and _is_alive(int(holder.get("pid", 0))):
            raise RunDirectoryError(
                f"{self.path} is in use by {where}; wait for it, or choose another output"
            )
        return holder


def _identity() -> dict[str, Any]:
    jobs = (os.environ.get(name) for name in _SCHEDULER_JOBS)
    return {
        "host": platform.node(),
        "pid": os.getpid(),
        "job": next((job for job in jobs if job), None),
        "boot": _boot_id(),
    }


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
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
