"""How far jobs and campaign are, and for how long: values, without a clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..worker.messages import Progressed


@dataclass(frozen=True)
class Pace:
    """How far a running job came on its worker, and when that was heard (seconds)."""

    first: Progressed
    first_at: float
    latest: Progressed
    latest_at: float

    @classmethod
    def begun(cls, progress: Progressed, now: float) -> Pace:
        """Of a job that is heard of for the first time on its worker."""
        return cls(progress, now, progress, now)

    def advanced(self, progress: Progressed, now: float) -> Pace:
        """After a further report."""
        return replace(self, latest=progress, latest_at=now)

    @property
    def made(self) -> float:
        """Share of the job that was made on this worker, 0 to 1, counted from the first report."""
        return (self.latest.generation - self.first.generation) / self.latest.generations

    def seconds_left(self, now: float) -> float | None:
        """Until the last generation, at the job's own rate; None before its second report.

        The rate counts from the first report: what came before is the loading of the data, and
        generations that an earlier attempt made.
        """
        if self.made <= 0:
            return None
        each = (self.latest_at - self.first_at) / (self.latest.generation - self.first.generation)
        # One generation is under way; a child that hangs in it is not nearly done.
        under_way = min(now - self.latest_at, each)
        left = self.latest.generations - self.latest.generation
        return max(0.0, left * each - under_way)


@dataclass(frozen=True)
class Busy:
    """A worker at work."""

    worker: int
    device: str
    """Device and host, for people."""
    name: str
    """Of its job."""
    attempt: int
    seconds: float
    """Since the job was given out."""
    latest: Progressed | None
    seconds_left: float | None

    def figures(self) -> dict[str, Any]:
        """How far the job is, for programs; None where that is not known yet."""
        latest, left = self.latest, self.seconds_left
        return {
            "generation": latest.generation if latest else None,
            "generations": latest.generations if latest else None,
            "best": latest.best if latest else None,
            "median": latest.median if latest else None,
            "seconds": round(self.seconds, 1),
            "seconds_left": None if left is None else round(left, 1),
        }


@dataclass(frozen=True)
class Overview:
    """The state of a campaign, for people who look."""

    done: int
    failed: int
    running: int
    waiting: int
    under_way: float
    """Of the running jobs, the part that is made, in jobs."""
    jobs_per_hour: float
    """In this run."""
    seconds_left: float | None
    """None before anything is made."""
    condition: str
    """Why no job is given out: ``paused`` and the like; empty as a rule."""
    busy: tuple[Busy, ...]
    """The first busy workers."""
    others: int
    """Busy workers beside these."""
    verdicts: str = ""
    """Results by verdict, for people; empty where there is none."""

    @property
    def total(self) -> int:
        """Jobs but those that people removed or stopped."""
        return self.done + self.failed + self.running + self.waiting

    @property
    def share(self) -> float:
        """Of all work, what is behind us, 0 to 1."""
        finished = self.done + self.failed
        return (finished + self.under_way) / self.total if self.total else 0.0
