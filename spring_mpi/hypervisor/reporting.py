"""What rank 0 tells: the log, ``summary.csv``, ``status.json`` once a second, and the screen."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

from ..outcome import Outcome, State
from .console import device_lines, duration
from .decisions import Record
from .known import Known
from .letters import Message
from .log import Level, Log
from .messages import Done, Printed, Progressed, Ready, Remark
from .overview import Overview
from .queue import Queue, Run
from .status import write_status
from .summary import SummaryFile

_STATUS_EVERY = 1.0
_FAILURES_LISTED = 1000
_WARNINGS_COUNTED = 1000
_ENDINGS = {0: "done", 1: "failed", 3: "interrupted"}


@dataclass(frozen=True)
class Desk:
    """The files that people and programs read."""

    log: Log
    summary: SummaryFile
    status: Path


class Reporter:
    """Tells what happens on rank 0; decides nothing."""

    def __init__(self, desk: Desk, queue: Queue, clock: Callable[[], float]) -> None:
        self._desk, self._queue, self._clock = desk, queue, clock
        self._began, self._status_written = clock(), float("-inf")
        self.known = Known(clock)
        self._is_late = False

    def ready(self, worker: int, ready: Ready) -> None:
        """A worker has its device; told once."""
        if worker not in self.known.devices:
            header, line = device_lines({worker: ready})
            self._desk.log(line if self.known.devices else f"{header}\n{line}")
        self.known.devices[worker] = ready

    def progressed(self, worker: int, progress: Progressed) -> None:
        """A job came so far; what a worker says that no longer has it is not heard."""
        run = self._queue.running.get(progress.name)
        if run is None or run.worker != worker:
            return
        left = self.known.progressed(progress).seconds_left(self._clock())
        until = "" if left is None else f", {duration(left)} left"
        self._desk.log(
            f"{progress.name} generation {progress.generation} of {progress.generations}: "
            f"best error {progress.best:.4f}, median {progress.median:.4f}{until}",
            Level.GENERATION,
        )

    def say(self, text: str) -> None:
        """Rank 0 has something to say of itself."""
        self._desk.log(f"The campaign on rank 0 ({platform.node()}) {text}", Level.FAULT)

    def is_late(self, seconds: float) -> None:
        """No job is started any more in this allocation; told once."""
        if not self._is_late:
            self._desk.log(
                f"{duration(seconds)} are left in this allocation, too few to start another job: "
                "the others wait for the next run"
            )
        self._is_late = True

    def remarked(self, worker: int, remark: Remark) -> None:
        """A job goes on, and there is something to say of it."""
        if remark.is_fault:
            self._warn(worker, remark.name, f" {remark.text}")
        else:
            self._desk.log(f"{remark.name} {remark.text}")

    def printed(self, worker: int, printed: Printed) -> None:
        """A worker's child wrote something on its own."""
        lines = (f"{self.known.place(worker)}: {line}" for line in printed.text.splitlines())
        self._desk.log("\n".join(lines), Level.DETAIL)

    def given(self, worker: int, names: Sequence[str]) -> None:
        """Jobs are given to a worker."""
        beside = f" with {len(names) - 1} more" if len(names) > 1 else ""
        for name in names:
            self.known.started[name] = self._clock()
            attempt = self._queue.running[name].attempt
            again = f" (attempt {attempt})" if attempt > 1 else ""
            self._desk.log(f"{name} started on worker {worker}{again}{beside}")

    def done(self, ended: Sequence[Done]) -> None:
        """Results of these jobs are complete, and the journal knows all of them."""
        for done in ended:
            self.known.done += 1
            self.known.forget(done.name)
        for number, done in enumerate(ended, 1):
            self._desk.summary.append(done.outcome)
            self._tell_result(done, untold=len(ended) - number)

    def _tell_result(self, done: Done, untold: int) -> None:
        """Log what a job came to; further jobs are done, and told after it."""
        outcome = done.outcome
        self._desk.log(
            f"{done.name} done on worker {outcome.worker} in {outcome.seconds or 0:.1f} s: "
            f"{outcome.caption}, support {outcome.support_px} px [{self._outlook(untold)}]"
        )
        if new := [origin for origin in done.masks if origin not in self.known.masks]:
            self.known.masks.update(new)
            self._desk.log(f"pixels are excluded by: {'; '.join(new)}")
        for warning in outcome.warnings:
            self._tell_warning(outcome, warning)

    def _tell_warning(self, outcome: Outcome, warning: str) -> None:
        """Log a warning of the first job that has it; `ended` says how many have."""
        warned = self.known.warned
        if warning not in warned:
            self._warn(outcome.worker or 0, outcome.name, f": {warning}")
        if warning in warned or len(warned) < _WARNINGS_COUNTED:
            warned[warning] += 1

    def summarize(self, outcome: Outcome) -> None:
        """A job ended without a result, and the journal knows it."""
        self._desk.summary.append(outcome)

    def ended_otherwise(self, record: Record, worker: int, details: str = "") -> None:
        """A job failed, was stopped, or was lost and waits again."""
        self.known.forget(record.name)
        if record.state is State.FAILED and len(self.known.failures) < _FAILURES_LISTED:
            self.known.failures[record.name] = record.reason
        is_fault = record.state in (State.FAILED, State.WAITING)
        text = f"{record.name} {self._words(record, worker)}"
        self._desk.log(text, Level.FAULT if is_fault else Level.NEWS)
        self._desk.log(details, Level.DETAIL)

    def left(self, worker: int, reason: str) -> None:
        """A worker can do no more work."""
        self._desk.log(f"{self.known.place(worker)} is lost: {reason}", Level.FAULT)

    def asked(self, message: Message, reply: tuple[str, ...]) -> None:
        """Somebody steered the campaign."""
        more = f" ... and {len(reply) - 1} more" if len(reply) > 1 else ""
        first = reply[0] if reply else "nothing"
        self._desk.log(f"{message.sender} asked to {message.verb}: {first}{more}")

    def ended(self, code: int, interruption: str | None) -> None:
        """The run is over; the exit code is the last word."""
        for warning, jobs in self.known.warned.items():
            if jobs > 1:
                self._desk.log(f"{jobs} jobs of this run: {warning}", Level.FAULT)
        counts = self._queue.jobs.counts
        tally = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
        if interruption:
            self._desk.log(f"Interrupted by {interruption}; run again to resume", Level.ENDING)
        elapsed = duration(self._clock() - self._began)
        self._desk.log(f"Campaign ended after {elapsed}: {tally}\nexit {code}", Level.ENDING)

    def draw(self) -> None:
        """Renew the screen when it is due."""
        self._desk.log.screen.draw(self.overview)

    def flush(self) -> None:
        """Bring to the disk what was told, and ``status.json`` when it is a second old.

        Raises
        ------
        OSError
            If that is not possible; then it may be called again, and nothing is lost or doubled.
        """
        self._flush_lines()
        if self._clock() - self._status_written >= _STATUS_EVERY:
            self.write_status("running")

    def flush_ending(self, code: int) -> None:
        """As `flush`, with the ``status.json`` of the end; raises `OSError`, too."""
        self._flush_lines()
        self._desk.summary.finish()
        self.write_status(_ENDINGS[code], code)

    def _flush_lines(self) -> None:
        self._desk.log.flush()
        self._desk.summary.flush()

    def write_status(self, state: str, code: int | None = None) -> None:
        """Replace ``status.json``; raises `OSError` if that is not possible."""
        write_status(self._desk.status, self._status(state, code))
        self._status_written = self._clock()

    def overview(self, most: int) -> Overview:
        """How far the campaign is, with at most so many busy workers."""
        counts, (per_hour, seconds) = self._queue.jobs.counts, self._rate()
        running = self._queue.running
        first = nsmallest(most, running.items(), key=lambda item: item[1].worker)
        return Overview(
            done=counts[State.DONE],
            failed=counts[State.FAILED],
            running=counts[State.RUNNING],
            waiting=counts[State.WAITING],
            under_way=self.known.under_way,
            jobs_per_hour=per_hour,
            seconds_left=seconds,
            condition=self._condition(),
            busy=tuple(self.known.busy(name, run) for name, run in first),
            others=len(running) - len(first),
        )

    def _condition(self) -> str:
        """What people ask who see that nothing starts; empty where all is as it should be."""
        queue = self._queue
        if queue.is_draining:
            return "draining"
        if queue.is_paused:
            return "paused"
        if not self.known.devices:
            return "workers start"
        return "" if queue.running or queue.waiting else "waits for jobs"

    def _status(self, state: str, code: int | None) -> dict[str, Any]:
        counts, (per_hour, seconds) = self._queue.jobs.counts, self._rate()
        return {
            "state": state,
            "exit": code,
            "paused": self._queue.is_paused,
            "time": round(time.time(), 3),
            "jobs": counts.total(),
            "counts": {one.value: counts[one] for one in State},
            "running": [self._course(name, run) for name, run in self._queue.running.items()],
            "jobs_per_hour": round(per_hour, 1),
            "seconds_left": None if seconds is None else round(seconds),
            "workers": {
                str(worker): {"host": ready.host, "device": ready.device}
                for worker, ready in self.known.devices.items()
            },
            "failed": [
                {"name": name, "reason": reason} for name, reason in self.known.failures.items()
            ],
        }

    def _course(self, name: str, run: Run) -> dict[str, Any]:
        """A running job, for programs."""
        return {
            "name": name,
            "worker": run.worker,
            "attempt": run.attempt,
            "progress": round(run.progress, 3),
            **self.known.busy(name, run).figures(),
        }

    def _warn(self, worker: int, name: str, text: str) -> None:
        """Something is wrong with a job that goes on, or is done."""
        self._desk.log(f"{name} on {self.known.place(worker)}{text}", Level.FAULT)

    def _words(self, record: Record, worker: int) -> str:
        where = self.known.place(worker)
        match record.state:
            case State.FAILED:
                return f"failed on {where}: {record.reason}"
            case State.WAITING:
                return f"lost on {where}: {record.reason}; it is tried again"
            case _:
                return f"{record.state} on {where}"

    def _rate(self) -> tuple[float, float | None]:
        """(jobs per hour in this run, seconds left), what running jobs made included."""
        counts, known = self._queue.jobs.counts, self.known
        made = known.done + known.under_way
        left = counts[State.WAITING] + counts[State.RUNNING] - known.under_way
        elapsed = self._clock() - self._began
        if not made or elapsed <= 0:
            return 0.0, None
        return 3600 * made / elapsed, left * elapsed / made

    def _outlook(self, untold: int) -> str:
        """Jobs that finished, of those that nobody removed or stopped; the rate; the time left."""
        counts, (per_hour, seconds) = self._queue.jobs.counts, self._rate()
        finished = counts[State.DONE] + counts[State.FAILED] - untold
        total = counts.total() - counts[State.REMOVED] - counts[State.STOPPED]
        until = "?" if seconds is None else duration(seconds)
        return f"{finished} of {total} jobs finished, {per_hour:.0f} jobs/h, {until} left"
