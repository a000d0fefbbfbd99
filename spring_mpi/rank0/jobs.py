"""What rank 0 asks of the campaign whose jobs it gives out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..model.outcome import Outcome
from ..worker.messages import Job

Request = dict[str, Any]
"""What the journal keeps of a job that people added."""


class Jobs(Protocol):
    """All jobs there are, those that people add, and those of events that appear."""

    def knows(self, name: str) -> bool:
        """Whether there is a job of that name."""

    def make(self, name: str) -> Job:
        """The job of that name, as a worker gets it."""

    def requested(self, arguments: Mapping[str, Any]) -> list[tuple[str, Request]]:
        """(name, request) of the jobs that a message asks for.

        Raises
        ------
        SpringError
            If that cannot be.
        """

    def add(self, name: str, request: Request) -> None:
        """Know a requested job by the name that the queue gave it."""

    def take_new(self) -> None:
        """Queue the jobs of new events, if there are any."""

    def complete(self, name: str) -> Outcome | None:
        """What became of a job whose result is complete though nobody said so; else None."""

    def follow_up(self, outcome: Outcome) -> str | None:
        """The job that follows from what became of another one; None: none does."""

    def identified(self, outcome: Outcome) -> Outcome:
        """What became of a job, with what only the campaign knows of it."""
