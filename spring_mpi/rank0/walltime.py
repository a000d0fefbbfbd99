"""The end of an allocation: when it comes, and whether a job is still worth starting before it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from ..launch.environment import ends_of_allocation
from .overview import Pace

_NO_END = ("", "0", "N/A", "NONE", "UNKNOWN", "UNLIMITED", "INFINITE")
_NOTICE = 120.0
"""Seconds before the end at which the scheduler sends a notice, as the scripts of ``jobs/`` ask
it to, and all work stops."""
_OWN_STOP = 60.0
"""Seconds before the end at which rank 0 stops by itself, where no notice came."""


def end_of_allocation(environment: Mapping[str, str] = os.environ) -> float | None:
    """Seconds since the epoch; None where nobody says.

    Our own variable, which the scripts of ``jobs/`` set, counts before the scheduler's. A date and
    time like ``2026-11-29T18:00:00`` will do, too, as ``squeue`` prints it.
    """
    ends = (_seconds_since_epoch(text) for _, text in _said_ends(environment))
    return next((end for end in ends if end is not None), None)


def words_of_end(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """What the log says of the end of the allocation."""
    for name, text in _said_ends(environment):
        if _seconds_since_epoch(text) is None:
            yield f"{name}={text} is neither seconds since 1970 nor a date and time: not used"
    if (end := end_of_allocation(environment)) is not None:
        yield time.strftime("This allocation ends at %Y-%m-%d %H:%M:%S", time.localtime(end))


def _said_ends(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names and texts of the variables that name an end, readable or not."""
    for name, text in ends_of_allocation(environment):
        if text.upper() not in _NO_END:
            yield name, text


def _seconds_since_epoch(text: str) -> float | None:
    """None where the text is neither a number nor a date and time of ISO 8601."""
    for read in (_of_number, datetime.fromisoformat):
        with suppress(ValueError, OverflowError, OSError):
            return read(text).timestamp()
    return None


def _of_number(text: str) -> datetime:
    return datetime.fromtimestamp(float(text))


@dataclass
class Walltime:
    """What is left of an allocation, and what a job needs before anything of it is safe.

    Parameters
    ----------
    end
        Seconds since the epoch; None: there is no end.
    checkpoint
        Generations between two saved states.
    now
        Seconds since the epoch.
    """

    end: float | None = None
    checkpoint: int = 1
    now: Callable[[], float] = time.time
    needed: float = field(default=0.0, init=False)
    """Longest time seen from the start of a job to its first saved state, seconds."""

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return inf if self.end is None else self.end - self.now()

    @property
    def is_over(self) -> bool:
        """Whether rank 0 has to end now, to end in order."""
        return self.left < _OWN_STOP

    @property
    def is_too_short(self) -> bool:
        """Whether a job that starts now would be thrown away: nothing of it would be saved."""
        return self.left < _NOTICE + self.needed

    def learn(self, pace: Pace, started: float) -> None:
        """From a running job, which was started at that time on the clock of its pace."""
        generations = min(self.checkpoint, pace.latest.generations)
        if pace.made > 0:
            each = (pace.latest_at - pace.first_at) / (
                pace.latest.generation - pace.first.generation
            )
            self.needed = max(self.needed, pace.first_at - started + generations * each)
