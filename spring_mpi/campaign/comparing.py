"""Whether events are prepared as they were when their results were made, pixel by pixel.

The events are read in a process of its own, run as ``python -m``: a damaged file or a user's loader
that ends a process ends that one, not rank 0. The question is the finished jobs, the answer a line
of JSON for each.
"""

from __future__ import annotations

import json
import logging
import operator
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import SpringError
from ..events.event import EventRef
from ..events.reading.calibration import Calibration
from ..events.reading.preparation import Prepared, Preparer
from ..model.result import Result
from ..worker.subprocess_question import ask, question_of

_log = logging.getLogger(__name__)
_MANY = 100
"""Comparing fewer is not worth a word."""


@dataclass(frozen=True)
class Made:
    """A finished job."""

    name: str
    result: str
    """Path of its file."""
    event: EventRef
    calibration: Calibration
    cropsize: int
    size: int


def compared(jobs: Sequence[Made]) -> dict[str, str]:
    """Job -> how its pattern is another one now than in its result; empty where it is the same."""
    told: dict[str, str] = {}
    if len(jobs) >= _MANY:
        _log.warning(
            "%d finished jobs are of an earlier version of spring-mpi: their events are read and "
            "compared with the results, which may take a while",
            len(jobs),
        )
    while left := [job for job in jobs if job.name not in told]:
        code, answers = _asked(left)
        told |= answers
        if len(answers) < len(left):
            first = next(job.name for job in left if job.name not in told)
            told[first] = f"its event cannot be read: the process that did so ended with {code}"
    return told


def _asked(jobs: Sequence[Made]) -> tuple[int, dict[str, str]]:
    """How the process ended, and what it said by then."""
    done = ask("spring_mpi.campaign.comparing", jobs)
    lines = done.stdout.splitlines(keepends=True)
    return done.returncode, dict(json.loads(line) for line in lines if line.endswith(b"\n"))


def main(parent: int) -> None:
    """Answer one question of the process that started this one."""
    with question_of(parent) as (jobs, out):
        for name, text in _differences(jobs):
            out.write(json.dumps([name, text]).encode() + b"\n")
            out.flush()


def _differences(jobs: Sequence[Made]) -> Iterator[tuple[str, str]]:
    """Jobs of one event are neighbours as a rule: its pattern is made once for them."""
    latest: tuple[Made, Prepared] | None = None
    with Preparer() as preparer:
        for job in jobs:
            try:
                if latest is None or not _has_pattern_of(latest[0], job):
                    made = preparer.prepare(
                        job.event, job.calibration, cropsize=job.cropsize, size=job.size
                    )
                    latest = job, made
                yield job.name, difference(Result.load(job.result), latest[1])
            except SpringError as fault:
                yield job.name, f"it cannot be compared: {fault}"


def _has_pattern_of(first: Made, second: Made) -> bool:
    """Whether the patterns of two jobs are the same."""
    what = operator.attrgetter("event", "calibration", "cropsize", "size")
    return bool(what(first) == what(second))


def difference(result: Result, now: Prepared) -> str:
    """How a pattern is another one now than in a result; empty where it is the same."""
    before, excluded = result.mask != 0, ~now.pattern.measured
    if before.shape != excluded.shape:
        return f"its pattern has {excluded.shape} pixels now, not {before.shape}"
    kept = before == excluded
    is_other = kept & ~np.isclose(result.intensity, now.pattern.intensity, rtol=1e-5, atol=1e-6)
    told = [
        f"{number} pixels of its pattern {text}"
        for number, text in (
            (np.count_nonzero(excluded & ~before), "are excluded that were not"),
            (np.count_nonzero(before & ~excluded), "are not excluded that were"),
            (np.count_nonzero(is_other), "have another intensity"),
        )
        if number
    ]
    if not told:
        return ""
    used = [str(exclusion) for exclusion in now.exclusions if exclusion.pixels]
    return f"{', '.join(told)}; in use now: {'; '.join(used) or 'no mask'}"


if __name__ == "__main__":
    main(int(sys.argv[1]))
