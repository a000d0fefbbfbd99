"""A pattern to be reconstructed, and who hears how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..model.names import job_name
from ..model.pattern import Pattern
from .checkpoints import NO_CHECKPOINTS, Checkpoints
from .random import job_key


@dataclass(frozen=True)
class Progress:
    """How far a job is, after each generation."""

    generation: int
    """How many were made, of all runs together."""
    generations: int
    """How many there will be, as far as one can tell; a run that ends early makes it fewer. The
    share that is done never falls, and ends at 1."""
    best: float
    """Lowest error so far in this run."""
    median: float
    """Median error of the population."""


Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Case:
    """One pattern to be reconstructed."""

    pattern: Pattern
    tag: str = ""
    name: str | None = None
    """Keys the random numbers; made of pid and tag where none is given."""
    seed: int = 1
    report: Report = lambda progress: None
    """Called after every generation."""
    checkpoints: Checkpoints = NO_CHECKPOINTS

    @property
    def job_name(self) -> str:
        """The name, given or made."""
        return self.name or job_name(self.pattern.pid, self.tag)

    def key(self, run: int = 0) -> int:
        """Of the random numbers of a run, counted from 0; each has its own."""
        # No name holds this sign: no other job has these numbers.
        return job_key(self.seed, f"{self.job_name}\n{run}" if run else self.job_name)
