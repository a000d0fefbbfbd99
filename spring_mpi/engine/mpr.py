"""Memetic Phase Retrieval, from prepared patterns to results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import PatternError, SettingsError
from ..model.names import job_name
from ..model.pattern import Pattern
from ..model.result import Provenance, Result
from ..model.settings import Settings
from .average import average
from .backend import Arrays, Backend, Problem
from .bounds import modulus_bounds
from .checkpoints import NO_CHECKPOINTS, Checkpoints, keep
from .evolution import Evolution, State
from .metrics import resolution
from .random import job_key
from .requirements import can_share, check


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


@dataclass(frozen=True)
class Case:
    """One pattern to be reconstructed."""

    pattern: Pattern
    tag: str = ""
    name: str | None = None
    """Keys the random numbers; made of pid and tag where none is given."""
    seed: int = 1
    report: Report = lambda progress: None
    """Called after every generation."""
    checkpoints: Checkpoints = NO_CHECKPOINTS

    @property
    def job_name(self) -> str:
        """The name, given or made."""
        return self.name or job_name(self.pattern.pid, self.tag)

    @property
    def key(self) -> int:
        """Of the random numbers."""
        return job_key(self.seed, self.job_name)


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
    case = Case(pattern, tag, name, seed, report, checkpoints)
    (outcome,) = reconstruct_together([case], settings, backend=backend, pulse=pulse)
    if isinstance(outcome, PatternError):
        raise outcome
    return outcome


def reconstruct_together(
    cases: Sequence[Case],
    settings: Settings,
    *,
    backend: Backend,
    pulse: Callable[[], None] = lambda: None,
) -> list[Result | PatternError]:
    """Run MPR on several patterns of one size as one population, for devices that one cannot fill.

    Each outcome is what `reconstruct` gives or raises for its case, but for the time taken, which
    is shared evenly. A case continues from its checkpoint only where it is the only one.

    Raises
    ------
    SettingsError
        As `reconstruct`; also for several cases and an odd popsize, for real densities are worked
        on in pairs.
    """
    check(settings, cases[0].pattern.size)
    if len(cases) > 1 and not can_share(settings):
        raise SettingsError("global.popsize must be even where several patterns share a population")
    began = time.time()
    evolution = _evolution(cases, settings, backend, pulse)
    state = _evolved(evolution, cases, settings)
    archive = backend.save(state.archive)
    outcomes = []
    for case, part in zip(cases, evolution.parts(), strict=True):
        outcomes.append(_outcome(case, state, archive, part, settings))
        pulse()
    seconds = (time.time() - began) / len(cases)
    return [
        outcome if isinstance(outcome, PatternError) else outcome.with_provenance(
            backend=backend.name, device=backend.device, started=began, seconds=seconds
        )
        for outcome in outcomes
    ]  # fmt: skip


def _outcome(
    case: Case, state: State, archive: Arrays, part: slice, settings: Settings
) -> Result | PatternError:
    """The result of the case with those individuals, its provenance still without backend and time.

    ``archive`` is that of the state as host arrays.
    """
    pattern, densities = case.pattern, archive["density"][part]
    fitness, errors = state.archive_rating.fitness[part], state.archive_rating.errors[part]
    if not densities.any():
        return PatternError(f"pattern {pattern.name}: no individual kept any density")
    final = average(densities, archive["support"][part], fitness, pattern, settings)
    return Result(
        **vars(final),
        name=case.job_name,
        pid=pattern.pid,
        tag=case.tag,
        intensity=pattern.intensity,
        mask=(~pattern.measured).astype(np.uint8),
        error=float(errors[fitness.argmin()]),
        error_history=state.history[:, part].astype(np.float32),
        resolution_px=resolution(final.prtf),
        settings=settings.copy(),
        provenance=Provenance(seed=case.seed, warnings=pattern.warnings),
    )


def _evolution(
    cases: Sequence[Case], settings: Settings, backend: Backend, pulse: Callable[[], None]
) -> Evolution:
    """The evolution of the patterns, which the backend is loaded with."""
    keys = [case.key for case in cases]
    bounds = [
        modulus_bounds(
            case.pattern, symmetric=settings.object.is_real, bounded=bool(settings.global_.bounds)
        )
        for case in cases
    ]
    backend.load(list(map(Problem, bounds, keys)), settings)
    return Evolution(backend, settings, keys, cases[0].pattern.size, pulse)


def _evolved(evolution: Evolution, cases: Sequence[Case], settings: Settings) -> State:
    """The last state, from the start or from the last checkpoint of the only case."""

    def report(state: State) -> None:
        for case, part in zip(cases, evolution.parts(), strict=True):
            case.report(_progress(state, part, settings))

    def stepped(state: State) -> None:
        report(state)
        keep([case.checkpoints for case in cases], evolution, state)

    state = cases[0].checkpoints.load(evolution.restore) if len(cases) == 1 else None
    if state is None:
        state = evolution.start()
    else:
        report(state)
    return evolution.run(state, stepped)


def _progress(state: State, part: slice, settings: Settings) -> Progress:
    return Progress(
        generation=state.generation,
        generations=settings.global_.generations,
        best=float(state.archive_rating.errors[part].min()),
        median=float(np.median(state.history[-1, part])),
    )
