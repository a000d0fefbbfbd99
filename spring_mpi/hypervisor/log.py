"""The log worth tailing: every line has a level, ``rank0.log`` and a screen take what they want."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RunDirectoryError
from ..files import LineFile

if TYPE_CHECKING:
    from .screen import Screen

# What a user's exception or file name may contain would steer the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class Level(IntEnum):
    """How much a line matters; whoever takes a level takes all higher ones."""

    GENERATION = 1
    """One generation of one job."""
    DETAIL = 2
    """What explains a fault: tracebacks, and what children print."""
    NEWS = 3
    """What goes as it should."""
    FAULT = 4
    """Faults and warnings, and their end."""
    ENDING = 5
    """How the campaign ended."""


class Log:
    """``rank0.log`` and, the same lines, a screen; each line begins with date and time.

    Parameters
    ----------
    path
        The file; lines are appended, without control characters.
    screen
        Takes every line and shows what it wants.
    lowest
        The least level that the file takes.

    Raises
    ------
    RunDirectoryError
        If the file cannot be written.
    """

    def __init__(self, path: Path, screen: Screen, lowest: Level = Level.DETAIL) -> None:
        try:
            self._file = LineFile(path, is_durable=False)
        except OSError as fault:
            raise RunDirectoryError(f"cannot write {path}: {fault.strerror}") from fault
        self.screen, self._lowest = screen, lowest
        self._left = b""

    def __call__(self, text: str, level: Level = Level.NEWS) -> None:
        """Write the lines of a text."""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{now} {_plain(line)}\n" for line in text.splitlines())
        if level >= self._lowest:
            self._left += lines.encode("utf-8", "backslashreplace")
            with suppress(OSError):
                # On a full disk the screen still tells, and the file when there is room.
                self.flush()
        self.screen.show(lines, level)

    def flush(self) -> None:
        """Write the lines that could not be written before; raises `OSError` if they cannot."""
        if self._left:
            self._file.append(self._left)
            self._left = b""

    def close(self) -> None:
        """Close the file and the screen."""
        with suppress(OSError):
            self.flush()
        self._file.close()
        self.screen.close()


def _plain(line: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)
