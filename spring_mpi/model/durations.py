"""Lengths of time as schedulers write them, in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, inf

_UNLIMITED = ("UNLIMITED", "INFINITE", "-1")
_DAYS = r"(?P<days>\d+)-(?P<hours>\d{1,2})(?::(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}))?)?"
_HOURS = r"(?P<hours>\d+):(?P<minutes>\d{1,2}):(?P<seconds>\d{1,2})"
_SHORT_FORMS = {
    "slurm": (
        r"(?P<minutes>\d+)(?::(?P<seconds>\d{1,2}))?",
        "M, M:S, H:M:S, D-H, D-H:M, D-H:M:S or UNLIMITED, as SLURM reads them",
    ),
    "lsf": (
        r"(?:(?P<hours>\d+):)?(?P<minutes>\d+)",
        "M, H:M, either with /HOST, as LSF reads them, or H:M:S, D-H, D-H:M, D-H:M:S, UNLIMITED",
    ),
}
"""Scheduler -> form of one or two numbers, which each reads in its own way; what to tell people."""
_UNITS = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}

TIME_FORMS = "; ".join(words for _, words in _SHORT_FORMS.values())
"""What a time on a command line may look like, by scheduler."""


@dataclass(frozen=True)
class TimeLimit:
    """How long a scheduler is to let a job run."""

    seconds: float
    """Infinite: no limit."""
    host: str = ""
    """Of LSF: the host or model on which the time is to be understood; empty: any."""

    @property
    def minutes(self) -> int | None:
        """Rounded up, as schedulers count; None: no limit."""
        return None if self.seconds == inf else ceil(self.seconds / 60)


def time_limit(text: str, scheduler: str) -> TimeLimit:
    """A time on a command line.

    Two numbers are minutes and seconds for SLURM, hours and minutes for LSF. The forms with three
    numbers or with days are SLURM's, and mean the same for both. SLURM's 0 is no limit.

    Parameters
    ----------
    scheduler
        A key of `spring_mpi.launch.schedulers.SCHEDULERS`.

    Raises
    ------
    ValueError
        Saying what it must be.
    """
    time, slash, host = text.partition("/") if scheduler == "lsf" else (text, "", "")
    seconds = inf if time.upper() in _UNLIMITED else _seconds(time, scheduler)
    if scheduler == "slurm" and seconds == 0:
        seconds = inf
    if not seconds or (slash and not host) or (host and seconds == inf):
        raise ValueError(f"must be {_SHORT_FORMS[scheduler][1]}, not {text!r}")
    return TimeLimit(seconds, host)


def caution(text: str, scheduler: str) -> str:
    """What a person who wrote this time may have meant otherwise; empty where there is no doubt."""
    if scheduler != "slurm" or text.count(":") != 1 or "-" in text:
        return ""
    return f"{text}: minutes and seconds, as SLURM reads it; hours and minutes are {text}:00"


def seconds_meant(text: str) -> int | None:
    """Seconds of H:M:S or a time with days, which mean one thing everywhere; None of other text."""
    return next((_total(found) for form in (_DAYS, _HOURS) if (found := _fits(form, text))), None)


def _seconds(text: str, scheduler: str) -> float | None:
    """None where the text has none of the scheduler's forms."""
    forms = (_DAYS, _HOURS, _SHORT_FORMS[scheduler][0])
    found = (_fits(form, text) for form in forms)
    return next((_total(match) for match in found if match), None)


def _fits(form: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(form, text, flags=re.ASCII)


def _total(found: re.Match[str]) -> int:
    return sum(_UNITS[name] * int(number or 0) for name, number in found.groupdict().items())
