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


class Memory:
    """Gives arrays as `numpy.empty` does, in any thread.

    Up to ``most`` bytes of arrays that are gone are kept for the next ones of the same size.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: tuple[int, deque[memoryview]] = (0, deque())

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """An array with any values in it; it is the caller's as long as it or a view is held."""
        needed = math.prod(shape) * dtype.itemsize
        size, free = self._kept
        if not needed:
            return np.empty(shape, dtype)
        if needed != size:
            free = deque(maxlen=self._most // needed)
            self._kept = needed, free
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(needed, np.uint8).data
        # What it is made of is no array, so that every view of it refers to this one.
        array = np.frombuffer(memory, dtype)
        weakref.finalize(array, free.append, memory).atexit = False
        return array.reshape(shape)
