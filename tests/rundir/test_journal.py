"""The journal: what is committed is there, whatever happens after."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.errors import RunDirectoryError
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rundir.journal import Journal, replay
from spring_mpi.rundir.lines import (
    Exit,
    Header,
    JobLine,
    MessageLine,
    RecipeLine,
    Start,
    from_line,
    to_line,
)

LINES = [JobLine(Outcome("a", state=state)) for state in (State.RUNNING, State.FAILED)]


def test_round_trip(tmp_path: Path) -> None:
    """Lines come back as they were committed, over several sessions."""
    path = tmp_path / "journal.jsonl"
    for line in LINES:
        journal = Journal(path)
        journal.commit([line])
        journal.close()
    assert list(replay(path)) == LINES


def test_one_turn_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lines of a turn reach the disk with one flush; an empty turn needs none."""
    flushes: list[int] = []
    monkeypatch.setattr("os.fsync", flushes.append)
    journal = Journal(tmp_path / "journal.jsonl")
    journal.commit(LINES * 50)
    journal.commit([])
    journal.close()
    assert len(flushes) == 1


def names(path: Path) -> list[str]:
    """The jobs of a journal that has lines of jobs alone."""
    lines = list(replay(path))
    assert all(isinstance(line, JobLine) for line in lines)
    return [line.name for line in lines if isinstance(line, JobLine)]


@given(cut=st.integers(1, 200))
def test_torn_last_line(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """However the last line is torn, the lines before it stay, and new ones follow."""
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    whole = b'{"job":"a","state":"done"}\n{"job":"b","state":"done"}\n'
    path.write_bytes(whole + (b'{"job":"c","reason":"' + b"x" * 200)[:cut])
    assert names(path) == ["a", "b"]
    journal = Journal(path)
    journal.commit([JobLine(Outcome("d", state=State.DONE))])
    journal.close()
    assert names(path) == ["a", "b", "d"]


DONE = Outcome("a", state=State.DONE, worker=1, error=0.1, support_px=7, seconds=1.5)
FORMS = [
    (
        Header(1, "c0", "1d", 3, False),
        '{"journal":1,"config":"c0","index":"1d","jobs":3,"sharded":false}',
    ),
    (Start(2, 1.5, "node"), '{"start":2,"t":1.5,"host":"node"}'),
    (RecipeLine("d1", {"seed": 1}), '{"recipe":"d1","parts":{"seed":1}}'),
    (
        JobLine(Outcome("a", state=State.RUNNING, worker=1), t=1.5, attempt=1),
        '{"t":1.5,"job":"a","state":"running","attempt":1,"worker":1}',
    ),
    (
        JobLine(DONE, t=1.5, attempt=1, fingerprint="f0"),
        '{"t":1.5,"job":"a","state":"done","attempt":1,"worker":1,"fingerprint":"f0",'
        '"error":0.1,"resolution_px":null,"support_px":7,"seconds":1.5}',
    ),
    (
        JobLine(replace(DONE, remark="kept: x", warnings=("dim",))),
        '{"job":"a","state":"done","worker":1,"error":0.1,"resolution_px":null,"support_px":7,'
        '"seconds":1.5,"remark":"kept: x","warnings":["dim"]}',
    ),
    (
        JobLine(replace(DONE, verdict=Verdict.GOOD, score=0.875, resolution_px=2.5, reasons=("x",),
                        is_interior_determined=False, generations_run=14)),
        '{"job":"a","state":"done","worker":1,"verdict":"good","score":0.875,"error":0.1,'
        '"resolution_px":2.5,"support_px":7,"seconds":1.5,"reasons":["x"],'
        '"is_interior_determined":false,"generations_run":14}',
    ),
    (
        JobLine(Outcome("a", state=State.FAILED, worker=1, reason="dark"), t=1.5, attempt=2),
        '{"t":1.5,"job":"a","state":"failed","attempt":2,"worker":1,"reason":"dark"}',
    ),
    (
        JobLine(Outcome("a", state=State.WAITING), attempt=0, outages=0, generation=0,
                is_alone=False),
        '{"job":"a","state":"waiting","attempt":0,"outages":0,"generation":0,"alone":false}',
    ),
    (
        MessageLine(
            id="m1", sender="me", verb="append", reply=("Adding b to queue",), refused=False,
            records=(
                JobLine(Outcome("b", state=State.WAITING), t=1.5, attempt=0,
                        request={"pid": [1], "tag": "", "set": {}}),
            ),
        ),
        '{"message":"m1","sender":"me","verb":"append","reply":["Adding b to queue"],'
        '"refused":false,"front":[],"records":[{"t":1.5,"job":"b","state":"waiting","attempt":0,'
        '"request":{"pid":[1],"tag":"","set":{}}}]}',
    ),
    (Exit(3, 1.5, "SIGINT"), '{"exit":3,"t":1.5,"reason":"SIGINT"}'),
    (Exit(0, 1.5), '{"exit":0,"t":1.5}'),
]  # fmt: skip


@pytest.mark.parametrize(("line", "text"), FORMS)
def test_every_line_has_one_form(tmp_path: Path, line: Any, text: str) -> None:
    """The bytes are those of earlier versions, and what is read is what was written."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.commit([line])
    journal.close()
    assert journal.path.read_text() == text + "\n"
    assert list(replay(journal.path)) == [line]


def test_lines_of_the_first_version_stay_as_they_are() -> None:
    """Read and written without any change, but for a resolution that nobody judged."""
    path = Path(__file__).parents[1] / "whole" / "former" / "version_0_1_0" / "journal.jsonl"
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    for line in lines:
        if "resolution_px" in line:
            line["resolution_px"] = None
    assert [list(to_line(from_line(line)).items()) for line in lines] == [
        list(line.items()) for line in lines
    ]


def test_a_line_of_a_later_version(tmp_path: Path) -> None:
    """Fields that are not known are ignored, and so are lines of an unknown kind."""
    path = tmp_path / "journal.jsonl"
    path.write_text('{"later":1}\n{"job":"a","state":"running","later":1}\n')
    assert list(replay(path)) == [JobLine(Outcome("a", state=State.RUNNING))]


@pytest.mark.parametrize("text", ['{"job":"a","state":"asleep"}', '{"job":"a"}', "[]", "1"])
def test_a_line_that_is_none(tmp_path: Path, text: str) -> None:
    """It is told like any damage."""
    path = tmp_path / "journal.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(RunDirectoryError, match=r"journal\.jsonl:1 is damaged"):
        list(replay(path))


def test_only_a_torn_line(tmp_path: Path) -> None:
    """A journal that was torn in its first line is empty."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"job":')
    journal = Journal(path)
    assert journal.is_empty
    journal.close()


def test_damaged_line(tmp_path: Path) -> None:
    """A damaged line in the middle is refused with its number."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"exit":0}\n{"job"\n{"exit":0}\n')
    with pytest.raises(RunDirectoryError, match=r"journal\.jsonl:2 is damaged"):
        list(replay(path))


def test_unwritable(tmp_path: Path) -> None:
    """A path that cannot be written is a clear fault."""
    with pytest.raises(RunDirectoryError, match="cannot write"):
        Journal(tmp_path / "missing" / "journal.jsonl")


def test_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that do not fit are not there at all; they can be committed later."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.commit([LINES[0]])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.commit([LINES[1]])
    assert list(replay(journal.path)) == [LINES[0]]
    journal.commit([LINES[1]])
    journal.close()
    assert list(replay(journal.path)) == LINES
