"""Watching a campaign: plain lines in files, more or fewer of them, and a view on a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path
from select import select
from termios import TIOCSWINSZ
from typing import Any

import numpy as np
import pytest
from helpers.campaigns import Campaign
from whole.test_faults import SLOW

from spring_mpi.events.formats.simulated.reader import SimulateReader

LOADER = """
import numpy as np, os, sys

def load_data(path):
    if sys.argv[0].endswith("child.py"):
        print("reading", path)
        if path.endswith("1.npy"):
            print("cannot go on", file=sys.stderr)
            os._exit(7)
    return {"pattern": np.load(path), "pid": int(path[-5])}
"""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
GENERATION = re.compile(
    r"generation \d of 4: best error 0\.\d{4}, median 0\.\d{4}(, \d:\d\d left)?$"
)
# Whatever the machine, a job is still running when it is looked at.
ENDLESS = {
    "settings": SLOW["settings"]
    | {"global": {"generations": 100_000, "popsize": 8, "stop": "never"}}
}
# A fast machine is through with SLOW before the view, drawn every 0.25 s, shows the job at work.
SLOWER = {
    "settings": SLOW["settings"] | {"global": {"generations": 60, "popsize": 64, "stop": "never"}}
}
# The terminal on stdin becomes the one that controls the session: Ctrl-C typed there is a signal.
_AT_HOME = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.fixture
def campaign(small: Callable[..., Campaign], tmp_path: Path) -> Campaign:
    """Two events, read by a function that prints; of the first there is a warning, the second one
    ends its child.
    """
    (tmp_path / "my_loader.py").write_text(LOADER)
    for number in range(2):
        np.save(
            tmp_path / f"{number}.npy", SimulateReader().open("events=4:seed=7").event("", 0).data
        )
    data = {"source": "*.npy", "reader": "my_loader.py:load_data"}
    return small(data=data, workers={"retries": 1})


def without_times(text: str) -> list[str]:
    return [line[28:] for line in text.splitlines()]


def faults(campaign: Campaign) -> tuple[str, list[str]]:
    """The lines that tell of the child's end: twice the same event, on the same worker."""
    (ready, *_) = re.findall(
        r"^- (.*) on (\S+) \(Id: 1", "\n".join(without_times(campaign.log())), re.M
    )
    place, ending = (
        f"worker 1 ({ready[1]}, {ready[0]})",
        "its child ended with exit code 7 (cannot go on)",
    )
    return place, [
        f"0 on {place}: speckles are about 1.9 pixels wide, less than 2",
        f"1 lost on {place}: {ending}; it is tried again",
        f"1 failed on {place}: given up after 2 attempts: {ending}",
    ]


def test_news(campaign: Campaign) -> None:
    """Without an option: starts, results and faults; what a child prints is in the file alone."""
    code, output = campaign.run()
    assert code == 1, output
    assert not CONTROL.search(output)
    assert not CONTROL.search(campaign.log())
    place, told = faults(campaign)
    lines = without_times(output)
    assert [line.partition(": the object")[0] for line in lines if place in line] == told
    assert not any(GENERATION.search(line) for line in without_times(campaign.log()))
    kept = without_times(campaign.log())
    assert [line for line in kept if line.startswith(f"{place}: reading")] == [
        f"{place}: reading {campaign.config.parent / name}" for name in ("0.npy", "1.npy", "1.npy")
    ]
    assert [line for line in kept if not line.startswith(f"{place}: ")] == lines


def test_quiet(campaign: Campaign) -> None:
    """Only faults and the end; the file has all."""
    code, output = campaign.run("--quiet")
    assert code == 1, output
    _, told = faults(campaign)
    *shown, ending, last = without_times(output)
    assert [line.partition(": the object")[0] for line in shown] == told
    assert ": 1 done, 1 failed (1 " in ending, "and how it is judged"
    assert last == "exit 1"
    assert "0 done on worker 1" in campaign.log()


def test_verbose(campaign: Campaign) -> None:
    """Every generation with its job's time left, and what children print; the file has the same."""
    code, output = campaign.run("--verbose")
    assert code == 1, output
    assert not CONTROL.search(output)
    lines = without_times(output)
    assert lines == without_times(campaign.log())
    generations = [line for line in lines if GENERATION.search(line)]
    assert [line[:14] for line in generations] == [f"0 generation {n}" for n in (1, 2, 3, 4)]
    assert "left" not in generations[0]
    assert generations[3].endswith(", 0:00 left")
    assert any(line.endswith(": cannot go on") for line in lines)


def test_not_both(campaign: Campaign) -> None:
    """Quiet and verbose at once is an error of usage."""
    code, output = campaign.run("--quiet", "--verbose")
    assert code == 2
    assert "not allowed with argument --quiet" in output


def test_status_tells_the_time_left(small: Callable[..., Campaign]) -> None:
    """Of a running job: generation, of how many, and for how long."""
    campaign = small(**ENDLESS)
    process = campaign.start()
    told: list[Any] = []

    def is_told() -> list[Any]:
        if campaign.in_state("running"):
            running = json.loads((campaign.rundir / "status.json").read_text())["running"]
            told[:] = [job for job in running if job["seconds_left"] is not None]
        return told

    campaign.wait_for(is_told, process)
    process.terminate()
    process.communicate()
    (job,) = told
    assert 1 < job["generation"] < job["generations"] == 100_000
    assert job["seconds_left"] > 0


class Terminal:
    """A terminal of 24 lines and 90 columns that a campaign runs in."""

    def __init__(self, campaign: Campaign) -> None:
        self._master, slave = os.openpty()
        self.resize(24, 90)
        command = ["-m", "spring_mpi.cli.batch", str(campaign.config)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_HOME, *command],
            cwd=campaign.config.parent, stdin=slave, stdout=slave, stderr=slave,
            env=os.environ | {"TERM": "xterm"}, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.text = ""

    def resize(self, lines: int, columns: int) -> None:
        ioctl(self._master, TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self._master, text)

    def read_until(self, pattern: str | None) -> str:
        """Read until a pattern comes; None: until the end."""
        deadline, start = time.monotonic() + 90, len(self.text)
        while pattern is None or not re.search(pattern, self.text[start:]):
            assert time.monotonic() < deadline, self.text
            if select([self._master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self._master, 65536).decode()
                except OSError:  # the other side is closed
                    assert pattern is None, self.text
                    break
        return self.text[start:]

    def end(self) -> tuple[int, str]:
        """Exit code and what was shown last."""
        rest = self.read_until(None)
        os.close(self._master)
        return self.process.wait(timeout=60), rest


@pytest.fixture
def in_terminal(
    small: Callable[..., Campaign],
) -> Iterator[Callable[..., tuple[Campaign, Terminal]]]:
    """``in_terminal(**sections)``: a campaign that runs in a terminal, and the terminal."""
    started = []

    def start(**sections: Any) -> tuple[Campaign, Terminal]:
        campaign = small(**sections)
        started.append(Terminal(campaign))
        return campaign, started[-1]

    yield start
    for terminal in started:
        if terminal.process.poll() is None:
            os.killpg(terminal.process.pid, signal.SIGKILL)
            terminal.process.wait()


def assert_clean(shown: str) -> None:
    """The cursor is visible again, and what comes after is only the removal of the view."""
    _, cursor, after = shown.rpartition("\x1b[?25h")
    assert cursor, shown
    assert "\x1b[?25l" not in after
    assert re.fullmatch(r"\r(\x1b\[1A\x1b\[2K)+", after)


def test_live_view(in_terminal: Callable[..., tuple[Campaign, Terminal]]) -> None:
    """Bar, counts and a line per worker are redrawn below the log; in the end the log is left."""
    campaign, terminal = in_terminal(**SLOWER, events={"slice": "0:1"})
    code, shown = terminal.end()
    assert code == 0, shown
    assert "\x1b[?25l" in shown
    assert re.search(r"small \[#+-+\] \d+%, \d:\d\d left", shown)
    assert re.search(r"0 of 1 jobs done, 1 running, \d+ jobs/h", shown)
    assert re.search(r" 1  \S+ +\d+/60  0\.\d{4}  0\.\d{4}  \d:\d\d  ", shown)
    assert_clean(shown)
    for line in campaign.log().splitlines():
        assert shown.count(line) == 1
    assert not CONTROL.search(campaign.log())


def test_ctrl_c_in_a_live_view(in_terminal: Callable[..., tuple[Campaign, Terminal]]) -> None:
    """The run ends in order, and the terminal is as before."""
    campaign, terminal = in_terminal(**ENDLESS)
    terminal.read_until(r"\d/100000  0\.")
    terminal.type(b"\x03")
    code, shown = terminal.end()
    assert code == 3, shown
    assert "Interrupted by SIGINT; run again to resume" in shown
    assert_clean(shown)
    assert campaign.log().splitlines()[-1].endswith("exit 3")


def test_a_window_that_changes_its_size(
    in_terminal: Callable[..., tuple[Campaign, Terminal]],
) -> None:
    """The next drawing has the new width."""
    _, terminal = in_terminal(**ENDLESS)
    terminal.read_until(r"\d/100000  0\.")
    terminal.resize(24, 60)
    terminal.read_until(r"\r\n\S*small \[[#-]{20,35}\]|K\S*small \[[#-]{20,35}\]")
    terminal.type(b"\x03")
    code, shown = terminal.end()
    assert code == 3, shown
    assert_clean(shown)
