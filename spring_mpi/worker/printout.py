"""What a child prints, read without waiting: its output must not reach the terminal by itself."""

from __future__ import annotations

import os
from io import FileIO
from typing import IO

_CHUNK = 1 << 16
"""Bytes, as many as a pipe of Linux holds."""
_MOST = 1 << 20


class Printout:
    """The lines that come through a pipe, the first megabyte of them.

    The rest is read, lest the writer wait for ever, and dropped.

    Parameters
    ----------
    pipe
        The end to read from; it is closed with this object.
    """

    def __init__(self, pipe: IO[bytes] | FileIO) -> None:
        self._pipe, self._rest, self._taken = pipe, b"", 0
        self.last_line = ""
        """The last line that was not empty."""
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> str:
        """The complete lines since the last call, and at the end of the pipe what is left."""
        try:
            chunk = os.read(self._pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return ""
        lines, end, rest = (self._rest + chunk).rpartition(b"\n")
        # A line that never ends is cut.
        is_whole = bool(chunk) and len(rest) < _CHUNK
        text, self._rest = (lines + end, rest) if is_whole else (self._rest + chunk, b"")
        return self._kept(text.decode(errors="replace"))

    def close(self) -> None:
        """Close the pipe."""
        self._pipe.close()

    def _kept(self, text: str) -> str:
        self.last_line = next(filter(str.strip, reversed(text.splitlines())), self.last_line)
        before, self._taken = self._taken, self._taken + len(text)
        if before > _MOST:
            return ""
        return text if self._taken <= _MOST else f"{text}(what it prints from here on is not kept)"
