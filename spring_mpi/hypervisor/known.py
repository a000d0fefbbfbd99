"""What rank 0 knows of the workers and of the running jobs, beside the states of the jobs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .messages import Equipment, Progressed, Ready
from .overview import Busy, Pace
from .queue import Run


@dataclass
class Known:
    """What the workers said."""

    clock: Callable[[], float] = time.monotonic
    equipment: dict[int, Equipment] = field(default_factory=dict)
    """Of all workers, ready or not."""
    devices: dict[int, Ready] = field(default_factory=dict)
    paces: dict[str, Pace] = field(default_factory=dict)
    """Of running jobs that were heard of."""
    started: dict[str, float] = field(default_factory=dict)
    """When the running jobs were given out, seconds on the clock."""
    failures: dict[str, str] = field(default_factory=dict)
    """Job -> reason, the first thousand."""
    masks: set[str] = field(default_factory=set)
    """What the log has told to exclude pixels."""
    warned: Counter[str] = field(default_factory=Counter)
    """Warning -> jobs of this run that have it, the first thousand warnings."""
    done: int = 0
    """Jobs done in this run."""
    under_way: float = 0.0
    """What the running jobs made on their workers, in jobs."""

    def progressed(self, progress: Progressed) -> Pace:
        """A running job came so far; its pace since it is on its worker."""
        now, before = self.clock(), self.paces.get(progress.name)
        pace = before.advanced(progress, now) if before else Pace.begun(progress, now)
        self.under_way += pace.made - (before.made if before else 0.0)
        self.paces[progress.name] = pace
        return pace

    def forget(self, name: str) -> None:
        """A job runs no more."""
        if pace := self.paces.pop(name, None):
            self.under_way = max(0.0, self.under_way - pace.made)
        self.started.pop(name, None)

    def place(self, worker: int) -> str:
        """Rank, host and device of a worker, as every fault names them."""
        who = self.devices.get(worker) or self.equipment.get(worker)
        where = f"{who.host}, {who.device}" if who else "host and device unknown"
        return f"worker {worker} ({where})"

    def busy(self, name: str, run: Run) -> Busy:
        """How far a running job is."""
        now, pace = self.clock(), self.paces.get(name)
        device = self.devices.get(run.worker)
        return Busy(
            worker=run.worker,
            device=device.label if device else "",
            name=name,
            attempt=run.attempt,
            seconds=now - self.started.get(name, now),
            latest=pace.latest if pace else None,
            seconds_left=pace.seconds_left(now) if pace else None,
        )
