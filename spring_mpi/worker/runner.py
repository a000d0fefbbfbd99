"""Inside a child: read the event, prepare the pattern, reconstruct, save."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from ..engine.backends import make_backend
from ..engine.case import Case, Progress
from ..engine.mpr import reconstruct_together
from ..errors import PatternError, SpringError
from ..events.reading.preparation import Prepared, Preparer
from ..launch.devices import gpu_of, processor_name
from ..model.outcome import Outcome
from ..model.result import Result
from ..rundir.disk_space import RetryingWriter, UnwritableError
from .checkpoint import CheckpointFile
from .messages import Alive, Done, Failed, Job, Progressed, Ready, Remark, Report

_RETRY_EVERY = 1.0


class Runner:
    """Open files, calibration and backend, kept from job to job."""

    def __init__(self, device: str, threads: int = 1) -> None:
        # What the backend says before a job runs is told with the first one.
        self._said: list[str] = []
        self._note: Callable[[str], None] = self._said.append
        self._backend = make_backend(device, lambda text: self._note(text), threads=threads)
        self._gpu = gpu_of(device) if self._backend.device != "cpu" else None
        self._preparer = Preparer()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *exc: object) -> None:
        self._preparer.close()

    def ready(self) -> Ready:
        """Who and what this child is."""
        if self._gpu is not None:
            known = self._gpu.id if self._gpu.id >= 0 else None
            return Ready(platform.node(), self._gpu.name, self._gpu.load, known)
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        return Ready(platform.node(), processor_name(), min(load, 1.0))

    def is_usable(self) -> bool:
        """Whether the device still works after a fault."""
        return self._backend.is_usable()

    def run(self, job: Job, send: Callable[[Report], None]) -> Done:
        """Make one result file, from the job's checkpoint on where there is one."""
        run = _JobRun(job, self._prepare(job), send)
        (outcome,) = self._reconstruct([run])
        if isinstance(outcome, PatternError):
            raise outcome
        try:
            return run.finish(outcome)
        except UnwritableError:
            run.keep()
            raise

    def run_together(self, jobs: Sequence[Job], send: Callable[[Report], None]) -> None:
        """Make the result files of jobs of equal settings as one population; all or nothing.

        Left out, for `run`, are jobs that continue from a checkpoint, and those whose pattern
        cannot be made; and all, where fewer than two are left.
        """
        runs = []
        for job in jobs if len(jobs) > 1 else ():
            if not os.path.exists(job.checkpoint):
                with suppress(SpringError, OSError):
                    runs.append(_JobRun(job, self._prepare(job), send))
        if len(runs) < 2:
            return
        outcomes = self._reconstruct(runs)
        try:
            for run, outcome in zip(runs, outcomes, strict=True):
                if isinstance(outcome, PatternError):
                    send(Failed(run.job.name, str(outcome)))
                else:
                    send(run.finish(outcome))
        except UnwritableError:
            for run in runs:
                run.keep()
            raise

    def _reconstruct(self, runs: Sequence[_JobRun]) -> list[Result | PatternError]:
        first = runs[0]
        self._note = first.note
        while self._said:
            first.note(self._said.pop(0))
        return reconstruct_together(
            [run.case for run in runs], first.job.settings, backend=self._backend,
            pulse=lambda: first.send(Alive()),
        )  # fmt: skip

    def _prepare(self, job: Job) -> Prepared:
        return self._preparer.prepare(
            job.event, job.calibration,
            cropsize=job.cropsize, size=job.size, suspects=job.suspects,
        )  # fmt: skip


class _JobRun:
    """One job under way."""

    def __init__(self, job: Job, prepared: Prepared, send: Callable[[Report], None]) -> None:
        self.job, self.prepared, self.send = job, prepared, send
        self.warn, self.note = (
            partial(_remark, send, job.name, is_fault) for is_fault in (True, False)
        )
        self._checkpoint = CheckpointFile(job, self.warn, self.note)
        self._is_saved = False

    @property
    def case(self) -> Case:
        """As the engine has it."""
        job = self.job
        return Case(
            self.prepared.pattern, job.tag, job.name, job.seed,
            report=lambda progress: self.send(_progressed(job, progress)),
            checkpoints=self._checkpoint,
        )  # fmt: skip

    def finish(self, result: Result) -> Done:
        """Save the result, also if that means to wait for space on the disk."""
        result = result.with_provenance(
            fingerprint=self.job.fingerprint,
            source=self.job.event.source.path,
            command=self.job.command,
            warnings=self.prepared.warnings,
            masks=tuple(map(str, self.prepared.exclusions)),
            seconds=self._checkpoint.seconds_before + result.provenance.seconds,
        )

        def write() -> None:
            os.makedirs(os.path.dirname(self.job.result), exist_ok=True)
            result.save(self.job.result)

        def rest() -> None:
            self.send(Alive())
            time.sleep(_RETRY_EVERY)

        # The last state at once: who waits may be ended at any time.
        RetryingWriter(self.job.room, self.warn, rest)(write, meanwhile=self._checkpoint.keep_last)
        self._is_saved = True
        self._checkpoint.delete()
        origins = tuple(exclusion.origin for exclusion in self.prepared.exclusions)
        # Suspect values are in the log already, from before the first job.
        return Done(Outcome.of(result, self.prepared.own_warnings), origins)

    def keep(self) -> None:
        """Save the last state where the result could not be, and say whether that was possible."""
        if self._is_saved:
            return
        if self._checkpoint.keep_last():
            self.note("keeps all that was computed in its checkpoint")
        else:
            self.warn("cannot keep its result: the next run goes on from what was saved before")


def _remark(send: Callable[[Report], None], name: str, is_fault: bool, text: str) -> None:
    send(Remark(name, text, is_fault))


def _progressed(job: Job, progress: Progress) -> Progressed:
    return Progressed(
        job.name, progress.generation, progress.generations, progress.best, progress.median
    )
