"""How rank 0 reaches its workers: over MPI, or within its own process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from ..comm import Communicator, RankDied
from ..errors import LaunchError
from ..hearing import Said, listening, pass_on
from .messages import Equipment, Gone, Order, Quit, Report
from .seat import Seat, Survey, look
from .worker import Worker

_SHORTEST_WAIT, _LONGEST_WAIT, _GROWTH = 0.0002, 0.010, 1.25
_FAREWELL = 10.0
_SURVEY_PATIENCE = 300.0


class Transport(Protocol):
    """Orders to and reports from numbered workers, without waiting."""

    def survey(self, survey: Survey) -> dict[int, Seat]:
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

    def __init__(self, count: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._count, self._clock = count, clock
        self._workers: dict[int, Worker] = {}
        self._reports: list[tuple[int, Report]] = []

    def survey(self, survey: Survey) -> dict[int, Seat]:
        return dict.fromkeys(range(1, self._count + 1), look(survey, 0))

    def start(self, equipment: Mapping[int, Equipment]) -> None:
        self._workers = {number: Worker(given, self._clock) for number, given in equipment.items()}

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

    def survey(self, survey: Survey) -> dict[int, Seat]:
        for rank in self._ranks:
            self._communicator.send(survey, rank)
        seats: dict[int, Seat] = {}
        backoff, patience = Backoff(), time.monotonic() + _SURVEY_PATIENCE
        while missing := [rank for rank in self._ranks if rank not in seats]:
            arrived = self._communicator.receive()
            match arrived:
                case (rank, Seat() as seat):
                    seats[rank] = seat
                case (_, Said() as said):
                    pass_on(said)
                case (rank, Gone(reason)):
                    raise LaunchError(f"rank {rank} cannot work: {reason}")
                case (rank, RankDied()):
                    raise LaunchError(f"rank {rank} died before it could work")
            if time.monotonic() > patience:
                raise LaunchError(f"rank {missing[0]} says nothing: is it stuck?")
            backoff.rest(after_traffic=arrived is not None)
        return seats

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
        self._hear_out()
        self._communicator.close()

    def _hear_out(self) -> None:
        """Take what the workers still have to say: a large message waits for its receiver."""
        talking, patience = set(self._ranks), time.monotonic() + _FAREWELL
        backoff = Backoff()
        while talking and time.monotonic() < patience:
            arrived = self._communicator.receive()
            if arrived is None:
                backoff.rest(after_traffic=False)
            elif isinstance(arrived[1], Gone | RankDied):
                talking.discard(arrived[0])


class Backoff:
    """Waits 0.2 ms after traffic, then ever longer, up to 10 ms: a rank that spins burns a core.

    A quarter more each time: a message waits for a quarter of the quiet time before it, or 10 ms.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep, self._wait = sleep, _SHORTEST_WAIT

    def rest(self, *, after_traffic: bool) -> None:
        """Sleep for as long as is due."""
        grown = min(self._wait * _GROWTH, _LONGEST_WAIT)
        self._wait = _SHORTEST_WAIT if after_traffic else grown
        self._sleep(self._wait)


def serve_rank(communicator: Communicator) -> int:
    """The life of a worker rank; its last word tells rank 0 why it ends."""
    last_word = Gone("it was told to quit")
    try:
        with listening(lambda said: communicator.send(said, 0)):
            return _carry_messages(communicator)
    except Exception as fault:
        last_word = Gone(f"{type(fault).__name__}: {fault}")
        raise
    finally:
        communicator.send(last_word, 0)
        communicator.close()


def _carry_messages(communicator: Communicator) -> int:
    """Pass messages between rank 0 and the worker until Quit; the exit code."""
    worker, backoff = None, Backoff()
    try:
        while True:
            arrived = communicator.receive()
            reports: list[Report] = []
            if arrived is not None:
                sender, order = arrived
                if isinstance(order, Quit) or (isinstance(order, RankDied) and sender == 0):
                    return 0
                if isinstance(order, Survey):
                    communicator.send(look(order, communicator.node), 0)
                elif isinstance(order, Equipment):
                    worker = Worker(order, time.monotonic)
                elif worker is not None:
                    reports += worker.send(order)
            if worker is not None:
                reports += worker.poll()
            for report in reports:
                communicator.send(report, 0)
            backoff.rest(after_traffic=bool(arrived or reports))
    finally:
        if worker is not None:
            worker.close()
