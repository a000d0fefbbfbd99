"""Rank 0 under load: the real queue, plan and loop with simulated workers and a virtual clock.

    python benchmarks/hypervisor.py [--workers 4096] [--jobs 1000000] [--seconds 10] [--json FILE]

The clock advances by the measured CPU time of every turn, by the loop's own waiting, and by 10 ms
for every commit of the journal, as on a parallel file system; a job takes its seconds +- 10 %.
Efficiency is the work done over the time of all workers. For real ranks see ``ranks.py``.
"""

from __future__ import annotations

import heapq
import json
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import options, peak_memory, report

from spring_mpi.campaign.plan import Plan
from spring_mpi.campaign.run import PlannedJobs
from spring_mpi.config.config import load_config
from spring_mpi.events import build_index
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.rank0.log import Log
from spring_mpi.rank0.loop import Hypervisor
from spring_mpi.rank0.progress import Progress
from spring_mpi.rank0.queue import Queue
from spring_mpi.rank0.reporting import Reporter, ReportFiles
from spring_mpi.rank0.screen import NoScreen
from spring_mpi.rundir.lines import Line, to_line
from spring_mpi.rundir.summary import SummaryFile
from spring_mpi.worker.inventory import Inventory, InventoryRequest
from spring_mpi.worker.messages import Assign, Done, Equipment, Order, Ready, Report

_COMMIT_SECONDS = 0.010


def _outcome(name: str) -> Outcome:
    return Outcome(
        name, state=State.DONE, error=0.1, resolution_px=2.0, support_px=500, seconds=10.0
    )


class Clock:
    """Seconds that pass because somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class SimulatedJournal:
    """Costs what a commit costs, and keeps nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.commits = clock, 0

    def commit(self, lines: Iterable[Line]) -> None:
        """Write the text, to nowhere."""
        if text := "".join(json.dumps(to_line(line)) for line in lines):
            self.commits += bool(text)
            self._clock.advance(_COMMIT_SECONDS)


class NoControl:
    """Nobody steers."""

    def asked(self) -> list[Any]:
        """No messages."""
        return []


class NewJobs(PlannedJobs):
    """The jobs of a plan, of which no result was ever made."""

    def complete(self, name: str) -> None:
        """Nothing is found complete."""


class SimulatedWorkers:
    """A transport whose workers need nothing but time."""

    def __init__(self, count: int, seconds: float, clock: Clock) -> None:
        self._seconds, self._clock = seconds, clock
        self._random = np.random.default_rng(1)
        self._coming: list[tuple[float, int, Report]] = [
            (0.0, worker, Ready("node", "simulated", 0.0)) for worker in range(1, count + 1)
        ]

    def inventories(self, request: InventoryRequest) -> dict[int, Inventory]:
        """Nothing to see."""
        return {}

    def start(self, equipment: Mapping[int, Equipment]) -> None:
        """Nothing to start."""

    def send(self, worker: int, order: Order) -> None:
        """A job ends after its time."""
        if isinstance(order, Assign):
            lasting = self._seconds * float(self._random.uniform(0.9, 1.1))
            done = Done(_outcome(order.jobs[0].name))
            heapq.heappush(self._coming, (self._clock.now + lasting, worker, done))

    def poll(self) -> list[tuple[int, Report]]:
        """What has arrived by now."""
        reports = []
        while self._coming and self._coming[0][0] <= self._clock.now:
            _, worker, report = heapq.heappop(self._coming)
            reports.append((worker, report))
        return reports

    def close(self) -> None:
        """Nothing to close."""


def simulate(workers: int, jobs: int, seconds: float, folder: Path) -> dict[str, float]:
    """Run the campaign in virtual time; figures by name."""
    config_file = folder / "c.yaml"
    config_file.write_text(
        f"name: c\ndata: {{reader: simulate, source: 'events={jobs}'}}\n"
        "pattern: {cropsize: 256, size: 64}\nsettings: {init: {supportsize: 30}}\n"
    )
    plan = Plan(load_config(config_file), build_index(f"events={jobs}", reader="simulate"), folder)
    clock, queue = Clock(), Queue()
    for name in plan.numbers:
        queue.settle(name, State.WAITING)
    progress = Progress(clock)
    files = ReportFiles(
        Log(folder / "log", NoScreen()), SummaryFile(folder / "s.csv", ()), folder / "status"
    )
    journal, transport = SimulatedJournal(clock), SimulatedWorkers(workers, seconds, clock)
    hypervisor = Hypervisor(
        NewJobs(plan, take_new=lambda: None), queue, progress, transport, journal,  # type: ignore[arg-type]
        NoControl(), Reporter(files, queue, progress), sleep=clock.advance,  # type: ignore[arg-type]
    )  # fmt: skip
    began = time.process_time()
    while not queue.is_over:
        before = time.process_time()
        hypervisor.turn()
        clock.advance(time.process_time() - before)
    cpu = time.process_time() - began
    return {
        "efficiency": jobs * seconds / (workers * clock.now),
        "virtual seconds": clock.now,
        "CPU of rank 0, us per job": 1e6 * cpu / jobs,
        "commits": float(journal.commits),
        "peak memory, MB": peak_memory(),
    }


def main() -> int:
    """Measure and report."""
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=4096)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    workers, jobs, seconds = arguments.workers, arguments.jobs, arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        figures = simulate(workers, jobs, seconds, Path(folder))
    report(f"{workers} simulated workers, {jobs} jobs of {seconds:g} s", figures, arguments.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
