"""Transports: nobody waits for ever, whatever goes wrong on the other side."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest

from spring_mpi.cli import batch
from spring_mpi.errors import LaunchError
from spring_mpi.launch.communicator import Backoff, RankDied
from spring_mpi.rank0 import transport
from spring_mpi.rank0.transport import MpiTransport
from spring_mpi.worker import rank as worker_rank
from spring_mpi.worker.inventory import Inventory, InventoryRequest
from spring_mpi.worker.messages import Assign, Equipment, Gone, Quit, Ready
from spring_mpi.worker.rank import serve_rank


class Tape:
    """A communicator that plays what arrives and records what is sent."""

    rank, size, node, has_lost_ranks = 0, 3, 0, False

    def __init__(self, *arriving: Any) -> None:
        self.arriving, self.closed = deque(arriving), 0
        self.sent: list[tuple[int, Any]] = []

    def send(self, message: Any, rank: int) -> None:
        self.sent.append((rank, message))
        if isinstance(message, Quit):
            self.arriving.append((rank, Gone("it was told to quit")))

    def receive(self) -> Any:
        return self.arriving.popleft() if self.arriving else None

    def close(self) -> None:
        self.closed += 1


class Broken:
    """A worker that cannot even be made."""

    def __init__(self, equipment: object, clock: object) -> None:
        raise OSError("no processes left")


def test_orders_and_reports() -> None:
    """Equipment goes to every worker, an order to its own; reports come with their rank."""
    tape = Tape((2, Ready("host", "cpu", 0.0)), (1, Gone("tired")))
    mpi = MpiTransport(tape)
    given = {1: Equipment(cpus=(0,)), 2: Equipment(cpus=(1,))}
    mpi.start(given)
    mpi.send(2, Assign(()))
    assert tape.sent == [*given.items(), (2, Assign(()))]
    assert mpi.poll() == [(2, Ready("host", "cpu", 0.0)), (1, Gone("tired"))]
    assert mpi.poll() == []


def test_taking_inventory_waits_for_every_worker() -> None:
    """Every worker is asked, and has answered when that ends."""
    inventories = {1: Inventory("n1", 0, "1"), 2: Inventory("n2", 2, "1")}
    tape = Tape((2, inventories[2]), (1, inventories[1]))
    assert MpiTransport(tape).inventories(InventoryRequest()) == inventories
    assert tape.sent == [(1, InventoryRequest()), (2, InventoryRequest())]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Gone("ValueError: odd"), "rank 2 cannot work: ValueError: odd"),
        (RankDied(), "rank 2 died"),
    ],
)
def test_taking_inventory_of_the_lost(answer: Gone | RankDied, text: str) -> None:
    """A worker that cannot answer ends that."""
    with pytest.raises(LaunchError, match=text):
        MpiTransport(Tape((1, Inventory("n1", 0, "1")), (2, answer))).inventories(
            InventoryRequest()
        )


def test_a_silent_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that says nothing is named, after a time."""
    monkeypatch.setattr(transport, "_INVENTORY_SECONDS", 0.0)
    with pytest.raises(LaunchError, match="rank 1 says nothing"):
        MpiTransport(Tape()).inventories(InventoryRequest())


def test_closing_twice() -> None:
    """All workers are told to quit, once."""
    tape = Tape()
    mpi = MpiTransport(tape)
    mpi.close()
    mpi.close()
    assert tape.sent == [(1, Quit()), (2, Quit())]
    assert tape.closed == 1


def test_a_worker_rank_ends_with_quit() -> None:
    """Before or after it has a worker, Quit ends the rank."""
    tape = Tape((0, Quit()))
    assert serve_rank(tape) == 0
    assert tape.sent == [(0, Gone("it was told to quit"))]
    assert tape.closed == 1


def test_a_broken_worker_rank_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the rank itself reaches rank 0 before the rank ends."""
    monkeypatch.setattr(worker_rank, "Worker", Broken)
    tape = Tape((0, Equipment()))
    with pytest.raises(OSError, match="no processes left"):
        serve_rank(tape)
    assert tape.sent == [(0, Gone("OSError: no processes left"))]
    assert tape.closed == 1


def test_a_fault_of_rank0_ends_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Even a fault that nobody thought of lets the worker ranks end."""

    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError

    tape = Tape()
    monkeypatch.setattr(batch, "connect", lambda transport: tape)
    monkeypatch.setattr("spring_mpi.campaign.run.run_campaign", fail)
    with pytest.raises(ZeroDivisionError):
        batch.main([str(tmp_path / "any.yaml")])
    assert tape.sent == [(1, Quit()), (2, Quit())]


def test_a_dead_rank_is_a_lost_worker() -> None:
    """What the communicator hears of a dead rank reaches the queue as a lost worker."""
    assert MpiTransport(Tape((2, RankDied()))).poll() == [(2, Gone("its rank died"))]


def test_workers_end_with_rank0() -> None:
    """A worker rank whose rank 0 died ends; one of its fellows does not matter."""
    tape = Tape((2, RankDied()), (0, RankDied()))
    assert serve_rank(tape) == 0
    assert not tape.arriving


def test_backoff() -> None:
    """0.2 ms after traffic, then a quarter longer each time, up to 10 ms; traffic starts anew."""
    waits: list[float] = []
    backoff = Backoff(waits.append)
    for is_quiet in [False, *[True] * 20, False]:
        backoff.rest(after_traffic=not is_quiet)
    assert waits[:3] == pytest.approx([0.0002, 0.00025, 0.0003125])
    assert waits == pytest.approx(
        [*(min(0.0002 * 1.25**quiet, 0.010) for quiet in range(21)), 0.0002]
    )
    assert waits.count(0.010) == 3
