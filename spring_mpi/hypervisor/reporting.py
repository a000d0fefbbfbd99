"""What rank 0 tells: lines for the log, ``summary.csv``, and ``status.json`` once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .console import Log, device_lines, duration
from .decisions import Record, State
from .letters import Message
from .messages import Done, Progressed, Ready, Remark
from .queue import Queue
from .status import Finished, SummaryFile, write_status

_STATUS_EVERY = 1.0
_FAILURES_LISTED = 1000
_ENDINGS = {0: "done", 1: "failed", 3: "interrupted"}


@dataclass(frozen=True)
class Desk:
    """The files that people and programs read."""

    log: Log
    summary: SummaryFile
    status: Path


@dataclass
class Known:
    """What the workers said, beside the states of the jobs."""

    devices: dict[int, Ready] = field(default_factory=dict)
    progress: dict[str, Progressed] = field(default_factory=dict)
    """Of running jobs."""
    started: dict[str, float] = field(default_factory=dict)
    """When the running jobs were given out, seconds on the clock."""
    failures: dict[str, str] = field(default_factory=dict)
    """Job -> reason, the first thousand."""
    done: int = 0
    """Jobs done in this run."""


class Reporter:
    """Tells what happens on rank 0; decides nothing."""

    def __init__(self, desk: Desk, queue: Queue, clock: Callable[[], float]) -> None:
        self._desk, self._queue, self._clock = desk, queue, clock
        self._began, self._status_written = clock(), float("-inf")
        self.known = Known()

    def ready(self, worker: int, ready: Ready) -> None:
        """A worker has its device; told once."""
        if worker not in self.known.devices:
            header, line = device_lines([(worker, ready.label, ready.load)])
            self._desk.log(line if self.known.devices else f"{header}\n{line}")
        self.known.devices[worker] = ready

    def progressed(self, progress: Progressed) -> None:
        """A job came so far."""
        self.known.progress[progress.name] = progress

    def say(self, text: str) -> None:
        """Rank 0 has something to say of itself."""
        self._desk.log(f"The campaign {text}")

    def remarked(self, remark: Remark) -> None:
        """A job goes on, and there is something to say of it."""
        self._desk.log(f"{remark.name} {remark.text}")

    def given(self, worker: int, name: str) -> None:
        """A job is given to a worker."""
        self.known.started[name] = self._clock()
        attempt = self._queue.running[name].attempt
        again = f" (attempt {attempt})" if attempt > 1 else ""
        self._desk.log(f"{name} started on worker {worker}{again}")

    def done(self, worker: int, done: Done, finished: Finished) -> None:
        """A job's result is complete, and the journal knows."""
        self.known.done += 1
        self._forget(done.name)
        with suppress(OSError):
            # A full disk: the next run makes the file anew from the journal.
            self._desk.summary.append(finished)
        summary = done.summary
        self._desk.log(
            f"{done.name} done on worker {worker} in {summary.seconds:.1f} s: "
            f"error {summary.error:.4f}, resolution {summary.resolution_px:.2f} px, "
            f"support {summary.support_px} px [{self._outlook()}]"
        )
        for warning in done.warnings:
            self._desk.log(f"{done.name}: {warning}")

    def ended_otherwise(self, record: Record, worker: int, details: str = "") -> None:
        """A job failed, was stopped, or was lost and waits again."""
        self._forget(record.name)
        if record.state is State.FAILED and len(self.known.failures) < _FAILURES_LISTED:
            self.known.failures[record.name] = record.reason
        self._desk.log(f"{record.name} {self._words(record, worker)}\n{details}".strip())

    def left(self, worker: int, reason: str) -> None:
        """A worker can do no more work."""
        self._desk.log(f"worker {worker} is lost: {reason}")

    def asked(self, message: Message, reply: tuple[str, ...]) -> None:
        """Somebody steered the campaign."""
        more = f" ... and {len(reply) - 1} more" if len(reply) > 1 else ""
        first = reply[0] if reply else "nothing"
        self._desk.log(f"{message.sender} asked to {message.verb}: {first}{more}")

    def ended(self, code: int, interruption: str | None) -> None:
        """The run is over; the exit code is the last word."""
        counts = self._queue.counts
        tally = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
        if interruption:
            self._desk.log(f"Interrupted by {interruption}; run again to resume")
        self.write_status(_ENDINGS[code], code)
        elapsed = duration(self._clock() - self._began)
        self._desk.log(f"Campaign ended after {elapsed}: {tally}\nexit {code}")

    def keep_status(self) -> None:
        """Replace ``status.json`` when it is a second old."""
        if self._clock() - self._status_written >= _STATUS_EVERY:
            self.write_status("running")

    def write_status(self, state: str, code: int | None = None) -> None:
        """Replace ``status.json``."""
        self._status_written = self._clock()
        with suppress(OSError):
            write_status(self._desk.status, self._status(state, code))

    def _status(self, state: str, code: int | None) -> dict[str, Any]:
        counts, (left, rate) = self._queue.counts, self._rate()
        return {
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
                for worker, ready in self.known.devices.items()
            },
            "failed": [
                {"name": name, "reason": reason} for name, reason in self.known.failures.items()
            ],
        }

    def _running(self) -> Iterator[dict[str, Any]]:
        now = self._clock()
        for name, run in self._queue.running.items():
            progress = self.known.progress.get(name)
            yield {
                "name": name,
                "worker": run.worker,
                "attempt": run.attempt,
                "progress": round(run.progress, 3),
                "best": progress.best if progress else None,
                "median": progress.median if progress else None,
                "seconds": round(now - self.known.started.get(name, now), 1),
            }

    def _words(self, record: Record, worker: int) -> str:
        where = f"worker {worker}"
        if worker in self.known.devices:
            where += f" ({self.known.devices[worker].host})"
        match record.state:
            case State.FAILED:
                return f"failed on {where}: {record.reason}"
            case State.WAITING:
                return f"lost on {where}: {record.reason}; it is tried again"
            case _:
                return f"{record.state} on {where}"

    def _forget(self, name: str) -> None:
        self.known.progress.pop(name, None)
        self.known.started.pop(name, None)

    def _rate(self) -> tuple[int, float]:
        """(jobs left, jobs per second in this run)."""
        counts = self._queue.counts
        elapsed = self._clock() - self._began
        rate = self.known.done / elapsed if elapsed > 0 else 0.0
        return counts[State.WAITING] + counts[State.RUNNING], rate

    def _outlook(self) -> str:
        """How far the campaign is, how fast, and for how long."""
        total, (left, rate) = self._queue.counts.total(), self._rate()
        until = duration(left / rate) if rate else "?"
        return f"{total - left}/{total}, {3600 * rate:.0f} jobs/h, {until} left"
