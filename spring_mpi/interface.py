"""A job as users of Python make it: a pattern, settings and a tag."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from .engine.backend import Backend
from .engine.backends import make_backend
from .engine.case import Progress
from .engine.mpr import reconstruct
from .errors import LaunchError, SettingsError, UnsavedError
from .launch.devices import gpus, of_one_process, select
from .model.names import job_name
from .model.pattern import Pattern
from .model.result import Result
from .model.settings import Settings


class MPR:
    """Memetic Phase Retrieval of one pattern.

    Pattern and settings are taken as they are now; later changes of the settings do not reach the
    job.
    """

    def __init__(
        self, pattern: Pattern, settings: Settings | None = None, tag: str = "", *, seed: int = 1
    ) -> None:
        self.pattern, self.tag, self.seed = pattern, tag, seed
        self.settings = settings.copy() if settings else Settings()

    @property
    def name(self) -> str:
        """``pid`` or ``pid-tag``; also the name of the result's file."""
        return job_name(self.pattern.pid, self.tag)

    def run(self, report: Callable[[Progress], None] | None = None) -> Result:
        """Reconstruct, save ``<name>.h5`` in ``global.workdir``, and return the result.

        Parameters
        ----------
        report
            Called after each generation; default: a line of progress where stderr is a terminal.

        Raises
        ------
        SettingsError, PatternError
            If the settings do not go together or do not suit the pattern, or nothing can be
            written in ``global.workdir``.
        LaunchError
            If ``global.gpus`` asks for GPUs that are not here.
        UnsavedError
            If the result cannot be saved after all: it is the error's ``result``.
        """
        self._check_workdir()
        result = reconstruct(
            self.pattern,
            self.settings,
            backend=self._backend(),
            tag=self.tag,
            seed=self.seed,
            report=report or self._meter,
        )
        try:
            result.save()
        except OSError as fault:
            raise UnsavedError(
                f"cannot save the result: {fault}; it is not lost: catch this UnsavedError as e "
                "(afterwards it is sys.last_value) and call e.result.save(PATH)",
                result,
            ) from fault
        return result

    def _check_workdir(self) -> None:
        """Refuse what would end hours of work in an error."""
        folder = self.settings.global_.workdir
        if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(
                f"global.workdir: no result can be saved in {folder}: make that folder, mend its "
                "permissions, or set another one"
            )

    def runasync(self) -> None:
        """Submit the job to the hypervisor and return at once; the same as ``hv.append(mpr)``.

        ``hv`` is `spring_mpi.hypervisor`, which shows the progress; ``hv.campaign`` has the result.
        """
        from .client.interactive import shared

        shared().append(self)

    def _backend(self) -> Backend:
        """On the first of the GPUs that ``global.gpus`` selects; without any on the processor."""
        present = of_one_process(gpus())
        chosen = select(self.settings.global_.gpus, present) if present else []
        if not chosen:
            return self._processor()
        _say("\n".join(["Selected GPUs:", *map(str, chosen)]))
        try:
            return make_backend(f"cuda:{chosen[0].ordinal}", _say)
        except LaunchError as fault:
            _say(f"No GPU is used: {fault}")
            return self._processor()

    def _processor(self) -> Backend:
        threads = min(self.settings.global_.threads, os.cpu_count() or 1)
        return make_backend("cpu", _say, threads=threads)

    def _meter(self, progress: Progress) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            share = progress.generation / progress.generations
            end = "\n" if share == 1 else ""
            text = f"\r{self.name} {share:4.0%}  error {progress.best:.4f}"
            print(text, end=end, file=sys.stderr, flush=True)


def _say(text: str) -> None:
    """What people should know of the device, where they look."""
    print(text, file=sys.stderr)
