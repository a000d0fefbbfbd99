"""Chunks of HDF5 datasets as they are stored, read and decoded outside of HDF5's one lock.

Known are deflate (zlib), alone or after the byte shuffle, and bitshuffle with LZ4, whose function
is that of the library in ``hdf5plugin`` (K. Masui et al., Astronomy and Computing 12 (2015) 181;
its chunks begin with the size of the values in 8 bytes and that of a block in 4, big-endian). All
others are left to HDF5.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import math
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..reader import Empty
from ..threads import cores, fewest_of, in_threads

Decode = Callable[[bytes, NDArray[Any]], None]
"""Writes the values of a stored chunk into an array; `ValueError` where it does not fit."""

_BITSHUFFLE, _LZ4 = 32008, 2
_SIZE_AND_BLOCK, _LENGTH = 12, 4


@dataclass(frozen=True)
class Chunk:
    """Where a chunk is, and which of its rows are wanted."""

    offset: int
    size: int
    rows: tuple[int, ...]


def decoder(dataset: h5py.Dataset) -> Decode | None:
    """What undoes the filters of a dataset; None where only HDF5 can."""
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    codes = tuple(entry[0] for entry in filters)
    if codes == (h5py.h5z.FILTER_DEFLATE,):
        return partial(inflate, _deflate_library())
    if codes == (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE):
        return partial(inflate_shuffled, _deflate_library())
    if codes == (_BITSHUFFLE,) and filters[0][2][4:5] == (_LZ4,):
        return _bitshuffle_decoder()
    return None


def inflate(library: Any, stored: bytes, values: NDArray[Any]) -> None:
    """Deflate (RFC 1950), by `zlib` or what has its interface."""
    values[...] = np.frombuffer(_inflated(library, stored, values.nbytes), values.dtype).reshape(
        values.shape
    )


def inflate_shuffled(library: Any, stored: bytes, values: NDArray[Any]) -> None:
    """Deflate over bytes in the order of their place in a value: all first ones, then others."""
    planes = np.frombuffer(_inflated(library, stored, values.nbytes), np.uint8)
    values.reshape(-1).view(np.uint8).reshape(-1, values.itemsize)[...] = planes.reshape(
        values.itemsize, -1
    ).T


def read_chunks(
    descriptor: int,
    chunks: Sequence[Chunk],
    decode: Decode,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    empty: Empty,
) -> list[list[NDArray[Any]]]:
    """The wanted rows of each chunk (rows, ...) of a file, each an array of its own from ``empty``.

    Raises
    ------
    ValueError
        If a chunk cannot be decoded, or the file ends before.
    """
    work = partial(_read, descriptor, decode, shape, dtype, empty)
    fewest = fewest_of(math.prod(shape) * dtype.itemsize)
    return list(chain.from_iterable(in_threads(work, chunks, cores(), fewest=fewest)))


def _read(
    descriptor: int,
    decode: Decode,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    empty: Empty,
    chunks: Sequence[Chunk],
) -> list[list[NDArray[Any]]]:
    found = []
    several = np.empty(shape, dtype) if shape[0] > 1 else None
    for chunk in chunks:
        rows = [empty(shape[1:], dtype) for _ in chunk.rows]
        values = rows[0][None] if several is None else several
        decode(os.pread(descriptor, chunk.size, chunk.offset), values)
        for place, row in zip(chunk.rows, rows, strict=True):
            if not np.may_share_memory(row, values):
                row[...] = values[place]
        found.append(rows)
    return found


def _deflate_library() -> Any:
    """ISA-L's, which takes less than half the time; Python's own where that is not installed."""
    with contextlib.suppress(ImportError):
        from isal import isal_zlib

        return isal_zlib
    return zlib


def _inflated(library: Any, stored: bytes, size: int) -> bytes:
    stream = library.decompressobj()
    try:
        # A damaged chunk may hold a thousand times what it should.
        found: bytes = stream.decompress(stored, size + 1)
    except library.error as fault:
        raise ValueError(f"a chunk cannot be decompressed: {fault}") from fault
    if len(found) != size or not stream.eof:
        raise ValueError(f"a chunk does not hold {size} bytes, or is cut off")
    return found


def _bitshuffle_decoder() -> Decode | None:
    """The library's function; None where it is not installed, or has other names."""
    with contextlib.suppress(ImportError, OSError, AttributeError, IndexError):
        import hdf5plugin

        path = glob.glob(os.path.join(glob.escape(hdf5plugin.PLUGIN_PATH), "libh5bshuf.*"))[0]
        function = ctypes.CDLL(path).bshuf_decompress_lz4
        function.restype = ctypes.c_int64
        function.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_size_t] * 3
        return partial(_unshuffle_bits, function)
    return None


def _unshuffle_bits(function: Callable[..., int], stored: bytes, values: NDArray[Any]) -> None:
    block, last = divmod(int.from_bytes(stored[8:_SIZE_AND_BLOCK], "big"), values.itemsize)
    said = int.from_bytes(stored[:8], "big")
    if said != values.nbytes or last or not block or block % 8:
        raise ValueError(f"a chunk claims {said} bytes, not {values.nbytes}")
    # The function trusts the lengths that it finds; what is not in blocks of 8 values is bare.
    end, blocks = _SIZE_AND_BLOCK, -(-(values.size // 8 * 8) // block)
    for _ in range(blocks):
        end += _LENGTH + int.from_bytes(stored[end : end + _LENGTH], "big")
    if end + values.size % 8 * values.itemsize != len(stored):
        raise ValueError("the blocks of a chunk do not fill it")
    start = np.frombuffer(stored, np.uint8).ctypes.data + _SIZE_AND_BLOCK
    used = function(start, values.ctypes.data, values.size, values.itemsize, block)
    if used != len(stored) - _SIZE_AND_BLOCK:
        raise ValueError("a chunk cannot be decompressed")
