"""Work shared by ranks: every result in its place, faults in their turn, and all ranks end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from spring_mpi.errors import LaunchError, SourceError
from spring_mpi.launch.communicator import NullCommunicator, RankDied
from spring_mpi.launch.sharing import dismiss, serve, shared


class ThreadCommunicator:
    """A rank that is a thread of this process."""

    node, has_lost_ranks = 0, False

    def __init__(self, rank: int, boxes: list[queue.Queue[tuple[int, Any]]]) -> None:
        self.rank, self.size, self._boxes = rank, len(boxes), boxes

    def send(self, message: Any, rank: int) -> None:
        self._boxes[rank].put((self.rank, message))

    def receive(self) -> tuple[int, Any] | None:
        try:
            return self._boxes[self.rank].get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        pass


@contextmanager
def ranks(size: int) -> Iterator[ThreadCommunicator]:
    """Rank 0, while the others serve; all of them must end with it."""
    boxes: list[queue.Queue[tuple[int, Any]]] = [queue.Queue() for _ in range(size)]
    others = [
        threading.Thread(target=serve, args=(ThreadCommunicator(rank, boxes),), daemon=True)
        for rank in range(1, size)
    ]
    for other in others:
        other.start()
    root = ThreadCommunicator(0, boxes)
    try:
        yield root
    finally:
        dismiss(root)
        for other in others:
            other.join(60)
            assert not other.is_alive()


def double(number: int) -> int:
    """Twice the number; 7 is at fault."""
    if number == 7:
        raise SourceError("seven cannot be read")
    return 2 * number


@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_results_in_order(size: int, count: int) -> None:
    """Each item's result comes once, in the order of the items."""
    items = [100 + number for number in range(count)]
    with ranks(size) as root:
        for _ in range(2):
            assert list(shared(root, double, items)) == [2 * item for item in items]
            assert list(shared(root, double, items, ahead=1)) == [2 * item for item in items]


def test_alone_nothing_is_sent() -> None:
    """Without other ranks the work is done here."""
    assert list(shared(NullCommunicator(), double, [1, 2])) == [2, 4]


@pytest.mark.parametrize("size", [1, 3])
def test_a_fault_comes_in_its_turn(size: int) -> None:
    """Results before it are there; then it is raised, and the ranks still end."""
    with ranks(size) as root:
        results = shared(root, double, range(20))
        assert [next(results) for _ in range(7)] == [0, 2, 4, 6, 8, 10, 12]
        with pytest.raises(SourceError, match=r"^seven cannot be read$"):
            next(results)


def test_no_rank_runs_far_ahead() -> None:
    """However long the first item takes, only ``ahead`` results wait for it."""
    gate, started = threading.Event(), []

    def work(number: int) -> int:
        started.append(number)
        if number == 0:
            assert gate.wait(60)
        elif number == 4:
            # The last that may start: the first is let go.
            gate.set()
        return len(started)

    with ranks(3) as root:
        seen = list(shared(root, work, range(50), ahead=4))
    assert len(seen) == 50
    assert sorted(started) == list(range(50))
    assert set(started[:5]) == {0, 1, 2, 3, 4}


def test_a_rank_that_died() -> None:
    """It is told, not waited for."""

    root = ThreadCommunicator(0, [queue.Queue(), queue.Queue()])
    root.has_lost_ranks = True
    root.send(RankDied(), 0)
    with pytest.raises(LaunchError, match="rank 0 died"):
        list(shared(root, double, [1]))
    dismiss(root)
