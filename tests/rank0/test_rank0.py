"""The loop of rank 0: what it decides does not depend on who tells people of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from spring_mpi.errors import LaunchError
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.rank0.log import Log
from spring_mpi.rank0.loop import Hypervisor
from spring_mpi.rank0.progress import Progress
from spring_mpi.rank0.queue import Queue
from spring_mpi.rank0.reporting import Reporter, ReportFiles
from spring_mpi.rank0.screen import NoScreen
from spring_mpi.rundir.lines import to_line
from spring_mpi.rundir.summary import SummaryFile
from spring_mpi.worker.messages import (
    Done,
    Equipment,
    Failed,
    Gone,
    Lost,
    Progressed,
    Ready,
    Stopped,
)

READY = Ready("node", "cpu", 0.0)
DONE = Outcome(
    "a", state=State.DONE, error=0.1, resolution_px=2.0, support_px=9, seconds=1.0, worker=1
)
HISTORY = [
    [(1, READY)],
    [(2, READY), (1, Progressed("a", 1, 4, 0.1, 0.2))],
    [(1, Progressed("a", 2, 4, 0.1, 0.2)), (2, Progressed("a", 3, 4, 0.1, 0.2))],
    [(1, Done(DONE)), (2, Lost("b", "it hung"))],
    [(2, Failed("c", "no light", "Traceback")), (2, Gone("its rank died"))],
    [(2, Stopped("b")), (1, Lost("b", "it hung"))],
    [(1, Stopped("b"))],
]
"""Reports turn by turn, some of which are late; three jobs, two workers."""


class Silent:
    """A reporter that keeps nothing and tells nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


class Workers:
    """A transport that says what a history says, and keeps its orders."""

    def __init__(self, history: Sequence[Any]) -> None:
        self.history = list(history)
        self.orders: list[tuple[int, object]] = []

    def start(self, equipment: object) -> None:
        pass

    def send(self, worker: int, order: object) -> None:
        self.orders.append((worker, order))

    def poll(self) -> Any:
        return self.history.pop(0)

    def close(self) -> None:
        pass


class Jobs:
    """A campaign whose jobs are their names."""

    def make(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, fingerprint=f"of {name}")

    def identified(self, outcome: Outcome) -> Outcome:
        return outcome

    def complete(self, name: str) -> None:
        return None

    def follow_up(self, outcome: Outcome) -> None:
        return None

    def take_new(self) -> None:
        pass


class Rank0:
    """Rank 0 with that reporter; what it wrote and ordered."""

    def __init__(self, history: Sequence[Any], report: Callable[[Queue, Progress], Any]) -> None:
        self.lines: list[dict[str, Any]] = []
        self.workers = Workers(history)
        journal: Any = SimpleNamespace(commit=self._commit)
        control: Any = SimpleNamespace(asked=list)
        queue, progress = Queue(retries=2), Progress(lambda: 0.0)
        queue.append("abc")
        self.loop = Hypervisor(
            cast(Any, Jobs()), queue, progress, cast(Any, self.workers), journal, control,
            report(queue, progress),
            sleep=lambda seconds: None,
        )  # fmt: skip

    def _commit(self, lines: Iterable[Any]) -> None:
        self.lines += [{**to_line(line), "t": 0} for line in lines]

    def run(self) -> int:
        return self.loop.run({1: Equipment(), 2: Equipment()})


def test_decisions_do_not_depend_on_telling(tmp_path: Path) -> None:
    """The same orders, journal and exit code with a reporter that keeps nothing."""
    with_log = Log(tmp_path / "log", NoScreen())
    files = ReportFiles(with_log, SummaryFile(tmp_path / "s.csv", ()), tmp_path / "status")
    telling = Rank0(HISTORY, lambda queue, progress: Reporter(files, queue, progress))
    silent = Rank0(HISTORY, lambda queue, progress: Silent())
    assert telling.run() == silent.run() == 1
    assert telling.lines == silent.lines
    assert telling.workers.orders == silent.workers.orders
    states = [(line["job"], line["state"]) for line in silent.lines if "job" in line]
    assert states[-3:] == [("b", "waiting"), ("b", "running"), ("b", "stopped")]
    assert ("a", "done") in states
    assert ("c", "failed") in states
    assert "c failed on worker 2" in (tmp_path / "log").read_text()


def test_no_worker_is_ready() -> None:
    """The last reason is the error."""
    history = [[(1, Gone("no device"))], [(2, Gone("no library"))]]
    with pytest.raises(LaunchError, match="no worker can start: no library"):
        Rank0(history, lambda queue, progress: Silent()).run()


def test_the_last_worker_is_lost() -> None:
    """The campaign is interrupted, and its jobs wait for the next run."""
    history = [[(1, READY), (2, Gone("no device"))], [(1, Gone("its rank died"))]]
    rank0 = Rank0(history, lambda queue, progress: Silent())
    assert rank0.run() == 3
    assert rank0.lines[-1]["reason"] == "the loss of its last worker (its rank died)"
