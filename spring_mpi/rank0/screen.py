"""Where people see the log: plain lines on any stream, or a live view on a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Protocol, TextIO

from ..system.streams import silence
from .log import Level
from .overview import Overview


class Screen(Protocol):
    """Shows the lines of the log, and perhaps how far everything is."""

    def show(self, lines: str, level: Level) -> None:
        """Show complete lines of a level, if it is one to be shown."""

    def draw(self, overview: Callable[[int], Overview]) -> None:
        """Renew the picture, if there is one and it is due.

        ``overview`` makes what is in it, with at most so many busy workers.
        """

    def close(self) -> None:
        """Show what is not shown yet, and leave the stream as it was."""


class NoScreen:
    """Nobody looks."""

    def show(self, lines: str, level: Level) -> None:
        pass

    def draw(self, overview: Callable[[int], Overview]) -> None:
        pass

    def close(self) -> None:
        pass


class Lines:
    """Plain lines on a stream; one that somebody closed (``| head``) is left alone from then on.

    Parameters
    ----------
    lowest
        The least level that is shown.
    """

    def __init__(self, stream: TextIO, lowest: Level = Level.NEWS) -> None:
        self._stream, self._lowest = stream, lowest
        self._is_open = True

    def show(self, lines: str, level: Level) -> None:
        if not self._is_open or level < self._lowest:
            return
        try:
            self._stream.write(lines)
            self._stream.flush()
        except OSError:
            silence(self._stream)
            self._is_open = False

    def draw(self, overview: Callable[[int], Overview]) -> None:
        pass

    def close(self) -> None:
        pass


def open_screen(
    stream: TextIO, lowest: Level, title: str, environment: Mapping[str, str] = os.environ
) -> Screen:
    """The live view where the stream is a terminal that can redraw, else plain lines.

    Who asks for fewer or more lines than the news wants to read lines.
    """
    can_redraw = environment.get("TERM", "dumb") not in ("dumb", "unknown")
    if lowest != Level.NEWS or not can_redraw or not _is_ours(stream):
        return Lines(stream, lowest)
    from .live import LiveView

    return LiveView(stream, title)


def _is_ours(stream: TextIO) -> bool:
    """Whether this is a terminal, and not that of a shell which works on something else."""
    if not stream.isatty():
        return False
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except OSError:
        # Not the terminal that controls this session: nobody else uses it.
        return True
