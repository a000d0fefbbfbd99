"""HDF5 files: ours are read and written as plain bytes, those of others opened with locks.

HDF5 writes to the disk when it likes, and tells nobody of the faults of its last writes: a file
that opens may hold wrong values, and a process may die when it is closed on a full disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import h5py

from ..errors import HeldFileError
from .files import named, replace_file

_GROWTH = 2**20
"""Bytes by which the memory of a file grows."""
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
_IS_LOCKED = "another program has it open for writing (it is locked): wait until"
_OPEN_WITHOUT = "locking flag"
"""In the text of HDF5 where this process has the file open without a lock already."""


def opened(
    path: str | os.PathLike[str], without_lock: Callable[[str], None] = lambda reason: None
) -> h5py.File:
    """An HDF5 file of others, for reading; as it is now, if a writer in SWMR mode has it open.

    Only where the file system has no locks it is opened without one: a file that is read while
    another program writes it may give zeros for what was not written yet.

    Parameters
    ----------
    without_lock
        Takes the reason why a file was opened without a lock.

    Raises
    ------
    HeldFileError
        If another program holds it for writing.
    OSError
        If it is missing, truncated or no HDF5 file.
    """
    try:
        return h5py.File(path, "r")
    except OSError as fault:
        if fault.errno in _NO_LOCKS:
            return _opened_without_lock(path, os.strerror(fault.errno or 0), without_lock)
        if _OPEN_WITHOUT in str(fault):
            return h5py.File(path, "r", locking=False)
        # The plain way in is closed while a writer is in SWMR mode, this one while none is.
        with suppress(OSError):
            return h5py.File(path, "r", swmr=True)
        if reason := _held(fault):
            raise HeldFileError(f"{os.fspath(path)}: {reason}") from fault
        raise


def _opened_without_lock(
    path: str | os.PathLike[str], reason: str, without_lock: Callable[[str], None]
) -> h5py.File:
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as fault:
        raise OSError(
            f"it cannot be locked ({reason}) nor opened without a lock: {fault}; "
            "set HDF5_USE_FILE_LOCKING=FALSE"
        ) from fault
    without_lock(reason)
    return file


def _held(fault: OSError) -> str:
    """Why a writer keeps us from opening a file; empty where that is not the reason."""
    if fault.errno in (errno.EAGAIN, errno.EACCES) and "lock" in str(fault):
        return f"{_IS_LOCKED} that has closed it, or let the campaign follow it (data.follow)"
    if "h5clear" in str(fault):
        return (
            "it is marked as open for writing: wait until its writer has closed it, or, if that "
            "died, take the mark away: h5clear -s FILE"
        )
    return ""


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """A file that `new_file` wrote, for reading; it is complete, and needs no lock to be so.

    Raises
    ------
    HeldFileError
        If a program of somebody else has it open for writing.
    OSError
        If it cannot be read; without ``errno`` if it is no HDF5 file.
    """
    try:
        with open(path, "rb") as stream:
            _refuse_held(stream)
            with h5py.File(stream, "r") as file:
                yield file
    except BlockingIOError as fault:
        raise HeldFileError(f"{os.fspath(path)}: {_IS_LOCKED} that has closed it") from fault
    except OSError as fault:
        raise (named(fault, Path(path)) if fault.errno else fault) from fault


def _refuse_held(stream: BinaryIO) -> None:
    """Raise BlockingIOError where another program has the file open for writing."""
    if os.environ.get("HDF5_USE_FILE_LOCKING") in ("FALSE", "0"):
        return  # as HDF5 itself: a lock may hang where the file server's lock service does
    try:
        fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass  # a file system without locks


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that takes the place of ``path`` when all is written, or not at all.

    It costs memory: its size while it is built, and twice that while it goes to the disk.

    Raises
    ------
    OSError
        If the file cannot be written; see `spring_mpi.system.files.replace_file`.
    """
    with h5py.File(str(path), "w", driver="core", backing_store=False, block_size=_GROWTH) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    replace_file(path, image)
