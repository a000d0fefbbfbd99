"""Rank 0: turns what workers report into decisions, writes them down, and carries them out.

Each turn: take all reports, let the queue decide, write the journal once, then act. Nothing is
done that the journal does not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .console import Log, device_lines, duration
from .decisions import Decision, Give, Record, State
from .journal import Journal
from .messages import (
    Assign,
    Cancel,
    Done,
    Equipment,
    Failed,
    Gone,
    Job,
    Lost,
    Progressed,
    Ready,
    Report,
    Stopped,
    Summary,
)
from .queue import Queue
from .status import Finished, SummaryFile, write_status
from .transport import Backoff, Transport

_STATUS_EVERY = 1.0
_FAILURES_LISTED = 1000


@dataclass(frozen=True)
class Desk:
    """Where rank 0 writes."""

    journal: Journal
    log: Log
    summary: SummaryFile
    status: Path


@dataclass
class Run:
    """What rank 0 knows beside the queue."""

    began: float
    devices: dict[int, Ready] = field(default_factory=dict)
    progress: dict[str, Progressed] = field(default_factory=dict)
    """Of running jobs."""
    started: dict[str, float] = field(default_factory=dict)
    """When the running jobs were given out, seconds on the clock."""
    failures: dict[str, str] = field(default_factory=dict)
    """Job -> reason, the first thousand."""
    done_here: int = 0
    status_written: float = float("-inf")


class Hypervisor:
    """The loop of rank 0.

    Parameters
    ----------
    queue
        All jobs, as an earlier run left them.
    make_job
        The job of a name.
    finished
        The summary line of a job that a worker has done.
    clock, sleep
        Seconds on a clock that only goes forward, and waiting on it.
    """

    def __init__(
        self,
        queue: Queue,
        transport: Transport,
        desk: Desk,
        make_job: Callable[[str], Job],
        finished: Callable[[str, int, Summary], Finished],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._queue, self._transport, self._desk = queue, transport, desk
        self._make_job, self._finished = make_job, finished
        self._clock, self._backoff = clock, Backoff(sleep)
        self._run = Run(began=clock())
        self._completed: dict[str, tuple[int, Done]] = {}
        self._interruption: str | None = None

    def interrupt(self, reason: str) -> None:
        """Ask the loop to end in an orderly way; safe in a signal handler."""
        self._interruption = reason

    def run(self, equipment: Equipment) -> int:
        """Run until no job is left; the exit code (0 all done, 1 some failed, 3 interrupted)."""
        self._transport.start(equipment)
        try:
            while not (self._queue.is_over or self._interruption):
                self.turn()
            return self._end()
        finally:
            self._transport.close()

    def turn(self) -> None:
        """One turn of the loop."""
        reports = self._transport.poll()
        decisions = [self._decide(worker, report) for worker, report in reports]
        decisions.append(self._queue.assign())
        self._carry_out(decisions)
        if self._clock() - self._run.status_written >= _STATUS_EVERY:
            self._write_status("running")
        self._backoff.rest(after_traffic=bool(reports))

    def _decide(self, worker: int, report: Report) -> Decision:
        queue = self._queue
        match report:
            case Ready():
                self._note_ready(worker, report)
                return queue.joined(worker)
            case Progressed(name, generation, generations):
                self._run.progress[name] = report
                return queue.progressed(worker, name, generation / generations)
            case Done(name):
                decision = queue.done(worker, name)
                if decision.records:
                    self._completed[name] = (worker, report)
                return decision
            case Failed(name, reason):
                return self._told(queue.failed(worker, name, reason), worker, report.details)
            case Stopped(name):
                return self._told(queue.stopped(worker, name), worker)
            case Lost(name, reason):
                return self._told(queue.lost(worker, name, reason), worker)
            case Gone(reason):
                return self._left(worker, reason)

    def _carry_out(self, decisions: list[Decision]) -> None:
        self._desk.journal.commit(
            self._line(record) for decision in decisions for record in decision.records
        )
        for worker, done in self._completed.values():
            self._tell_done(worker, done)
        self._completed.clear()
        for decision in decisions:
            for instruction in decision.instructions:
                if isinstance(instruction, Give):
                    self._give(instruction)
                else:
                    self._transport.send(instruction.worker, Cancel(instruction.name))

    def _give(self, give: Give) -> None:
        self._run.started[give.name] = self._clock()
        attempt = self._queue.running[give.name].attempt
        again = f" (attempt {attempt})" if attempt > 1 else ""
        self._desk.log(f"{give.name} started on worker {give.worker}{again}")
        self._transport.send(give.worker, Assign((self._make_job(give.name),)))

    def _line(self, record: Record) -> dict[str, Any]:
        line: dict[str, Any] = {
            "t": round(time.time(), 3), "job": record.name, "state": record.state.value,
            "attempt": record.attempt,
        }  # fmt: skip
        if record.worker is not None:
            line["worker"] = record.worker
        if record.reason:
            line["reason"] = record.reason
        if record.state is State.DONE:
            summary = self._completed[record.name][1].summary
            line["fingerprint"] = self._make_job(record.name).fingerprint
            line |= summary.to_line()
        return line

    # ---- what people are told

    def _note_ready(self, worker: int, ready: Ready) -> None:
        if worker not in self._run.devices:
            header, line = device_lines([(worker, f"{ready.device} on {ready.host}", ready.load)])
            self._desk.log(line if self._run.devices else f"{header}\n{line}")
        self._run.devices[worker] = ready

    def _tell_done(self, worker: int, done: Done) -> None:
        self._run.done_here += 1
        self._forget(done.name)
        self._desk.summary.append(self._finished(done.name, worker, done.summary))
        summary = done.summary
        self._desk.log(
            f"{done.name} done on worker {worker} in {summary.seconds:.1f} s: "
            f"error {summary.error:.4f}, resolution {summary.resolution_px:.2f} px, "
            f"support {summary.support_px} px [{self._outlook()}]"
        )
        for warning in done.warnings:
            self._desk.log(f"{done.name}: {warning}")

    def _told(self, decision: Decision, worker: int, details: str = "") -> Decision:
        """The decision, after the log has its records and the tally its failures."""
        for record in decision.records:
            self._forget(record.name)
            if record.state is State.FAILED and len(self._run.failures) < _FAILURES_LISTED:
                self._run.failures[record.name] = record.reason
            self._desk.log(f"{record.name} {self._words(record, worker)}")
            if details:
                self._desk.log(details)
        return decision

    def _words(self, record: Record, worker: int) -> str:
        where = f"worker {worker}"
        if worker in self._run.devices:
            where += f" ({self._run.devices[worker].host})"
        match record.state:
            case State.FAILED:
                return f"failed on {where}: {record.reason}"
            case State.WAITING:
                return f"lost on {where}: {record.reason}; it is tried again"
            case _:
                return f"{record.state} on {where}"

    def _left(self, worker: int, reason: str) -> Decision:
        self._desk.log(f"worker {worker} is lost: {reason}")
        decision = self._told(self._queue.gone(worker, reason), worker)
        if not self._queue.workers:
            self.interrupt(f"no worker is left ({reason})")
        return decision

    def _forget(self, name: str) -> None:
        self._run.progress.pop(name, None)
        self._run.started.pop(name, None)

    def _outlook(self) -> str:
        """How far the campaign is, how fast, and for how long."""
        counts = self._queue.counts
        left = counts[State.WAITING] + counts[State.RUNNING]
        elapsed = max(self._clock() - self._run.began, 1e-9)
        rate = self._run.done_here / elapsed
        ended = counts.total() - left
        return (
            f"{ended}/{counts.total()}, {3600 * rate:.0f} jobs/h, "
            f"{duration(left / rate) if rate else '?'} left"
        )

    # ---- the end, and the status on the way

    def _end(self) -> int:
        counts = self._queue.counts
        failed = counts[State.FAILED]
        code = 3 if not self._queue.is_over else 1 if failed else 0
        tally = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
        elapsed = duration(self._clock() - self._run.began)
        ending: dict[str, Any] = {"exit": code, "t": round(time.time(), 3)}
        if self._interruption:
            ending["reason"] = self._interruption
            self._desk.log(f"Interrupted by {self._interruption}; run again to resume")
        self._desk.journal.commit([ending])
        self._write_status({0: "done", 1: "failed", 3: "interrupted"}[code], code)
        self._desk.log(f"Campaign ended after {elapsed}: {tally}")
        self._desk.log(f"exit {code}")
        return code

    def _write_status(self, state: str, code: int | None = None) -> None:
        self._run.status_written = self._clock()
        counts = self._queue.counts
        elapsed = self._clock() - self._run.began
        left = counts[State.WAITING] + counts[State.RUNNING]
        rate = self._run.done_here / elapsed if elapsed > 0 else 0.0
        write_status(
            self._desk.status,
            {
                "state": state,
                "exit": code,
                "time": round(time.time(), 3),
                "jobs": counts.total(),
                "counts": {one.value: counts[one] for one in State},
                "running": list(self._running()),
                "jobs_per_hour": round(3600 * rate, 1),
                "seconds_left": round(left / rate) if rate else None,
                "workers": {
                    str(worker): {"host": ready.host, "device": ready.device}
                    for worker, ready in self._run.devices.items()
                },
                "failed": [
                    {"name": name, "reason": reason} for name, reason in self._run.failures.items()
                ],
            },
        )

    def _running(self) -> Iterator[dict[str, Any]]:
        for name, run in self._queue.running.items():
            progress = self._run.progress.get(name)
            yield {
                "name": name,
                "worker": run.worker,
                "attempt": run.attempt,
                "progress": round(run.progress, 3),
                "best": progress.best if progress else None,
                "median": progress.median if progress else None,
                "seconds": round(self._clock() - self._run.started.get(name, self._clock()), 1),
            }
