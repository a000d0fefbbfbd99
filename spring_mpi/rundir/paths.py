"""The run directory: where everything of a campaign lies, and who holds it."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from ..errors import RunDirectoryError
from .lock import Lock

_HALF_WRITTEN = re.compile(r"\.(config\.yaml|index\.h5|status\.json|summary\.csv)\.[0-9]+(\.tmp)?")
_HALF_WRITTEN_RESULT = re.compile(r"\..+\.h5\.[0-9]+")


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
            If that is not possible, or the path is something else than a run directory.
        """
        try:
            self._refuse_others()
            for folder in ("control/tmp", "control/new", "control/reply", "control/done",
                           "results", "checkpoints"):  # fmt: skip
                (self.path / folder).mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise self._unusable(fault) from fault

    def check(self) -> None:
        """Change nothing, and raise what `create` would as far as that can be foreseen."""
        try:
            self._refuse_others()
            path = self.path.absolute()
            there = next(folder for folder in (path, *path.parents) if folder.exists())
            if not there.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, f"{there} is a file")
            if not os.access(there, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as fault:
            raise self._unusable(fault) from fault

    def refuse_moved(self, config: str, overrides: Sequence[str]) -> None:
        """Raise `RunDirectoryError` for the config that lies in another run directory than this.

        That directory was moved or copied, and all paths in its config are those of before. It is
        no fault if the command line says where the output is.
        """
        beside = RunDirectory(Path(config).absolute().parent)
        is_effective = Path(config).name == self.config.name and beside.journal.exists()
        is_asked = any(text.partition("=")[0].strip() == "output" for text in overrides)
        if is_effective and not is_asked and beside.path.resolve() != self.path.resolve():
            option = quote(f"output={beside.path}")
            raise RunDirectoryError(
                f"{config} is the config of a run directory that was moved or copied: its output "
                f"is still {self.path}; to go on in the new place give --set {option}"
            )

    def results_present(self) -> set[str]:
        """Complete result files, relative to the run directory; each folder is read once.

        What a killed child left half written is deleted, if we hold the lock.

        Raises
        ------
        OSError
            If a folder cannot be read: its results must not be taken for missing.
        """
        found: set[str] = set()
        may_delete = Lock(self.lock).is_ours()
        for folder, _, files in os.walk(self.results, onerror=_refuse):
            below = os.path.relpath(folder, self.path)
            found.update(f"{below}/{name}" for name in files if not name.startswith("."))
            if may_delete:
                _sweep(folder, files, _HALF_WRITTEN_RESULT)
        return found

    def set_results_aside(self, files: Iterable[str], run: int) -> None:
        """Move results, whose paths are relative to the run directory, to ``former/<run>``.

        Raises
        ------
        RunDirectoryError
            If that is not possible.
        """
        try:
            for file in files:
                aside = self.path / "former" / str(run) / file
                aside.parent.mkdir(parents=True, exist_ok=True)
                os.rename(self.path / file, aside)
        except OSError as fault:
            raise self._unusable(fault) from fault

    def sweep_checkpoints(self, wanted: Iterable[str]) -> None:
        """Delete all checkpoints but the wanted ones, which are relative to the run directory."""
        present = list((self.path / "checkpoints").iterdir())
        kept = {self.path / file for file in wanted} if present else set()
        for path in present:
            if path not in kept:
                with suppress(OSError):
                    path.unlink()

    def set_aside(self) -> Path | None:
        """Rename the run directory to ``<name>.<date>-<time>``, leaving an empty folder.

        A symbolic link stays, so that the new run lies where the old one lay. Returns the new
        path, or None where there was no run directory.

        Raises
        ------
        RunDirectoryError
            If the run directory is or may be in use, is something else, or cannot be renamed.
        """
        try:
            self._refuse_others()
            if not self._is_run_directory():
                return None
        except OSError as fault:
            raise self._unusable(fault) from fault
        self.create()
        self.acquire()  # nobody may start in it meanwhile
        real = self.path.resolve()
        aside = real.with_name(real.name + time.strftime(".%Y%m%d-%H%M%S"))
        try:
            os.rename(real, aside)
            real.mkdir()
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot move {real} to {aside}: {fault.strerror}; choose another output"
            ) from fault
        finally:
            self.release()
            RunDirectory(aside).release()
        return aside

    def acquire(self) -> dict[str, Any] | None:
        """Take the lock, and delete what the former holder left half written.

        Returns
        -------
        The dead holder that the lock was taken from, if any.

        Raises
        ------
        RunDirectoryError
            If another campaign holds it, or may do so on another host.
        """
        former = Lock(self.lock).take()
        _sweep(self.path, os.listdir(self.path), _HALF_WRITTEN)
        return former

    def release(self) -> None:
        """Give the lock back, if it is ours."""
        Lock(self.lock).release()

    def _is_run_directory(self) -> bool:
        return self.lock.parent.is_dir()

    def _refuse_others(self) -> None:
        """Refuse a path that is neither a run directory nor free to become one."""
        if self.path.is_symlink() and not self.path.exists():
            raise RunDirectoryError(
                f"{self.path} is a link to {os.readlink(self.path)}, which is not there; "
                "make that folder, or delete the link"
            )
        if self.path.exists() and not self.path.is_dir():
            raise RunDirectoryError(f"{self.path} is a file; choose another output")
        if self.path.is_dir() and not self._is_run_directory() and any(self.path.iterdir()):
            raise RunDirectoryError(
                f"{self.path} holds other files and is no run directory; choose another output"
            )

    def _unusable(self, fault: OSError) -> RunDirectoryError:
        return RunDirectoryError(
            f"cannot write the run directory {self.path}: {fault.strerror}; "
            "free the disk, mend the folder's permissions, or choose another output"
        )


def _refuse(fault: OSError) -> None:
    # A file in the place of a folder holds no results either; `check` and `create` refuse it.
    if not isinstance(fault, FileNotFoundError | NotADirectoryError):
        raise fault


def _sweep(folder: str | Path, names: Iterable[str], pattern: re.Pattern[str]) -> None:
    """Delete the files of a folder whose whole name has the pattern."""
    for name in names:
        if pattern.fullmatch(name):
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))
