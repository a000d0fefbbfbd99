"""The bytes of an open file at any offset, few or many."""

from __future__ import annotations

import os

import numpy as np

from .reader import Empty

_PAGE = 4096


class Bytes:
    """The bytes of an open file at any offset; a page is read at once, and the last one kept."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._page, self._offset = bytearray(), 0

    def take(self, offset: int, count: int) -> bytearray:
        """That many bytes from there; `EOFError` if the file ends before."""
        self._check(offset, count)
        if count > _PAGE:
            return self._read(offset, count)
        start = offset - self._offset
        if not 0 <= start <= len(self._page) - count:
            self._page = self._read(offset, min(_PAGE, self.size - offset))
            self._offset, start = offset, 0
        return self._page[start : start + count]

    def view(self, offset: int, count: int, empty: Empty) -> memoryview:
        """The same in memory that may be written to, from ``empty`` where there are many."""
        if count <= _PAGE:
            return memoryview(self.take(offset, count))
        self._check(offset, count)
        memory = empty((count,), np.dtype(np.uint8)).data
        self.fill(offset, memory)
        return memory

    def fill(self, offset: int, memory: memoryview) -> None:
        """Read what stands there into so many bytes of memory; errors as `take`."""
        there = 0
        while there < len(memory):
            more = os.preadv(self._descriptor, [memory[there:]], offset + there)
            if not more:
                raise EOFError(f"byte {offset}: the file was cut off while it was read")
            there += more

    def _check(self, offset: int, count: int) -> None:
        if offset + count > self.size:
            raise EOFError(f"byte {offset}: {count} bytes are needed, but the file ends before")

    def _read(self, offset: int, count: int) -> bytearray:
        # Arrays of these bytes can be written to, so that they need not be copied.
        data = bytearray(count)
        self.fill(offset, memoryview(data))
        return data
