"""Opening the HDF5 files of others: with a lock wherever there are locks."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from functools import cache

import h5py

from ....errors import HeldFileError, SourceError
from ....system.hdf5 import opened
from ..reader import READ_FAULTS

MAGIC = b"\x89HDF\r\n\x1a\n"
_LARGEST_BLOCK = 21
"""Powers of two up to which the signature is looked for."""
_log = logging.getLogger(__name__)


def open_file(path: str) -> h5py.File:
    """The HDF5 file, for reading, with the filters of ``hdf5plugin`` where that is installed.

    Where the file system has no locks it is opened without one, which is told; see
    `spring_mpi.system.hdf5.opened`.

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
        return opened(path, lambda reason: _tell_of_no_locks(_mount_point(path), reason))
    except HeldFileError:
        raise
    except OSError as fault:
        raise SourceError(f"{path}: cannot be read as HDF5: {fault}") from fault


def is_hdf5(path: str) -> bool:
    """Whether a file begins as HDF5 files do, maybe after a block of another program's bytes.

    HDF5 looks for its signature at 0, 512, 1024, 2048, ...; files of MATLAB have it at 512.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        for place in (0, *(2**power for power in range(9, _LARGEST_BLOCK))):
            file.seek(place)
            found = file.read(len(MAGIC))
            if found == MAGIC or len(found) < len(MAGIC):
                return found == MAGIC
    return False


def is_file_of(path: str, known: Callable[[h5py.File], bool]) -> bool:
    """Whether an HDF5 file can be opened and is one of the known.

    Raises
    ------
    OSError
        If it is missing; `HeldFileError` if it cannot be known as long as a writer holds it.
    """
    if not is_hdf5(path):
        return False
    try:
        with open_file(path) as file:
            return known(file)
    except HeldFileError:
        raise
    except READ_FAULTS:
        return False


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
