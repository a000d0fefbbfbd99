"""Events in NumPy files: one array of frames, mapped into memory."""

from __future__ import annotations

import math
import os
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from ...errors import SourceError
from .fields import row_for
from .reader import Extent, Facts, Frame, PidDatasets, Scan, refuse_names, starts_with

MAGIC = b"\x93NUMPY"


class NpyReader:
    """An array (events, rows, columns), or (rows, columns) for a single event."""

    needs_file = True
    facts = Facts(Extent.FILE)

    def sniff(self, path: str) -> bool:
        """Whether the file begins as npy files do."""
        return starts_with(path, MAGIC)

    def scan(self, source: str, *, dataset: str | None, pid: PidDatasets) -> Scan:
        """Shape and type, from the header.

        Raises
        ------
        SourceError
            If the file is truncated, or not an array of frames.
        """
        refuse_names("npy", dataset, pid)
        shape, dtype = _checked_header(source)
        if len(shape) not in (2, 3) or dtype.kind not in "iuf":
            raise SourceError(
                f"{source}: holds {shape} {dtype}; frames are numbers with the axes "
                "(events, rows, columns) or (rows, columns)"
            )
        return Scan("", None, (), shape if len(shape) == 3 else (1, *shape), str(dtype))

    def open(self, source: str) -> NpyHandle:
        """The array, mapped; raises `SourceError` if the file is truncated."""
        return NpyHandle(source)


class NpyHandle:
    """A mapped array."""

    def __init__(self, path: str) -> None:
        _checked_header(path)
        self._array: NDArray[Any] = npy_format.open_memmap(path, mode="r")

    def event(self, dataset: str, row: int) -> Frame:
        """The frame in that row."""
        return Frame(np.array(self._array[row] if self._array.ndim == 3 else self._array))

    def field(self, dataset: str, row: int) -> NDArray[Any]:
        """The row's values, or the whole array where it is the same for all events."""
        place = row_for(self._array.shape, row)
        return self._array if place is None else self._array[place]

    def close(self) -> None:
        """Forget the array; the file is released with its last view."""
        del self._array


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in an npy stream, which is left at the first value.

    Raises
    ------
    ValueError
        If it is no npy stream, or holds Python objects.
    """
    read = {
        (1, 0): npy_format.read_array_header_1_0,
        (2, 0): npy_format.read_array_header_2_0,
    }.get(npy_format.read_magic(stream))
    if read is None:
        raise ValueError("is of an npy version without plain numbers")
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are not read")
    return shape, dtype


def _checked_header(path: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type; `SourceError` if the file is not as long as they ask for."""
    try:
        with open(path, "rb") as stream:
            shape, dtype = read_header(stream)
            needed = stream.tell() + math.prod(shape) * dtype.itemsize
            present = os.fstat(stream.fileno()).st_size
    except ValueError as fault:
        raise SourceError(f"{path}: cannot be read as npy: {fault}") from fault
    if present < needed:
        raise SourceError(f"{path}: truncated: {present} bytes, but {shape} {dtype} needs {needed}")
    return shape, dtype
