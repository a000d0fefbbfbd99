"""``spring-batch`` whose jobs do nothing: within the worker ranks, or in their real children.

    mpirun -n 5 python benchmarks/noop.py rank|child CONFIG

All else is the real thing: ranks, messages, queue, journal, log, mailbox, and with ``child`` the
processes and the connections to them.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from unittest.mock import patch

from spring_mpi.cli import batch
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.worker import child
from spring_mpi.worker.messages import (
    Assign,
    Done,
    Equipment,
    Job,
    Order,
    Ready,
    Report,
)
from spring_mpi.worker.supervisor import Child

_READY = Ready(platform.node(), "nothing", 0.0)


def _outcome(name: str) -> Outcome:
    return Outcome(
        name, state=State.DONE, error=0.1, resolution_px=2.0, support_px=500, seconds=0.0
    )


class NoopWorker:
    """A `spring_mpi.worker.supervisor.Worker` without a child, whose jobs are done at once."""

    def __init__(self, equipment: Equipment, clock: Callable[[], float]) -> None:
        self._reports: list[Report] = [_READY]

    def send(self, order: Order) -> list[Report]:
        """The jobs of the order are done."""
        jobs = order.jobs if isinstance(order, Assign) else ()
        return [Done(_outcome(job.name)) for job in jobs]

    def poll(self) -> list[Report]:
        """Once, that it is there."""
        reports, self._reports = self._reports, []
        return reports

    def close(self) -> None:
        """Nothing to close."""


class NoopRunner:
    """A `spring_mpi.worker.runner.Runner` that only says that a job is done."""

    def __init__(self, device: str, threads: int) -> None:
        """Any device will do."""

    def __enter__(self) -> NoopRunner:
        return self

    def __exit__(self, *fault: object) -> None:
        """Nothing to close."""

    def ready(self) -> Ready:
        """Who and what this child is."""
        return _READY

    def run(self, job: Job, send: Callable[[Report], None]) -> Done:
        """Nothing, and the word that it is done."""
        return Done(_outcome(job.name))


class NoopChild(Child):
    """A real child process whose runner does nothing."""

    program = (__file__, "as-child")


def main(kind: str, *arguments: str) -> int:
    """Run ``spring-batch``, or the child of one; the exit code."""
    if kind == "as-child":
        with patch("spring_mpi.worker.runner.Runner", NoopRunner):
            child.main(int(arguments[0]), int(arguments[1]), arguments[2], int(arguments[3]))
        return 0
    replaced = {
        "rank": ("spring_mpi.worker.rank.Worker", NoopWorker),
        "child": ("spring_mpi.worker.supervisor.Child", NoopChild),
    }
    with patch(*replaced[kind]):
        return batch.main(arguments)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
