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


class Memory:
    """Gives arrays as `numpy.empty` does, in any thread.

    Up to ``most`` bytes of large arrays that are gone are kept for the next ones of the same size.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool = _Pool(0, 0)

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array with any values in it; it is the caller's as long as it or a view is held."""
        size = math.prod(shape) * dtype.itemsize
        if size < _LEAST:
            return np.empty(shape, dtype)
        pool = self._pool
        if size != pool.size:
            pool = self._pool = _Pool(size, self._most // size)
        memory = pool.take()
        # What it is made of is no array, so that every view of it refers to this one.
        array = np.frombuffer(memory, dtype)
        weakref.finalize(array, pool.free.append, memory).atexit = False
        return array.reshape(shape)


class _Pool:
    """Pieces of memory of one size."""

    def __init__(self, size: int, most: int) -> None:
        self.size = size
        self.free: deque[memoryview] = deque(maxlen=most)
        self._made = 0

    def take(self) -> memoryview:
        try:
            return self.free.pop()
        except IndexError:
            return self._new()

    def _new(self) -> memoryview:
        # As much again as there is, so that a few events bring no more than they need.
        count = max(1, min(self._made, _SLAB // self.size))
        self._made += count
        slab = np.empty(count * self.size, np.uint8).data
        pieces = [slab[start : start + self.size] for start in range(0, len(slab), self.size)]
        self.free.extend(pieces[1:])
        return pieces[0]
