"""The checkpoint of a job: a file with the last saved state of its evolution, npz without pickle.

It only saves time. One that cannot be used is ignored, one that cannot be written is left out;
neither is an error.
"""

from __future__ import annotations

import io
import math
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ..engine.requirements import MADE
from ..events.formats.npy import read_header
from ..system.files import delete, replace_file
from .messages import Job

if TYPE_CHECKING:
    from ..engine.backend import Arrays

Made = TypeVar("Made")
_FORMAT = 1


class CheckpointFile:
    """Where a child keeps the state of one job; see `spring_mpi.engine.checkpoints.Checkpoints`.

    Parameters
    ----------
    job
        Whose state it is.
    warn, note
        Take what the log should say of the job: faults, and what goes as it should.
    clock
        Seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        job: Job,
        warn: Callable[[str], None],
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every = job.checkpoint_every
        self.seconds_before = 0.0
        """What the job took up to the state that it continues from."""
        self._path = Path(job.checkpoint)
        # Not made unique: what a killed child left half written is replaced by the next one.
        self._aside = self._path.with_name(f".{self._path.name}")
        # The name keys the random numbers, and two names can have the same file name.
        self._owner = owner_of(job.name, job.fingerprint)
        former = job.former_fingerprint
        self._owners = (self._owner, *([owner_of(job.name, former)] if former else ()))
        self._generations = job.settings.global_.generations
        self._warn, self._note = warn, note
        self._clock, self._began = clock, clock()
        self._was_refused = False
        self._last: Callable[[], Arrays] | None = None

    def load(self, restore: Callable[[Arrays], Made]) -> Made | None:
        """What is made of the file; None where there is none, or none of this job that is whole."""
        try:
            arrays = read(self._path, *self._owners)
            made, seconds = restore(arrays), float(arrays["seconds"])
        except FileNotFoundError:
            return None
        except Exception as fault:  # damage has many faces, and the job can do without the file
            self._warn(f"ignores its checkpoint {self._path}: {fault}")
            return None
        self.seconds_before = seconds
        generation = int(arrays[MADE]) if MADE in arrays else len(arrays["history"])
        self._note(f"continues from generation {generation} of {self._generations}")
        return made

    def save(self, arrays: Arrays) -> None:
        """Replace the file; told once where the folder is full or cannot be written."""
        self._save(arrays)

    def offer_last(self, arrays: Callable[[], Arrays]) -> None:
        """What `keep_last` saves."""
        self._last = arrays

    def keep_last(self) -> bool:
        """Save the state after the last generation, for its result cannot be; whether it is."""
        if self._last is not None and self._save(self._last()):
            self._last = None
        # A job that went on from its last generation has the file already.
        return self._last is None and self._path.exists()

    def _save(self, arrays: Arrays) -> bool:
        seconds = self.seconds_before + self._clock() - self._began
        content = packed(self._owner, {**arrays, "seconds": np.array(seconds)})
        try:
            replace_file(self._path, content, self._aside)
        except OSError as fault:
            if not self._was_refused:
                self._warn(f"cannot write its checkpoint {self._path}: {fault.strerror or fault}")
            self._was_refused = True
            return False
        if self._was_refused:
            self._note("writes its checkpoint again")
        self._was_refused = False
        return True

    def delete(self) -> None:
        """The result is complete: nothing of the state is needed any more."""
        delete(self._path)
        delete(self._aside)


def owner_of(name: str, fingerprint: str) -> str:
    """What the checkpoint of a job says of itself."""
    return f"format {_FORMAT}, {fingerprint}, {name}"


def saved_generation(path: Path, *owners: str) -> int:
    """The generation of the state in a checkpoint; 0 where there is none that can be used."""
    try:
        with zipfile.ZipFile(path) as archive:
            if _array(archive, archive.getinfo("owner.npy")).item() not in owners:
                return 0
            if f"{MADE}.npy" in archive.namelist():
                return int(_array(archive, archive.getinfo(f"{MADE}.npy")))
            # Earlier versions had one run, all of whose generations are here.
            return len(_array(archive, archive.getinfo("history.npy")))
    except Exception:  # damage has many faces, and then nothing is saved
        return 0


def packed(owner: str, arrays: Arrays) -> memoryview:
    """The content of a file with these arrays, uncompressed: noise does not shrink."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in {"owner": np.array(owner), **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                npy_format.write_array(stream, array, allow_pickle=False)
    return content.getbuffer()


def read(path: Path, *owners: str) -> Mapping[str, NDArray[Any]]:
    """The arrays of a file, and ``owner``; what they say of their sizes is not trusted.

    Parameters
    ----------
    owners
        Whose file it may be.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    Exception
        Of many kinds, if it is damaged; ValueError if it has another owner.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("it is shorter than the arrays in it")
        if _array(archive, archive.getinfo("owner.npy")).item() not in owners:
            raise ValueError("it was written with another config, or by another version")
        return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(member) as stream:
        shape, dtype = read_header(stream)
        needed = stream.tell() + math.prod(shape) * dtype.itemsize
    if needed != member.file_size:
        raise ValueError(f"{member.filename} has {member.file_size} bytes, not {needed}")
    with archive.open(member) as stream:
        return np.asarray(npy_format.read_array(stream, allow_pickle=False))
