"""How far a campaign is, in figures: for the log, the screen, and ``status.json``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from heapq import nsmallest
from typing import Any

from ..model.outcome import State
from ..model.verdict import counts_by_key, tally_of_verdicts
from .console import duration
from .overview import Overview
from .progress import Progress
from .queue import Queue, Run


class Standing:
    """What the queue and the workers' progress say of the campaign as it is now."""

    def __init__(self, queue: Queue, progress: Progress) -> None:
        self._queue, self._progress = queue, progress

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
            under_way=self._progress.under_way,
            jobs_per_hour=per_hour,
            seconds_left=seconds,
            condition=self._condition(),
            busy=tuple(self._progress.busy(name, run) for name, run in first),
            others=len(running) - len(first),
            verdicts=tally_of_verdicts(self._queue.jobs.verdicts),
        )

    def status(self, state: str, code: int | None, failures: Mapping[str, str]) -> dict[str, Any]:
        """The content of ``status.json``; ``failures`` are reasons by job."""
        counts, (per_hour, seconds) = self._queue.jobs.counts, self._rate()
        return {
            "state": state,
            "exit": code,
            "paused": self._queue.is_paused,
            "time": round(time.time(), 3),
            "jobs": counts.total(),
            "counts": {each.value: counts[each] for each in State},
            "verdicts": counts_by_key(self._queue.jobs.verdicts),
            "running": [self._course(name, run) for name, run in self._queue.running.items()],
            "jobs_per_hour": round(per_hour, 1),
            "seconds_left": None if seconds is None else round(seconds),
            "workers": {
                str(worker): {"host": ready.host, "device": ready.device}
                for worker, ready in self._progress.devices.items()
            },
            "failed": [{"name": name, "reason": reason} for name, reason in failures.items()],
        }

    def outlook(self, untold: int) -> str:
        """Jobs that finished, of those that nobody removed or stopped; the rate; the time left."""
        counts, (per_hour, seconds) = self._queue.jobs.counts, self._rate()
        finished = counts[State.DONE] + counts[State.FAILED] - untold
        total = counts.total() - counts[State.REMOVED] - counts[State.STOPPED]
        until = "?" if seconds is None else duration(seconds)
        return f"{finished} of {total} jobs finished, {per_hour:.0f} jobs/h, {until} left"

    def _condition(self) -> str:
        """What people ask who see that nothing starts; empty where all is as it should be."""
        queue = self._queue
        if queue.is_draining:
            return "draining"
        if queue.is_paused:
            return "paused"
        if not self._progress.devices:
            return "workers start"
        return "" if queue.running or queue.waiting else "waits for jobs"

    def _course(self, name: str, run: Run) -> dict[str, Any]:
        """A running job, for programs."""
        return {
            "name": name,
            "worker": run.worker,
            "attempt": run.attempt,
            "progress": round(run.progress, 3),
            **self._progress.busy(name, run).figures(),
        }

    def _rate(self) -> tuple[float, float | None]:
        """(jobs per hour in this run, seconds left), what running jobs made included."""
        counts, progress = self._queue.jobs.counts, self._progress
        made = progress.done + progress.under_way
        left = counts[State.WAITING] + counts[State.RUNNING] - progress.under_way
        elapsed = progress.elapsed
        if not made or elapsed <= 0:
            return 0.0, None
        seconds = self._left_of_both() if self._queue.waiting.behind else left * elapsed / made
        return 3600 * made / elapsed, seconds

    def _left_of_both(self) -> float | None:
        """Seconds left where full jobs wait behind others; None before one of either was done."""
        counts, full = self._queue.jobs.counts, self._queue.waiting.behind
        numbers = {False: counts[State.WAITING] - full, True: full}
        numbers[not numbers[False]] += counts[State.RUNNING]
        needed = {kind: number for kind, number in numbers.items() if number}
        if not needed.keys() <= self._progress.lasted.keys():
            return None
        means = {kind: seconds / done for kind, (seconds, done) in self._progress.lasted.items()}
        spent = sum(number * means[kind] for kind, number in needed.items())
        return spent / max(len(self._queue.workers), 1)
