"""Opening the HDF5 files of others: with a lock wherever there are locks."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable
from functools import cache

import h5py

from ...errors import HeldFileError, SourceError
from . import READ_FAULTS, starts_with

MAGIC = b"\x89HDF\r\n\x1a\n"
_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
_log = logging.getLogger(__name__)


def open_file(path: str) -> h5py.File:
    """The HDF5 file, for reading, with the filters of ``hdf5plugin`` where that is installed.

    A file that a writer has open is read as it is now, if the writer is in SWMR mode. Only where
    the file system has no locks it is opened without one: a file that is read while another
    program writes it may give zeros for what was not written yet.

    Raises
    ------
    HeldFileError
        If another program holds it for writing.
    SourceError
        If the file is missing, truncated or no HDF5 file.
    """
    # Bitshuffle and LZ4 are no part of HDF5; importing the package makes them known to it.
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401
    try:
        return h5py.File(path, "r")
    except OSError as fault:
        if fault.errno in _NO_LOCKS:
            return _open_without_lock(path, fault)
        # The plain way in is closed while a writer is in SWMR mode, this one while none is.
        with contextlib.suppress(OSError):
            return h5py.File(path, "r", swmr=True)
        if reason := _held(fault):
            raise HeldFileError(f"{path}: {reason}") from fault
        raise SourceError(f"{path}: cannot be read as HDF5: {fault}") from fault


def is_file_of(path: str, known: Callable[[h5py.File], bool]) -> bool:
    """Whether an HDF5 file can be opened and is one of the known.

    Raises
    ------
    OSError
        If it is missing; `HeldFileError` if it cannot be known as long as a writer holds it.
    """
    if not starts_with(path, MAGIC):
        return False
    try:
        with open_file(path) as file:
            return known(file)
    except HeldFileError:
        raise
    except READ_FAULTS:
        return False


def _open_without_lock(path: str, fault: OSError) -> h5py.File:
    reason = os.strerror(fault.errno or 0)
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as again:
        raise SourceError(
            f"{path}: cannot be locked ({reason}) nor opened without a lock: {again}; "
            "set HDF5_USE_FILE_LOCKING=FALSE"
        ) from again
    _tell_of_no_locks(_mount_point(path), reason)
    return file


@cache
def _tell_of_no_locks(mount: str, reason: str) -> None:
    """A warning, once for every file system."""
    _log.warning(
        "files on %s cannot be locked (%s); data there are read without locks: see to it that no "
        "program writes them meanwhile", mount, reason,
    )  # fmt: skip


def _mount_point(path: str) -> str:
    folder = os.path.dirname(os.path.realpath(path))
    while not os.path.ismount(folder):
        folder = os.path.dirname(folder)
    return folder


def _held(fault: OSError) -> str:
    """Why a writer keeps us from opening a file; empty where that is not the reason."""
    if fault.errno in (errno.EAGAIN, errno.EACCES) and "lock" in str(fault):
        return (
            "another program has it open for writing (it is locked): wait until that has closed "
            "it, or let the campaign follow it (data.follow)"
        )
    if "h5clear" in str(fault):
        return (
            "it is marked as open for writing: wait until its writer has closed it, or, if that "
            "died, take the mark away: h5clear -s FILE"
        )
    return ""
