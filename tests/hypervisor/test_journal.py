"""The journal: what is committed is there, whatever happens after."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.errors import RunDirectoryError
from spring_mpi.hypervisor.journal import Journal, replay
from spring_mpi.hypervisor.messages import Summary

LINES = [{"job": "a", "state": "running"}, {"job": "a", "state": "done"}]


def test_round_trip(tmp_path):
    """Lines come back as they were committed, over several sessions."""
    path = tmp_path / "journal.jsonl"
    for line in LINES:
        journal = Journal(path)
        journal.commit([line])
        journal.close()
    assert list(replay(path)) == LINES


def test_one_turn_is_one_write(tmp_path, monkeypatch):
    """All lines of a turn reach the disk with one flush; an empty turn needs none."""
    flushes = []
    monkeypatch.setattr("os.fsync", flushes.append)
    journal = Journal(tmp_path / "journal.jsonl")
    journal.commit(LINES * 50)
    journal.commit([])
    journal.close()
    assert len(flushes) == 1


@given(cut=st.integers(1, 200))
def test_torn_last_line(tmp_path_factory, cut):
    """However the last line is torn, the lines before it stay, and new ones follow."""
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    whole = b'{"job":"a"}\n{"job":"b"}\n'
    path.write_bytes(whole + (b'{"job":"c","reason":"' + b"x" * 200)[:cut])
    assert [line["job"] for line in replay(path)] == ["a", "b"]
    journal = Journal(path)
    journal.commit([{"job": "d"}])
    journal.close()
    assert [line["job"] for line in replay(path)] == ["a", "b", "d"]


@pytest.mark.parametrize("resolution", [2.5, None])
def test_summary_in_a_line(tmp_path, resolution):
    """What a job came to is read back as it was, also where no resolution was reached."""
    summary = Summary(error=0.1, resolution_px=resolution, support_px=7, seconds=1.5)
    journal = Journal(tmp_path / "journal.jsonl")
    journal.commit([{"job": "a", **summary.to_line()}])
    journal.close()
    (line,) = replay(tmp_path / "journal.jsonl")
    assert Summary.from_line(line) == summary


def test_only_a_torn_line(tmp_path):
    """A journal that was torn in its first line is empty."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"job":')
    journal = Journal(path)
    assert journal.is_empty
    journal.close()


def test_damaged_line(tmp_path):
    """A damaged line in the middle is refused with its number."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"job":"a"}\n{"job"\n{"job":"c"}\n')
    with pytest.raises(RunDirectoryError, match=r"journal\.jsonl:2 is damaged"):
        list(replay(path))


def test_unwritable(tmp_path):
    """A path that cannot be written is a clear fault."""
    with pytest.raises(RunDirectoryError, match="cannot write"):
        Journal(tmp_path / "missing" / "journal.jsonl")


def test_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    """Lines that do not fit are not there at all; they can be committed later."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.commit([LINES[0]])

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.commit([LINES[1]])
    assert list(replay(journal.path)) == [LINES[0]]
    journal.commit([LINES[1]])
    journal.close()
    assert list(replay(journal.path)) == LINES
