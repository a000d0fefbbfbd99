"""Memetic Phase Retrieval of one pattern, from prepared data to the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError, SettingsError
from ..names import job_name
from ..pattern import Pattern
from ..result import Provenance, Result
from ..settings import Settings
from .evolution import Evolution, State
from .final import average
from .interval import interval
from .metrics import resolution
from .population import Backend
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
) -> Result:
    """Run MPR on a pattern.

    The result depends on pattern, settings, seed and job name alone; the name is made of pid and
    tag where none is given.

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
    state, archive = _evolved(pattern, settings, backend, job_key(seed, name), report)
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


def _evolved(
    pattern: Pattern, settings: Settings, backend: Backend, key: int, report: Report
) -> tuple[State, Mapping[str, NDArray[Any]]]:
    """The last state of the evolution, and the densities and supports of its archive."""
    is_real = settings.object.constraint != "complex"
    data = interval(pattern, symmetric=is_real, bounded=bool(settings.global_.bounds))
    backend.load(data, settings, key)
    evolution = Evolution(backend, settings, key, pattern.size)
    state = evolution.run(evolution.start(), lambda state: report(_progress(state, settings)))
    archive = backend.save(state.archive)
    if not archive["density"].any():
        raise PatternError(f"pattern {pattern.name}: no individual kept any density")
    return state, archive


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
