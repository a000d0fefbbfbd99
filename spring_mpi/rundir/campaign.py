"""The results of a campaign, living or ended, as they are read from its run directory."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from ..errors import SourceError
from ..model.names import pid_text
from ..model.orientation import Oriented, oriented_like
from ..model.outcome import Outcome, State
from ..model.result import Result
from .ended import in_state, read_ended
from .status import Status, read_status

_REFERENCES_KEPT = 16
_TRUST = attrgetter("trust")


class Campaign:
    """The read side of a run directory; nothing in it is changed.

    Raises
    ------
    RunDirectoryError
        From everything that reads, if there is no campaign or its files cannot be read.
    """

    def __init__(self, rundir: str | os.PathLike[str]) -> None:
        self.rundir = Path(rundir)

    @property
    def status(self) -> Status:
        """State, exit code and numbers of jobs, as they are now."""
        return read_status(self.rundir)

    @property
    def ended(self) -> dict[str, Outcome]:
        """The jobs that are done, failed, were stopped or removed, by name, as they ended."""
        return read_ended(self.rundir, self.status)

    @property
    def done(self) -> dict[str, Outcome]:
        """The jobs that are done by name, as finished."""
        return in_state(self.ended, State.DONE)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The jobs that failed."""
        return tuple(in_state(self.ended, State.FAILED).values())

    def result(self, name: str) -> Result:
        """The result of a job as its file has it, oriented by a rule that knows no other job.

        Raises
        ------
        SourceError
            If there is none, or its file cannot be read.
        """
        job = self.done.get(name)
        if job is None:
            raise SourceError(f"{self.rundir}: no job {name!r} is done")
        return _load(job)

    def variants(self, pid: str | Iterable[int]) -> list[Oriented]:
        """All results of one event, the most trusted first, turned like that one.

        Most trusted is who has the best verdict, among those the highest score, then the lowest
        error; results that nobody judged go by their error.

        Parameters
        ----------
        pid
            As text (``71-1-145``) or as numbers.

        Raises
        ------
        SourceError
            If a file cannot be read.
        """
        wanted = pid if isinstance(pid, str) else pid_text(pid)
        done = self.done
        jobs = sorted((job for job in done.values() if job.pid == wanted), key=_TRUST)
        alike = Alike(done)
        return [alike.result(job) for job in jobs]


class Alike:
    """Results, each turned like the one of its event that is trusted most.

    The references of a few events are kept in memory: ask for the jobs of one event together.
    """

    def __init__(self, done: Mapping[str, Outcome]) -> None:
        events = groupby(sorted(done.values(), key=_pid), key=_pid)
        self._jobs = {pid: sorted(jobs, key=_TRUST) for pid, jobs in events}
        self._references: OrderedDict[str, Result | None] = OrderedDict()

    def result(self, job: Outcome) -> Oriented:
        """The result of a job that is done; raises `SourceError` if its file cannot be read."""
        result = _load(job)
        if len(self._jobs.get(job.pid, ())) < 2:
            return Oriented(result)
        reference = self._reference(job.pid)
        if reference is None or reference.name == result.name:
            return Oriented(result)
        return oriented_like(result, reference.data, reference.name)

    def _reference(self, pid: str) -> Result | None:
        """The best result of an event that can be read."""
        if pid not in self._references:
            while len(self._references) >= _REFERENCES_KEPT:
                self._references.popitem(last=False)
            self._references[pid] = _first_readable(self._jobs[pid])
        self._references.move_to_end(pid)
        return self._references[pid]


def _first_readable(jobs: Iterable[Outcome]) -> Result | None:
    for job in jobs:
        try:
            return _load(job)
        except SourceError:
            continue  # who asks for this one is told
    return None


def _load(job: Outcome) -> Result:
    if not job.file:
        raise SourceError(f"job {job.name} has no result: {job.reason}")
    return Result.load(job.file)


def _pid(job: Outcome) -> str:
    return job.pid
