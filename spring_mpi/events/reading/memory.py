"""Memory for the frames of a long run: what nobody holds any longer is given again.

The system clears new memory page by page, which takes longer than to read a frame into it.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 2**16
"""Bytes; smaller pieces stay with the process anyway."""
_SLAB = 2**24
"""Bytes that are asked for at once: large pages of the system, where it has them, are faster."""
_ALIGNMENT = 64
"""A cache line of the processor, so that no two pieces share one."""
_SIZES = 3


class Memory:
    """Gives arrays as `numpy.empty` does, in any thread.

    Up to ``most`` bytes of large arrays that are gone are kept for the next ones of the same size;
    so for each of the last three sizes, and as long as the memory itself is there.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pools: tuple[_Pool, ...] = ()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array with any values in it; it is the caller's as long as it or a view is held."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size < _LEAST:
            return np.empty(shape, dtype)
        pool = self._pool(size)
        piece = pool.take()
        # The owner of a piece is no numpy array, so numpy lets every view refer to this array.
        array = np.frombuffer(piece, dtype)
        weakref.finalize(array, _give_back, weakref.ref(pool), piece).atexit = False
        return array.reshape(shape)

    def _pool(self, size: int) -> _Pool:
        for pool in self._pools:
            if pool.size == size:
                return pool
        pool = _Pool(size, self._most // size)
        self._pools = (pool, *self._pools[: _SIZES - 1])
        return pool


class _Pool:
    """Pieces of memory of one size, of which so many are kept."""

    def __init__(self, size: int, most: int) -> None:
        self.size = size
        self.free: deque[memoryview] = deque(maxlen=most)
        self._most = most
        self._made = 0

    def take(self) -> memoryview:
        """A piece that nobody holds, or a new one."""
        try:
            return self.free.pop()
        except IndexError:
            return self._new()

    def _new(self) -> memoryview:
        # As many again as there are, so that a few events bring no more than they need.
        count = max(1, min(self._made, self._most, _SLAB // self.size))
        self._made += count
        step = -(-self.size // _ALIGNMENT) * _ALIGNMENT
        slab = np.empty(count * step, np.uint8).data
        pieces = [slab[start : start + self.size] for start in range(0, count * step, step)]
        self.free.extend(pieces[1:])
        return pieces[0]


def _give_back(pool: weakref.ref[_Pool], piece: memoryview) -> None:
    if (there := pool()) is not None:
        there.free.append(piece)
