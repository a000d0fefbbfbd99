"""What rank 0 knows of its workers, and how far the running jobs are.

Rank 0 alone changes it, and decides by it; those who tell people of it only read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ..model.names import quick_name
from ..model.outcome import State
from ..worker.messages import Equipment, Progressed, Ready
from .decisions import Record
from .overview import Busy, Pace
from .queue import Run


@dataclass
class Progress:
    """The workers, and what they make of their jobs."""

    clock: Callable[[], float] = time.monotonic
    equipment: dict[int, Equipment] = field(default_factory=dict)
    """Of all workers, ready or not."""
    starting: set[int] = field(default_factory=set)
    """Workers of which it is not known yet whether they can work."""
    devices: dict[int, Ready] = field(default_factory=dict)
    """Of workers that are or were ready."""
    paces: dict[str, Pace] = field(default_factory=dict)
    """Of running jobs that were heard of."""
    started: dict[str, float] = field(default_factory=dict)
    """When the running jobs were given out, seconds on the clock."""
    done: int = 0
    """Jobs done in this run."""
    lasted: dict[bool, tuple[float, int]] = field(default_factory=dict)
    """Whether they are full jobs -> seconds, and number, of the jobs done in this run."""
    under_way: float = 0.0
    """What the running jobs made on their workers, in jobs."""

    began: float = field(init=False)
    """When the run began, seconds on the clock."""

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self.clock() - self.began

    def equipped(self, equipment: Mapping[int, Equipment]) -> None:
        """The workers were given what they work with, and start."""
        # Who fails before its device is ready is known by this.
        self.equipment.update(equipment)
        self.starting.update(equipment)

    def ready(self, worker: int, ready: Ready) -> None:
        """A worker can work."""
        self.devices[worker] = ready
        self.starting.discard(worker)

    def gone(self, worker: int) -> None:
        """A worker can do no more work."""
        self.starting.discard(worker)

    def given(self, names: Iterable[str]) -> None:
        """Jobs are given to a worker."""
        self.started.update(dict.fromkeys(names, self.clock()))

    def heard(self, progress: Progressed) -> Pace:
        """A running job came so far; its pace since it is on its worker."""
        now, before = self.clock(), self.paces.get(progress.name)
        pace = before.advanced(progress, now) if before else Pace.begun(progress, now)
        self.under_way += pace.made - (before.made if before else 0.0)
        self.paces[progress.name] = pace
        return pace

    def ended(self, record: Record) -> None:
        """A job runs no more."""
        self.done += record.state is State.DONE
        if record.state is State.DONE and record.name in self.started:
            kind = bool(quick_name(record.name))
            seconds, number = self.lasted.get(kind, (0.0, 0))
            lasted = self.clock() - self.started[record.name]
            self.lasted[kind] = seconds + lasted, number + 1
        if pace := self.paces.pop(record.name, None):
            self.under_way = max(0.0, self.under_way - pace.made)
        self.started.pop(record.name, None)

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
