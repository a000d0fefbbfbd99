"""The log worth tailing: every line has a level, ``rank0.log`` and a screen take what they want."""

from __future__ import annotations

import re
import sys
import time
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ..errors import RunDirectoryError
from ..system.files import LineFile
from ..system.relayed_warnings import RelayedWarning, SeenWarnings

if TYPE_CHECKING:
    from .screen import Screen

# What a user's exception or file name may contain would steer the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


_TIME = "%Y-%m-%d %H:%M:%S"


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

    @property
    def word(self) -> str:
        """As it stands in the lines, in the words of `logging`."""
        return "WARNING" if self is Level.FAULT else "INFO" if self >= Level.NEWS else "DEBUG"


class Log:
    """``rank0.log`` and, the same lines, a screen; each begins with date, time and level.

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
        self._warnings: SimpleQueue[RelayedWarning] = SimpleQueue()

    def __call__(self, text: str, level: Level = Level.NEWS) -> None:
        """Write the lines of a text."""
        self._write_warnings()
        self._show(_lines(text, time.time(), level.word), level)

    def add_warning(self, warning: RelayedWarning) -> None:
        """A warning, from any thread; it is written with the next line, or the next `flush`."""
        self._warnings.put(warning)

    def write_earlier(self, early: EarlyWarnings) -> None:
        """Write into the file alone what was warned of before there was a log."""
        for warning in early.take():
            self._keep(_lines_of(warning))

    def flush(self) -> None:
        """Write the lines that could not be written before; raises `OSError` if they cannot."""
        self._write_warnings()
        self._write_left()

    def _write_warnings(self) -> None:
        while not self._warnings.empty():
            warning = self._warnings.get()
            self._show(_lines_of(warning), Level.FAULT)

    def _show(self, lines: str, level: Level) -> None:
        if level >= self._lowest:
            self._keep(lines)
        self.screen.show(lines, level)

    def _keep(self, lines: str) -> None:
        self._left += lines.encode("utf-8", "backslashreplace")
        with suppress(OSError):
            # On a full disk the screen still tells, and the file when there is space again.
            self._write_left()

    def _write_left(self) -> None:
        if self._left:
            self._file.append(self._left)
            self._left = b""

    def close(self) -> None:
        """Close the file and the screen."""
        with suppress(OSError):
            self.flush()
        self._file.close()
        self.screen.close()


class EarlyWarnings:
    """Warnings before there is a log: shown on stderr at once, and kept for it."""

    def __init__(self) -> None:
        self.seen = SeenWarnings()
        """What was told, also for what listens afterwards."""
        self._kept: list[RelayedWarning] = []

    def add(self, warning: RelayedWarning) -> None:
        """A warning."""
        self._kept.append(warning)
        print(_lines_of(warning), end="", file=sys.stderr, flush=True)

    def take(self) -> list[RelayedWarning]:
        """Those that no log has yet."""
        warnings, self._kept = self._kept, []
        return warnings


def _lines_of(warning: RelayedWarning) -> str:
    return _lines(warning.text, warning.time, warning.level)


def _lines(text: str, at: float, word: str) -> str:
    start = f"{time.strftime(_TIME, time.localtime(at))} {word:<7}"
    return "".join(f"{start} {_plain(line)}\n" for line in text.splitlines())


def _plain(line: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)
