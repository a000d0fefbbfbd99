"""The log: which line goes where, and nothing in it that steers a terminal."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from spring_mpi.errors import RunDirectoryError
from spring_mpi.rank0.log import Level, Log
from spring_mpi.rank0.screen import Lines, NoScreen, open_screen


@pytest.fixture
def terminal() -> Iterator[tuple[io.FileIO, TextIO]]:
    """The two ends of a terminal: what shows it, and a stream to write on."""
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as stream, os.fdopen(master, "rb", buffering=0) as shown:
        yield shown, stream


@pytest.mark.parametrize(
    ("lowest", "shown", "kept"),
    [
        (Level.FAULT, "FAULT ENDING", "DETAIL NEWS FAULT ENDING"),
        (Level.NEWS, "NEWS FAULT ENDING", "DETAIL NEWS FAULT ENDING"),
        (
            Level.GENERATION,
            "GENERATION DETAIL NEWS FAULT ENDING",
            "GENERATION DETAIL NEWS FAULT ENDING",
        ),
    ],
    ids=["quiet", "news", "verbose"],
)
def test_what_a_level_shows(tmp_path: Path, lowest: Level, shown: str, kept: str) -> None:
    """The stream shows the asked level and all above; the file keeps the details in any case."""
    stream = io.StringIO()
    log = Log(tmp_path / "log", Lines(stream, lowest), min(lowest, Level.DETAIL))
    for level in Level:
        log(level.name, level)
    log.close()
    assert [line.split()[3] for line in stream.getvalue().splitlines()] == shown.split()
    written = (tmp_path / "log").read_text()
    assert [line.split()[3] for line in written.splitlines()] == kept.split()


def test_every_line_has_a_time_and_no_control_character(tmp_path: Path) -> None:
    """Whatever a reason contains, it cannot steer a terminal, nor feign a line."""
    stream = io.StringIO()
    log = Log(tmp_path / "log", Lines(stream))
    log("one\x1b[2J\x07\rtwo\nthr\u009bee\tfour \udcff")
    log.close()
    assert (tmp_path / "log").read_bytes().isascii()
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line[28:] for line in lines] == [
        "one\\x1b[2J\\x07", "two", "thr\\x9bee\tfour \\udcff",
    ]  # fmt: skip
    assert all(line[:4].isdecimal() for line in lines)


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    """Says which file and why."""
    (tmp_path / "log").mkdir()
    with pytest.raises(RunDirectoryError, match=r"cannot write .*log: Is a directory"):
        Log(tmp_path / "log", NoScreen())


def test_a_closed_stream_is_left_alone(tmp_path: Path) -> None:
    """When the reader of the stream leaves, the file goes on."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        log = Log(tmp_path / "log", Lines(stream))
        os.close(reader)
        log("one")
        log("two")
        log.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 2


def test_lines_where_nothing_can_be_redrawn(
    terminal: tuple[io.FileIO, TextIO], tmp_path: Path
) -> None:
    """Files, pipes and dumb terminals get lines, and so does who asks for more or fewer of them."""
    _, stream = terminal
    xterm = {"TERM": "xterm"}
    with open(tmp_path / "file", "w") as file:
        assert isinstance(open_screen(file, Level.NEWS, "c", xterm), Lines)
    for environment in ({}, {"TERM": "dumb"}, {"TERM": "unknown"}):
        assert isinstance(open_screen(stream, Level.NEWS, "c", environment), Lines)
    for level in (Level.FAULT, Level.GENERATION):
        assert isinstance(open_screen(stream, level, "c", xterm), Lines)
    assert not isinstance(open_screen(stream, Level.NEWS, "c", xterm), Lines)


def test_lines_where_the_shell_works_on_something_else(
    terminal: tuple[io.FileIO, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign in the background does not redraw over what people type."""
    _, stream = terminal
    monkeypatch.setattr(os, "tcgetpgrp", lambda descriptor: os.getpgrp() + 1)
    assert isinstance(open_screen(stream, Level.NEWS, "c", {"TERM": "xterm"}), Lines)


def test_rich_is_loaded_for_terminals_only() -> None:
    """Plain lines need no library."""
    code = (
        "import sys; from spring_mpi.rank0.screen import open_screen;"
        "open_screen(sys.stderr, 3, 'c'); print('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
