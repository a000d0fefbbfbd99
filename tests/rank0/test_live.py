"""The live view: what it shows, that it fits, and that it leaves a clean terminal."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest

from spring_mpi.rank0.live import LiveView, picture
from spring_mpi.rank0.log import Level
from spring_mpi.rank0.overview import Busy, Overview
from spring_mpi.worker.messages import Progressed

LINE = "2026-01-01 00:00:00 197-10-14558540587-suppsize:60 done on worker 1\n"


def busy(worker: int, name: str = "197-10-14558540587-suppsize:50") -> Busy:
    latest = Progressed(name, 12, 100, 0.07684, 0.08123)
    return Busy(worker, "AMD EPYC on node07", name, 1, 30.0, latest, 221.0)


def overview(workers: int = 2, most: int = 9, **others: Any) -> Overview:
    shown = tuple(busy(worker) for worker in range(1, min(workers, most) + 1))
    values: dict[str, Any] = {
        "done": 6, "failed": 1, "running": workers, "waiting": 33 - workers,
        "under_way": 1.0, "jobs_per_hour": 2345.0, "seconds_left": 62.0, "condition": "",
        "busy": shown, "others": workers - len(shown),
    }  # fmt: skip
    return Overview(**values | others)


def texts(view: Overview, width: int = 100, title: str = "demo") -> list[str]:
    return [text.rstrip() for text, _ in picture(view, title, width)]


class Clock:
    """Goes forward when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def terminal() -> Iterator[tuple[io.FileIO, TextIO]]:
    """A terminal of 24 lines and 80 columns: what it is sent, and a stream to write on."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.set_blocking(master, False)
    with os.fdopen(slave, "w") as stream, os.fdopen(master, "rb", buffering=0) as shown:
        yield shown, stream


def sent(shown: io.FileIO) -> str:
    return (shown.read() or b"").decode()


def test_what_is_shown() -> None:
    """The campaign, what stands of every busy worker, and how many there are beside."""
    assert texts(overview(), width=86) == [
        "demo [############" + "-" * 52 + "] 20%, 1:02 left",
        "6 of 40 jobs done, 1 failed, 2 running, 31 waiting, 2345 jobs/h",
        "worker  job                             generation    best  median  left  device",
        "     1  197-10-14558540587-suppsize:50      12/100  0.0768  0.0812  3:41  AMD EPYC on",
        "     2  197-10-14558540587-suppsize:50      12/100  0.0768  0.0812  3:41  AMD EPYC on",
    ]
    assert texts(overview(1000, most=1))[-1] == "... and 999 more busy workers"


def test_what_is_not_known_yet() -> None:
    """Before anything is made there is no rate, and a job that just started has no figures."""
    young = Busy(1, "cpu on vm", "a", 1, 0.0, None, None)
    view = overview(
        1, done=0, failed=0, under_way=0.0, jobs_per_hour=0.0, seconds_left=None, waiting=39,
        condition="paused", busy=(young,),
    )  # fmt: skip
    assert texts(view) == [
        "demo [" + "-" * 82 + "] 0%, ? left",
        "0 of 40 jobs done, 1 running, 39 waiting",
        "paused",
        "worker  job       generation  best  median  left  device",
        "     1  a" + " " * 41 + "cpu on vm",
    ]


@pytest.mark.parametrize("width", [40, 57, 60, 77, 100, 200])
@pytest.mark.parametrize("title", ["demo", "a name that never ends " * 9, "漢字の名前"])
def test_it_fits(width: int, title: str) -> None:
    """No line is wider than the window; figures and tags are the last to go."""
    lines = texts(overview(3), width, title)
    assert max(map(len, lines)) <= width
    assert lines[0].endswith("] 20%, 1:02 left")
    if width >= 57:
        for line in lines[-3:]:
            assert "ize:50  " in line
            assert "12/100  0.0768  0.0812  3:41" in line


def test_it_redraws_four_times_a_second(terminal: tuple[io.FileIO, TextIO]) -> None:
    """Between two drawings nothing is computed or sent, however often the loop turns."""
    shown, stream = terminal
    clock, made = Clock(), []
    view = LiveView(stream, "demo", clock)

    def make(most: int) -> Overview:
        made.append(most)
        return overview(most=most)

    for turn in range(1000):
        clock.now = turn / 1000
        view.draw(make)
    assert made == [24 // 2 - 4] * 4
    view.close()
    assert sent(shown).count("6 of 40 jobs done") == 5


def test_lines_scroll_above(terminal: tuple[io.FileIO, TextIO]) -> None:
    """Lines of the log wait for the next drawing, come once, in order, and before the view."""
    shown, stream = terminal
    clock = Clock()
    view = LiveView(stream, "demo", clock)
    view.draw(lambda most: overview())
    sent(shown)
    view.show(LINE, Level.NEWS)
    view.show("a fault\n", Level.FAULT)
    view.show("a generation\n", Level.GENERATION)
    assert sent(shown) == ""
    clock.now = 0.25
    view.draw(lambda most: overview())
    output = sent(shown)
    assert output.index(LINE.strip()) < output.index("a fault") < output.index("6 of 40")
    view.close()
    rest = sent(shown)
    assert LINE.strip() not in rest
    assert "generation\n" not in output + rest


def test_a_new_size_is_noticed(terminal: tuple[io.FileIO, TextIO]) -> None:
    """The next drawing fits a window that became smaller."""
    shown, stream = terminal
    clock = Clock()
    view = LiveView(stream, "demo", clock)
    view.draw(lambda most: overview())
    sent(shown)
    fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 50, 0, 0))
    clock.now, rows = 1.0, list[int]()

    def noted(most: int) -> Overview:
        rows.append(most)
        return overview(most=most)

    view.draw(noted)
    view.close()
    assert rows == [2]
    assert "[" + "#" * 5 + "-" * 20 + "]" in sent(shown)


def test_the_terminal_is_left_as_it_was(terminal: tuple[io.FileIO, TextIO]) -> None:
    """After the end the view is gone, the last lines stand, and the cursor is visible."""
    shown, stream = terminal
    view = LiveView(stream, "demo", Clock())
    view.draw(lambda most: overview())
    view.show("exit 0\n", Level.ENDING)
    assert "\x1b[?25l" in sent(shown)
    view.close()
    view.close()
    _, _, after = sent(shown).partition("exit 0")
    # Five lines of the view are drawn below it, and erased.
    assert after.rpartition("\x1b[?25h")[2] == "\r" + 5 * "\x1b[1A\x1b[2K"


def test_without_colours(
    terminal: tuple[io.FileIO, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR is heeded."""
    shown, stream = terminal
    monkeypatch.setenv("NO_COLOR", "1")
    view = LiveView(stream, "demo", Clock())
    view.show("a fault\n", Level.FAULT)
    view.close()
    assert "31" not in sent(shown)


class Gone(io.StringIO):
    """A terminal whose window was closed."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        raise OSError("Input/output error")


def test_a_closed_window_is_left_alone(tmp_path: Path) -> None:
    """The campaign goes on without a terminal."""
    with open(tmp_path / "spare", "w") as spare:
        view = LiveView(Gone(spare.fileno()), "demo", Clock())
        view.draw(lambda most: overview())
        view.show(LINE, Level.NEWS)
        view.draw(lambda most: pytest.fail("drawn again"))
        view.close()
