"""HDF5 files that are written: built in memory, then put in their place as plain bytes.

HDF5 writes to the disk when it likes, and tells nobody of the faults of its last writes: a file
that opens may hold wrong values, and a process may die when it is closed on a full disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from .files import replace_file

_GROWTH = 2**20
"""Bytes by which the memory of a file grows."""


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file that takes the place of ``path`` when all is written, or not at all.

    It costs memory: its size while it is built, and twice that while it goes to the disk.

    Raises
    ------
    OSError
        If the file cannot be written; see `spring_mpi.files.replace_file`.
    """
    with h5py.File(str(path), "w", driver="core", backing_store=False, block_size=_GROWTH) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    replace_file(path, image)
