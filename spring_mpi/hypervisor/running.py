"""Inside a child: read the event, prepare the pattern, reconstruct, save."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from ..engine.backends import make_backend
from ..engine.mpr import Progress, reconstruct
from ..events.calibration import Calibration, Calibrator
from ..events.loader import Loader
from ..pattern import Pattern
from ..result import Result
from .checkpoint import CheckpointFile
from .messages import Alive, Done, Job, Progressed, Ready, Remark, Report, Summary
from .room import when_there_is_room

_LOOK_FOR_ROOM = 1.0


class Runner:
    """Open files, calibration and backend, kept from job to job."""

    def __init__(self, device: str) -> None:
        self._backend = make_backend(device)
        self._loader = Loader()
        self._calibrators: dict[Calibration, Calibrator] = {}

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._loader.close()

    def ready(self) -> Ready:
        """Who and what this child is."""
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        return Ready(platform.node(), processor_name(), min(load, 1.0))

    def run(self, job: Job, send: Callable[[Report], None]) -> Done:
        """Make one result file, from the job's checkpoint on where there is one."""
        pattern = self.prepare(job)
        checkpoint = CheckpointFile(job, lambda text: send(Remark(job.name, text)))
        result = reconstruct(
            pattern, job.settings, backend=self._backend, tag=job.tag, name=job.name,
            seed=job.seed, report=lambda progress: send(_progressed(job, progress)),
            pulse=lambda: send(Alive()), checkpoints=checkpoint,
        )  # fmt: skip
        result = result.with_provenance(
            fingerprint=job.fingerprint,
            source=job.event.source.path,
            command=job.command,
            seconds=checkpoint.seconds_before + result.provenance.seconds,
        )
        self._save(result, job, send)
        checkpoint.delete()
        return Done(job.name, Summary.of(result), pattern.warnings)

    def _save(self, result: Result, job: Job, send: Callable[[Report], None]) -> None:
        def write() -> None:
            os.makedirs(os.path.dirname(job.result), exist_ok=True)
            result.save(job.result)

        def wait() -> None:
            send(Alive())
            time.sleep(_LOOK_FOR_ROOM)

        when_there_is_room(write, lambda text: send(Remark(job.name, text)), wait)

    def prepare(self, job: Job) -> Pattern:
        """The pattern of a job, from its event and its calibration."""
        if job.calibration not in self._calibrators:
            self._calibrators[job.calibration] = Calibrator(job.calibration, self._loader)
        calibrator = self._calibrators[job.calibration]
        event = self._loader.read(job.event, calibrator.geometry)
        return Pattern(
            pattern=event.data,
            mask=calibrator.mask(job.event, event),
            center=calibrator.center(job.event, event),
            pid=event.pid,
            cropsize=job.cropsize,
            size=job.size,
            satvalue=job.calibration.satvalue,
            background=calibrator.background(job.event),
            gain=calibrator.gain(job.event),
        )


def _progressed(job: Job, progress: Progress) -> Progressed:
    return Progressed(
        job.name, progress.generation, progress.generations, progress.best, progress.median
    )


def processor_name() -> str:
    """The processor's model, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
