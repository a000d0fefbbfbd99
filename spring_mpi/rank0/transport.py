"""How rank 0 reaches its workers: over MPI, or within its own process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from ..errors import LaunchError
from ..launch.communicator import Backoff, Communicator, RankDied
from ..system.relayed_warnings import RelayedWarning, repeat_warning
from ..worker.inventory import Inventory, InventoryRequest, take_inventory
from ..worker.messages import Equipment, Gone, Order, Quit, Report
from ..worker.supervisor import Worker

_CLOSING_SECONDS = 10.0
_INVENTORY_SECONDS = 300.0
"""Nodes of a large launch start one after the other, and load Python from a shared disk."""


class Transport(Protocol):
    """Orders to and reports from numbered workers, without waiting."""

    def inventories(self, request: InventoryRequest) -> dict[int, Inventory]:
        """What every worker has; waits for all of them.

        Raises
        ------
        LaunchError
            If one dies or says nothing.
        """

    def start(self, equipment: Mapping[int, Equipment]) -> None:
        """Give every worker what it works with."""

    def send(self, worker: int, order: Order) -> None:
        """Send an order."""

    def poll(self) -> list[tuple[int, Report]]:
        """(worker, report) for everything that has arrived."""

    def close(self) -> None:
        """Let all workers end; a second call does nothing."""


class LocalTransport:
    """Workers number 1 to ``count`` in this process, each with its own child."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._workers: dict[int, Worker] = {}
        self._reports: list[tuple[int, Report]] = []

    def inventories(self, request: InventoryRequest) -> dict[int, Inventory]:
        return dict.fromkeys(range(1, self._count + 1), take_inventory(request, 0))

    def start(self, equipment: Mapping[int, Equipment]) -> None:
        self._workers = {
            number: Worker(given, time.monotonic) for number, given in equipment.items()
        }

    def send(self, worker: int, order: Order) -> None:
        self._reports += [(worker, report) for report in self._workers[worker].send(order)]

    def poll(self) -> list[tuple[int, Report]]:
        reports, self._reports = self._reports, []
        for number, worker in self._workers.items():
            reports += [(number, report) for report in worker.poll()]
        return reports

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


class MpiTransport:
    """Worker N is rank N."""

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator
        self._ranks = range(1, communicator.size)
        self._is_open = True

    def inventories(self, request: InventoryRequest) -> dict[int, Inventory]:
        for rank in self._ranks:
            self._communicator.send(request, rank)
        found: dict[int, Inventory] = {}
        backoff, deadline = Backoff(), time.monotonic() + _INVENTORY_SECONDS
        while missing := [rank for rank in self._ranks if rank not in found]:
            arrived = self._communicator.receive()
            match arrived:
                case (rank, Inventory() as inventory):
                    found[rank] = inventory
                case (_, RelayedWarning() as warning):
                    repeat_warning(warning)
                case (rank, Gone(reason)):
                    raise LaunchError(f"rank {rank} cannot work: {reason}")
                case (rank, RankDied()):
                    raise LaunchError(f"rank {rank} died before it could work")
            if time.monotonic() > deadline:
                raise LaunchError(f"rank {missing[0]} says nothing: is it stuck?")
            backoff.rest(after_traffic=arrived is not None)
        return found

    def start(self, equipment: Mapping[int, Equipment]) -> None:
        for rank, given in equipment.items():
            self._communicator.send(given, rank)

    def send(self, worker: int, order: Order) -> None:
        self._communicator.send(order, worker)

    def poll(self) -> list[tuple[int, Report]]:
        reports: list[tuple[int, Report]] = []
        while (arrived := self._communicator.receive()) is not None:
            worker, report = arrived
            died = isinstance(report, RankDied)
            reports.append((worker, Gone("its rank died") if died else report))
        return reports

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        for rank in self._ranks:
            self._communicator.send(Quit(), rank)
        self._receive_rest()
        self._communicator.close()

    def _receive_rest(self) -> None:
        """Receive what the workers still send: a large message waits for its receiver."""
        open_ranks, deadline = set(self._ranks), time.monotonic() + _CLOSING_SECONDS
        backoff = Backoff()
        while open_ranks and time.monotonic() < deadline:
            arrived = self._communicator.receive()
            if arrived is None:
                backoff.rest(after_traffic=False)
            elif isinstance(arrived[1], Gone | RankDied):
                open_ranks.discard(arrived[0])
