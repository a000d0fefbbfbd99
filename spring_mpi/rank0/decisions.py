"""What the queue says, in values: changes of state, instructions, and why something cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ..model.outcome import State


@dataclass(frozen=True)
class Record:
    """One change of state, as the journal keeps it."""

    name: str
    state: State
    worker: int | None = None
    attempt: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Give:
    """Let a worker run a job, or several together."""

    worker: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Interrupt:
    """Let a worker stop a job."""

    worker: int
    name: str


class Mode(Enum):
    """Whether a campaign gives out jobs."""

    PAUSED = auto()
    RESUMED = auto()
    DRAINING = auto()


@dataclass(frozen=True)
class Switched:
    """The campaign is in another mode."""

    mode: Mode
    running: tuple[str, ...]
    waiting: int
    """Jobs."""


class Why(Enum):
    """Why nothing could be done of what was asked."""

    NOT_WAITING = auto()
    NOT_RUNNING = auto()
    NOTHING_RUNS = auto()
    NO_JOBS = auto()
    NOT_ENDED = auto()
    WAITS_ALREADY = auto()
    PAUSED_ALREADY = auto()
    NOT_PAUSED = auto()
    DRAINING_ALREADY = auto()


@dataclass(frozen=True)
class Refusal:
    """Nothing could be done of what was asked."""

    why: Why
    item: str = ""
    """What was asked for, where that matters."""


@dataclass(frozen=True)
class Decision:
    """What follows from an event: first write the records, then carry out the instructions."""

    records: tuple[Record, ...] = ()
    instructions: tuple[Give | Interrupt, ...] = ()
    switched: Switched | None = None
    refusal: Refusal | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the jobs whose state changes."""
        return tuple(record.name for record in self.records)

    @property
    def interrupted(self) -> tuple[str, ...]:
        """Of the running jobs that are to stop."""
        return tuple(order.name for order in self.instructions if isinstance(order, Interrupt))
