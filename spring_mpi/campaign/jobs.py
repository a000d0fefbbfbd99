"""The plan, as rank 0 knows it: `spring_mpi.rank0.jobs.Jobs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..model.outcome import Outcome
from ..rank0.jobs import Request
from .added import blueprint, requested
from .plan import Plan
from .resume import complete


class PlannedJobs:
    """The jobs of a plan.

    Parameters
    ----------
    take_new
        Queues the jobs of new events.
    """

    def __init__(self, plan: Plan, take_new: Callable[[], None]) -> None:
        self._plan = plan
        self.take_new = take_new
        self.knows, self.make, self.identified = plan.knows, plan.job, plan.identified

    def requested(self, arguments: Mapping[str, Any]) -> list[tuple[str, Request]]:
        """See `spring_mpi.campaign.added.requested`."""
        return requested(self._plan, arguments)

    def add(self, name: str, request: Request) -> None:
        """Know a requested job by the name that the queue gave it."""
        self._plan.add(name, blueprint(self._plan, request))

    def complete(self, name: str) -> Outcome | None:
        """See `spring_mpi.campaign.resume.complete`."""
        return complete(self._plan, name)
