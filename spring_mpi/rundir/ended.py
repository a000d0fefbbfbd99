"""What a campaign came to, read from ``status.json`` and ``summary.csv``, also while it runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError
from ..model.outcome import Outcome, State, tally
from ..model.verdict import Verdict, counts_by_key, tally_of_verdicts
from .paths import RunDirectory
from .status import Status, read_status
from .summary import read_summary

_FAILURES_TOLD = 10
_MEANINGS = {
    0: "every job that nobody removed or stopped is done",
    1: "some jobs failed; run it again to try them again",
    2: "it could not start",
    3: "it was interrupted; run it again to resume",
}
"""Exit code of ``spring-batch`` -> what it means."""


def read_ended(rundir: Path, status: Status) -> dict[str, Outcome]:
    """The jobs that have ended by name, as they ended; ``file`` begins with the run directory.

    Raises
    ------
    RunDirectoryError
        If there is no ``summary.csv``, or it cannot be read or is something else.
    """
    try:
        jobs = read_summary(RunDirectory(rundir).summary)
    except FileNotFoundError as fault:
        raise RunDirectoryError(
            f"{rundir} has no summary.csv; give the run directory of a campaign (its `output`)"
        ) from fault
    ended = {
        name: replace(job, file=str(rundir / job.file)) if job.file else job
        for name, job in jobs.items()
    }
    # Version 0.1.0 told failures nowhere else.
    return ended | {job.name: job for job in status.failed if job.name not in ended}


def in_state(jobs: Mapping[str, Outcome], state: State) -> dict[str, Outcome]:
    """Those of the jobs that ended so, in their order."""
    return {name: job for name, job in jobs.items() if job.state is state}


def by_error(job: Outcome) -> float:
    """A key that sorts the lowest error first, and last what has none."""
    return math.inf if job.error is None else job.error


@dataclass(frozen=True)
class EndedCampaign:
    """What a campaign without a living hypervisor came to."""

    rundir: Path
    status: Status
    done: int
    """Jobs that are done."""
    verdicts: Mapping[Verdict | None, int]
    """Verdict -> results; None counts those that nobody judged."""
    best: Outcome | None
    """The job whose result is trusted most; None where none is done."""
    failed: tuple[Outcome, ...]

    @classmethod
    def read(cls, rundir: Path) -> EndedCampaign:
        """From the files of the run directory; raises `RunDirectoryError` as `read_ended` does."""
        status = read_status(rundir)
        ended = read_ended(rundir, status) if RunDirectory(rundir).summary.exists() else {}
        done, failed = (in_state(ended, state) for state in (State.DONE, State.FAILED))
        best = min(done.values(), key=attrgetter("trust"), default=None)
        verdicts = Counter(job.verdict for job in done.values())
        return cls(rundir, status, len(done), verdicts, best, tuple(failed.values()))

    def lines(self) -> Iterator[str]:
        """For people: how it ended, jobs by state, the best one, failures, where the rest is."""
        status, paths = self.status, RunDirectory(self.rundir)
        yield self._ending()
        if any(status.counts.values()):
            # Nobody is there that jobs could still run under.
            told = tally(status.counts).replace(State.RUNNING, "cut off")
            yield f"{sum(status.counts.values())} jobs: {told}"
        elif self.done:
            yield f"{self.done} jobs were done before"
        if verdicts := tally_of_verdicts(self.verdicts):
            yield f"Results: {verdicts}"
        if best := self.best:
            yield f"Best result: {best.name}, {best.caption}, {best.file}"
        for job in self.failed[:_FAILURES_TOLD]:
            yield f"Failed: {job.name}: {job.reason}"
        if (more := status.counts.get(State.FAILED, 0) - _FAILURES_TOLD) > 0:
            yield f"... and {more} more that failed"
        there = [str(path) for path in (paths.summary, paths.log) if path.exists()]
        if there:
            yield f"See {', '.join(there)}"

    def data(self) -> dict[str, Any]:
        """For programs, in values of JSON."""
        best = self.best
        return {
            "state": self.status.state,
            "exit": self.status.code,
            "counts": dict(self.status.counts),
            "verdicts": counts_by_key(self.verdicts),
            "best": best and {
                "name": best.name, "verdict": best.verdict, "score": best.score,
                "error": best.error, "resolution_px": best.resolution_px, "file": best.file,
            },
            "summary": str(RunDirectory(self.rundir).summary),
        }  # fmt: skip

    def _ending(self) -> str:
        code = self.status.code
        if code is not None:
            reason = f": {self.status.reason}" if self.status.reason else ""
            return f"Campaign ended with exit code {code}: {_MEANINGS.get(code, 'unknown')}{reason}"
        if self.status.state:
            return "Its last run ended without a word, as when it is killed; run it again to resume"
        return "How it ended is not known: its status.json does not say"
