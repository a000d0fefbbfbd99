"""The live view of a terminal: the log scrolls above a bar and one line per busy worker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from ..system.streams import silence
from .console import duration
from .log import Level
from .overview import Busy, Overview

_PERIOD = 0.25
"""Seconds between two pictures: rank 0 has more important things to do than to draw."""
_BESIDE_WORKERS = 4
"""Lines of the view that show no worker: bar, counts, header, ``... and N more``."""
_MARGIN = 3
"""Columns left free: the terminal's echo of ^C must not begin a new line."""
_LEAST = 10
"""Lines and columns of a window that is too small, or of unknown size."""
_SHORTEST_NAME = 8
_HEADER: tuple[str, ...] = ("worker", "job", "generation", "best", "median", "left", "device")

_Line = tuple[str, Style]
_PLAIN, _STRONG = Style.null(), Style(bold=True)
_DIM, _BAD, _ODD = Style(dim=True), Style(bold=True, color="red"), Style(bold=True, color="yellow")


class LiveView:
    """Redraws at most four times a second, in rank 0's own turn; a `Screen`.

    Lines of the log wait for the next drawing: each of them alone would draw everything again.

    Parameters
    ----------
    stream
        A terminal.
    title
        The campaign's name.
    clock
        Seconds on a clock that only goes forward.
    """

    def __init__(
        self, stream: TextIO, title: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._title, self._clock = stream, title, clock
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False
        )
        self._lines: list[Text] = []
        self._drawn, self._is_open = float("-inf"), True

    def show(self, lines: str, level: Level) -> None:
        if self._is_open and lines and level >= Level.NEWS:
            style = _BAD if level == Level.FAULT else _PLAIN
            self._lines.append(Text(lines.rstrip("\n"), style=style))

    def draw(self, overview: Callable[[int], Overview]) -> None:
        if self._is_open and self._clock() - self._drawn >= _PERIOD:
            self._drawn = self._clock()
            self._attempt(lambda: self._renew(overview))

    def close(self) -> None:
        if self._is_open:
            self._attempt(self._end)
            self._is_open = False

    def _renew(self, overview: Callable[[int], Overview]) -> None:
        # Of this very stream, and every time: windows change their size.
        width, height = os.get_terminal_size(self._stream.fileno())
        self._console.size = ConsoleDimensions(max(width, _LEAST), max(height, _LEAST))
        width, height = self._console.size
        rows = max(1, height // 2 - _BESIDE_WORKERS)
        lines = picture(overview(rows), self._title, width - _MARGIN)
        self._live.start()
        self._live.update(Segments(_segments(lines)))
        if self._lines:
            # Draws the view again, too.
            self._print()
        else:
            self._live.refresh()

    def _end(self) -> None:
        if self._lines:
            self._print()
        self._live.stop()

    def _print(self) -> None:
        # The terminal breaks long lines, so that they can be copied whole.
        lines, self._lines = self._lines, []
        self._console.print(Text("\n").join(lines), soft_wrap=True)

    def _attempt(self, write: Callable[[], None]) -> None:
        """Write, and never again where the terminal is gone."""
        try:
            write()
        except OSError:
            silence(self._stream)
            self._is_open = False


def picture(overview: Overview, title: str, width: int) -> Iterator[_Line]:
    """The lines of the view and their styles: the campaign, then the busy workers.

    Plain strings, laid out by hand: a table of rich takes ten times as long, and rank 0 has more
    important things to do.
    """
    yield _bar(overview, title, width), _STRONG
    yield set_cell_size(_counts(overview), width), _PLAIN
    if overview.condition:
        yield set_cell_size(overview.condition, width), _ODD
    yield from _workers(overview.busy, width)
    if overview.others:
        yield f"... and {overview.others} more busy workers"[:width], _DIM


def _segments(lines: Iterator[_Line]) -> Iterator[Segment]:
    for text, style in lines:
        # Padding would reach the margin's end when the window becomes narrower.
        yield Segment(text.rstrip(), style)
        yield Segment.line()


def _bar(overview: Overview, title: str, width: int) -> str:
    until = "?" if overview.seconds_left is None else duration(overview.seconds_left)
    after = f"] {int(100 * overview.share)}%, {until} left"
    before = f"{set_cell_size(title, min(cell_len(title), width // 3))} ["
    cells = max(0, width - cell_len(before) - len(after))
    full = int(cells * overview.share)
    return set_cell_size(f"{before}{'#' * full}{'-' * (cells - full)}{after}", width)


def _counts(overview: Overview) -> str:
    counts = {
        "failed": overview.failed, "running": overview.running, "waiting": overview.waiting,
    }  # fmt: skip
    told = [f"{number} {word}" for word, number in counts.items() if number]
    rate = [f"{overview.jobs_per_hour:.0f} jobs/h"] if overview.jobs_per_hour else []
    verdicts = f" ({overview.verdicts})" if overview.verdicts else ""
    done = f"{overview.done} of {overview.total} jobs done{verdicts}"
    return ", ".join([done, *told, *rate])


def _workers(workers: tuple[Busy, ...], width: int) -> Iterator[_Line]:
    """One line each; in a narrow window devices are cut first, then names, never figures."""
    if not workers:
        return
    rows = [_HEADER, *map(_cells, workers)]
    widths = [max(cell_len(row[column]) for row in rows) for column in range(len(_HEADER) - 1)]
    figures = sum(widths) - widths[1] + 2 * len(widths)
    widths[1] = max(_SHORTEST_NAME, min(widths[1], width - figures))
    for number, row in enumerate(rows):
        yield set_cell_size(_laid_out(row, widths), width), _PLAIN if number else _DIM


def _laid_out(row: tuple[str, ...], widths: list[int]) -> str:
    worker, name, *figures, device = row
    aligned = (f"{text:>{width}}" for text, width in zip(figures, widths[2:], strict=True))
    return "  ".join([f"{worker:>{widths[0]}}", _tail(name, widths[1]), *aligned, device])


def _tail(name: str, width: int) -> str:
    """The end of a name that is too long: jobs differ in their tags."""
    return set_cell_size(name if cell_len(name) <= width else f"..{name[2 - width :]}", width)


def _cells(busy: Busy) -> tuple[str, ...]:
    latest = busy.latest
    if latest is None:
        return (str(busy.worker), busy.name, "", "", "", "", busy.device)
    generation = f"{latest.generation}/{latest.generations}"
    left = "" if busy.seconds_left is None else duration(busy.seconds_left)
    errors = f"{latest.best:.4f}", f"{latest.median:.4f}"
    return (str(busy.worker), busy.name, generation, *errors, left, busy.device)
