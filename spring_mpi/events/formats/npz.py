"""Events in compressed NumPy files as SPRING's examples are: pattern, mask, center and pid."""

from __future__ import annotations

import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ...errors import SourceError
from .fields import as_center
from .npy import read_header
from .pids import as_pid, numbered_scan
from .reader import Extent, Facts, Frame, PidDatasets, Scan, starts_with

MAGIC = b"PK\x03\x04"
_LARGEST_SMALL_ARRAY = 1024


class NpzReader:
    """One event per file; every array but the frame may be left out.

    ``dataset`` names the array of the frame (``pattern``), ``pid`` that of the pid (``pid``).
    """

    needs_file = True
    facts = Facts(Extent.FILE)

    def sniff(self, path: str) -> bool:
        """Whether the file is a zip archive and its name ends in ``.npz``."""
        return path.lower().endswith(".npz") and starts_with(path, MAGIC)

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """The pid, and the frame's shape from its header.

        Raises
        ------
        SourceError
            If an array that is asked for is missing.
        """
        if not (pid is None or isinstance(pid, str)):
            raise SourceError(f"{source}: the pid of an npz file is one array, not {list(pid)}")
        with zipfile.ZipFile(source) as archive:
            shape, dtype = _header(archive, dataset or "pattern")
            numbers = _small(archive, pid or "pid", required=pid is not None)
        own = () if numbers is None else as_pid(numbers)
        return numbered_scan(dataset or "pattern", own, shape, str(dtype))

    def open(self, source: str) -> NpzHandle:
        """The archive, ready for reading its event."""
        return NpzHandle(source)


class NpzHandle:
    """An open archive."""

    def __init__(self, path: str) -> None:
        self._archive = zipfile.ZipFile(path)

    def event(self, dataset: str, row: int) -> Frame:
        """The event; its mask excludes where it is not 0."""
        mask = _array(self._archive, "mask") if _holds(self._archive, "mask") else None
        center = _small(self._archive, "center")
        return Frame(
            data=_array(self._archive, dataset),
            mask=None if mask is None else mask != 0,
            center=None if center is None else as_center(center.ravel()),
        )

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The array of that name."""
        return _array(self._archive, dataset)

    def close(self) -> None:
        """Release the file."""
        self._archive.close()


def _holds(archive: zipfile.ZipFile, key: str) -> bool:
    return f"{key}.npy" in archive.namelist()


def _header(archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array, before any memory is taken for it."""
    if not _holds(archive, key):
        known = ", ".join(name.removesuffix(".npy") for name in archive.namelist())
        raise SourceError(f"{archive.filename}: no array {key!r}; it holds {known or 'nothing'}")
    with archive.open(f"{key}.npy") as stream:
        shape, dtype = read_header(stream)
        needed = stream.tell() + math.prod(shape) * dtype.itemsize
    present = archive.getinfo(f"{key}.npy").file_size
    if present != needed:
        raise ValueError(f"array {key!r} has {present} bytes, but {shape} {dtype} needs {needed}")
    return shape, dtype


def _array(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    _header(archive, key)
    with archive.open(f"{key}.npy") as stream:
        return np.asarray(npy_format.read_array(stream, allow_pickle=False))


def _small(archive: zipfile.ZipFile, key: str, *, required: bool = False) -> NDArray[Any] | None:
    """An array of a few numbers; None where the archive has none and need not."""
    if not required and not _holds(archive, key):
        return None
    shape, _ = _header(archive, key)
    if math.prod(shape) > _LARGEST_SMALL_ARRAY:
        raise ValueError(f"array {key!r} has the shape {shape}, it must be a few numbers")
    return _array(archive, key)
