"""Memetic Phase Retrieval of one pattern, from prepared data to the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import PatternError, SettingsError
from ..names import job_name
from ..pattern import Pattern
from ..result import Provenance, Result
from ..settings import Settings
from .checkpoints import NO_CHECKPOINTS, Checkpoints, keep
from .evolution import Evolution, State
from .final import average
from .interval import interval
from .metrics import resolution
from .population import Arrays, Backend
from .random import job_key


@dataclass(frozen=True)
class Progress:
    """How far a job is, after each generation."""

    generation: int
    generations: int
    best: float
    """Lowest error so far."""
    median: float
    """Median error of the population."""


Report = Callable[[Progress], None]


def reconstruct(
    pattern: Pattern,
    settings: Settings,
    *,
    backend: Backend,
    tag: str = "",
    name: str | None = None,
    seed: int = 1,
    report: Report = lambda progress: None,
    pulse: Callable[[], None] = lambda: None,
    checkpoints: Checkpoints = NO_CHECKPOINTS,
) -> Result:
    """Run MPR on a pattern.

    The result depends on pattern, settings, seed and job name alone, not on the checkpoint from
    which it may continue; the name is made of pid and tag where none is given. ``report`` is called
    after every generation, ``pulse`` several times in it.

    Raises
    ------
    SettingsError
        For settings that do not go together, or a support that the pattern's grid cannot hold.
    PatternError
        If every density lost all its light: nothing in the pattern holds one together.
    """
    check(settings, pattern.size)
    began = time.time()
    name = name or job_name(pattern.pid, tag)
    evolution = _evolution(pattern, settings, backend, job_key(seed, name), pulse)
    state = _evolved(evolution, checkpoints, lambda state: report(_progress(state, settings)))
    archive = _archive(state, backend, pattern)
    scores = state.archive_rating.scores
    final = average(archive["density"], archive["support"], scores, pattern, settings)
    return Result(
        name=name,
        pid=pattern.pid,
        tag=tag,
        data=final.data,
        mask=final.mask,
        best=final.best,
        std=final.std,
        support_frequency=final.support_frequency,
        intensity=pattern.intensity,
        excluded=(~pattern.measured).astype(np.uint8),
        error=float(state.archive_rating.errors[scores.argmin()]),
        error_history=state.history.astype(np.float32),
        prtf=final.prtf,
        ring_correlation=final.ring_correlation,
        resolution_px=resolution(final.prtf),
        members=final.members,
        settings=settings.copy(),
        provenance=Provenance(
            seed=seed, backend=backend.name, device=backend.device,
            started=began, seconds=time.time() - began, warnings=pattern.warnings,
        ),
    )  # fmt: skip


def _evolution(
    pattern: Pattern, settings: Settings, backend: Backend, key: int, pulse: Callable[[], None]
) -> Evolution:
    """The evolution of a pattern, which the backend is loaded with."""
    is_real = settings.object.constraint != "complex"
    data = interval(pattern, symmetric=is_real, bounded=bool(settings.global_.bounds))
    backend.load(data, settings, key)
    return Evolution(backend, settings, key, pattern.size, pulse)


def _evolved(
    evolution: Evolution, checkpoints: Checkpoints, report: Callable[[State], None]
) -> State:
    """The last state, from the last checkpoint or from the start."""

    def stepped(state: State) -> None:
        report(state)
        keep(checkpoints, evolution, state)

    state = checkpoints.load(evolution.restore)
    if state is None:
        state = evolution.start()
    else:
        report(state)
    return evolution.run(state, stepped)


def _archive(state: State, backend: Backend, pattern: Pattern) -> Arrays:
    """Densities and supports of the archive; `PatternError` where no light is left in it."""
    archive = backend.save(state.archive)
    if not archive["density"].any():
        raise PatternError(f"pattern {pattern.name}: no individual kept any density")
    return archive


def check(settings: Settings, size: int) -> None:
    """Raise `SettingsError` for settings that do not go together or do not fit the grid."""
    for section, key, message in settings.conflicts():
        raise SettingsError(f"{section}.{key} {message}")
    if settings.init.supportsize * 2 > size:
        raise SettingsError(
            f"init.supportsize {settings.init.supportsize} exceeds half the pattern's size "
            f"({size}): an object that large is not sampled"
        )


def _progress(state: State, settings: Settings) -> Progress:
    return Progress(
        generation=state.generation,
        generations=settings.global_.generations,
        best=float(state.archive_rating.errors.min()),
        median=float(np.median(state.history[-1])),
    )
