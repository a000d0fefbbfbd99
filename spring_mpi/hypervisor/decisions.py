"""What the queue says: changes of state for the journal, instructions, and replies."""

from __future__ import annotations

from dataclasses import dataclass

from ..outcome import State


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


@dataclass(frozen=True)
class Decision:
    """What follows from an event: first write the records, then carry out the instructions."""

    records: tuple[Record, ...] = ()
    instructions: tuple[Give | Interrupt, ...] = ()
    reply: tuple[str, ...] = ()
    """Lines for the person who asked, in SPRING's formats."""
    refused: bool = False
    """True where nothing could be done of what was asked."""
