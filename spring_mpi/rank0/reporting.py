"""What rank 0 tells: the log, ``summary.csv``, ``status.json`` once a second, and the screen."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model.names import quick_name
from ..model.outcome import Outcome, State, tally
from ..model.verdict import tally_of_verdicts
from ..rundir.mailbox_messages import Message
from ..rundir.status import write_status
from ..rundir.summary import SummaryFile
from ..worker.messages import Done, Failed, Gone, Printed, Progressed, Ready, Remark, Report
from .console import device_lines, duration
from .decisions import Decision, Record
from .log import Level, Log
from .progress import Progress
from .queue import Queue
from .standing import Standing

_STATUS_EVERY = 1.0
_FAILURES_LISTED = 1000
"""In ``status.json``, which is written anew every second; ``summary.csv`` has all of them."""
_WARNINGS_COUNTED = 1000
"""Different texts that are kept: a text with a number of its own for each job fills no memory."""
_ENDINGS = {0: "done", 1: "failed", 3: "interrupted"}


@dataclass(frozen=True)
class ReportFiles:
    """The files that people and programs read."""

    log: Log
    summary: SummaryFile
    status: Path


class Reporter:
    """Tells what happens on rank 0; decides nothing.

    Parameters
    ----------
    failed
        What became of jobs that failed before the run.
    """

    def __init__(
        self,
        files: ReportFiles,
        queue: Queue,
        progress: Progress,
        failed: Iterable[Outcome] = (),
    ) -> None:
        self._files, self._log, self._queue, self._progress = files, files.log, queue, progress
        self._standing = Standing(queue, progress)
        self._status_written = float("-inf")
        self._failures = {outcome.name: outcome.reason for outcome in failed}
        # What was told once is not told again.
        self._masks: set[str] = set()
        self._warned: Counter[str] = Counter()
        self._ready: set[int] = set()
        self._never_ready: dict[int, str] = {}
        self._is_late = False

    def heard(self, worker: int, report: Report, decision: Decision) -> None:
        """A worker said something, and this follows from it."""
        match report:
            case Ready():
                self._tell_ready(worker, report)
            case Progressed():
                self._tell_progress(report)
            case Remark():
                self._tell_remark(worker, report)
            case Printed():
                lines = [f"{self._progress.place(worker)}: {line}"
                         for line in report.text.splitlines()]  # fmt: skip
                self._log("\n".join(lines), Level.DETAIL)
            case Gone(reason):
                self._tell_loss(worker, reason)
        for record in decision.records:
            if record.state is not State.DONE:
                self._tell_end(record, worker)
        if isinstance(report, Failed) and decision.records:
            self._log(report.details, Level.DETAIL)

    def _tell_ready(self, worker: int, ready: Ready) -> None:
        if worker not in self._ready:
            header, line = device_lines({worker: ready})
            self._log(line if self._ready else f"{header}\n{line}")
        self._ready.add(worker)
        self._tell_never_ready()

    def _tell_loss(self, worker: int, reason: str) -> None:
        if worker in self._ready:
            self._log(f"{self._progress.place(worker)} is lost: {reason}", Level.FAULT)
        else:
            self._never_ready[worker] = reason
            self._tell_never_ready()

    def _tell_never_ready(self) -> None:
        """Tell of workers that cannot work when it is known of all; if none can, one error does."""
        if self._progress.starting or not self._ready:
            return
        for worker, reason in self._never_ready.items():
            self._log(f"{self._progress.place(worker)} is lost: {reason}", Level.FAULT)
        self._never_ready.clear()

    def _tell_progress(self, progress: Progressed) -> None:
        pace = self._progress.paces.get(progress.name)
        if pace is None or pace.latest is not progress:
            return  # of a worker that has the job no more
        left = pace.seconds_left(self._progress.clock())
        until = "" if left is None else f", {duration(left)} left"
        self._log(
            f"{progress.name} generation {progress.generation} of {progress.generations}: "
            f"best error {progress.best:.4f}, median {progress.median:.4f}{until}",
            Level.GENERATION,
        )

    def _tell_remark(self, worker: int, remark: Remark) -> None:
        if remark.is_fault:
            self._warn(worker, remark.name, f" {remark.text}")
        else:
            self._log(f"{remark.name} {remark.text}")

    def _tell_end(self, record: Record, worker: int) -> None:
        """A job failed, was stopped, or was lost and waits again."""
        if record.state is State.FAILED and len(self._failures) < _FAILURES_LISTED:
            self._failures[record.name] = record.reason
        is_fault = record.state in (State.FAILED, State.WAITING)
        text = f"{record.name} {self._words(record, worker)}"
        self._log(text, Level.FAULT if is_fault else Level.NEWS)

    def say(self, text: str) -> None:
        """Rank 0 has something to say of itself."""
        self._log(f"The campaign on rank 0 ({platform.node()}) {text}", Level.FAULT)

    def late(self, seconds: float) -> None:
        """No job is started any more in this allocation; told once."""
        if not self._is_late:
            self._log(
                f"{duration(seconds)} are left in this allocation, too few to start another job: "
                "the others wait for the next run"
            )
        self._is_late = True

    def given(self, worker: int, names: Sequence[str]) -> None:
        """Jobs are given to a worker."""
        beside = f" with {len(names) - 1} more" if len(names) > 1 else ""
        for name in names:
            attempt = self._queue.running[name].attempt
            again = f" (attempt {attempt})" if attempt > 1 else ""
            self._log(f"{name} started on worker {worker}{again}{beside}")

    def followed(self, full: Iterable[str]) -> None:
        """Full jobs were put behind all others."""
        for name in full:
            self._log(f"{name} waits behind all others: {quick_name(name)} is doubtful")

    def done(self, ended: Sequence[Done]) -> None:
        """Results of these jobs are complete, and the journal knows all of them."""
        for number, done in enumerate(ended, 1):
            self._files.summary.append(done.outcome)
            self._tell_result(done, untold=len(ended) - number)

    def _tell_result(self, done: Done, untold: int) -> None:
        """Log what a job came to; further jobs are done, and told after it."""
        outcome = done.outcome
        reason = f" ({outcome.first_reason})" if outcome.reasons else ""
        self._log(
            f"{done.name} done on worker {outcome.worker} in {outcome.seconds or 0:.1f} s: "
            f"{outcome.caption}, support {outcome.support_px} px{reason} "
            f"[{self._standing.outlook(untold)}]"
        )
        if new := [origin for origin in done.masks if origin not in self._masks]:
            self._masks.update(new)
            self._log(f"pixels are excluded by: {'; '.join(new)}")
        for warning in outcome.warnings:
            self._tell_warning(outcome, warning)

    def _tell_warning(self, outcome: Outcome, warning: str) -> None:
        """Log a warning of the first job that has it; `ended` says how many have."""
        if warning not in self._warned:
            self._warn(outcome.worker or 0, outcome.name, f": {warning}")
        if warning in self._warned or len(self._warned) < _WARNINGS_COUNTED:
            self._warned[warning] += 1

    def summarize(self, outcome: Outcome) -> None:
        """A job ended without a result, and the journal knows it."""
        self._files.summary.append(outcome)

    def asked(self, message: Message, reply: tuple[str, ...]) -> None:
        """Somebody steered the campaign."""
        more = f" ... and {len(reply) - 1} more" if len(reply) > 1 else ""
        first = reply[0] if reply else "nothing"
        self._log(f"{message.sender} asked to {message.verb}: {first}{more}")

    def ended(self, code: int, interruption: str | None) -> None:
        """The run is over; the log ends with the exit code."""
        for warning, jobs in self._warned.items():
            if jobs > 1:
                self._log(f"{jobs} jobs of this run: {warning}", Level.FAULT)
        if interruption:
            self._log(f"Interrupted by {interruption}; run again to resume", Level.ENDING)
        elapsed = duration(self._progress.elapsed)
        all_jobs = self._queue.jobs
        verdicts = f" ({told})" if (told := tally_of_verdicts(all_jobs.verdicts)) else ""
        self._log(
            f"Campaign ended after {elapsed}: {tally(all_jobs.counts)}{verdicts}\nexit {code}",
            Level.ENDING,
        )

    def draw(self) -> None:
        """Renew the screen when it is due."""
        self._log.screen.draw(self._standing.overview)

    def flush(self) -> None:
        """Bring to the disk what was told, and ``status.json`` when it is a second old.

        Raises
        ------
        OSError
            If that is not possible; then it may be called again, and nothing is lost or doubled.
        """
        self._flush_lines()
        if self._progress.clock() - self._status_written >= _STATUS_EVERY:
            self.write_status("running")

    def flush_ending(self, code: int) -> None:
        """As `flush`, with the ``status.json`` of the end; raises `OSError`, too."""
        self._flush_lines()
        self._files.summary.finish()
        self.write_status(_ENDINGS[code], code)

    def _flush_lines(self) -> None:
        self._files.log.flush()
        self._files.summary.flush()

    def write_status(self, state: str, code: int | None = None) -> None:
        """Replace ``status.json``; raises `OSError` if that is not possible."""
        write_status(self._files.status, self._standing.status(state, code, self._failures))
        self._status_written = self._progress.clock()

    def _warn(self, worker: int, name: str, text: str) -> None:
        """Something is wrong with a job that goes on, or is done."""
        self._log(f"{name} on {self._progress.place(worker)}{text}", Level.FAULT)

    def _words(self, record: Record, worker: int) -> str:
        where = self._progress.place(worker)
        match record.state:
            case State.FAILED:
                return f"failed on {where}: {record.reason}"
            case State.WAITING:
                return f"lost on {where}: {record.reason}; it is tried again"
            case _:
                return f"{record.state} on {where}"
