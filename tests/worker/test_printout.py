"""What children print: whole lines, nobody waits, and no more than there is room for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from spring_mpi.worker.printout import Printout


@pytest.fixture
def pipe() -> Iterator[tuple[Printout, int]]:
    """A printout, and the descriptor to print on."""
    reader, writer = os.pipe()
    printout = Printout(os.fdopen(reader, "rb", buffering=0))
    yield printout, writer
    printout.close()


def test_lines_come_whole(pipe: tuple[Printout, int]) -> None:
    """However they were written; what is left at the end comes, too."""
    printout, writer = pipe
    assert printout.read() == ""
    os.write(writer, b"one\ntw")
    assert printout.read() == "one\n"
    os.write(writer, "o\nthr€".encode()[:-1])
    assert printout.read() == "two\n"
    os.write(writer, "€".encode()[-1:])
    os.close(writer)
    assert printout.read() == ""
    assert printout.read() == "thr€"
    assert printout.last_line == "thr€"
    assert printout.read() == ""


def test_who_prints_much_does_not_wait(pipe: tuple[Printout, int]) -> None:
    """A megabyte is kept; the rest is read, and said to be dropped."""
    printout, writer = pipe
    kept = ""
    for _ in range(64):
        os.write(writer, b"x" * 32_767 + b"\n")
        kept += printout.read()
    os.close(writer)
    assert 2**20 <= len(kept) < 2**20 + 2**16
    assert kept.endswith("not kept)")
