"""Memetic Phase Retrieval, from prepared patterns to results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import PatternError, SettingsError
from ..model.pattern import Pattern
from ..model.result import Provenance, Result
from ..model.settings import Settings
from .backend import Backend
from .case import Case, Report
from .case_state import CaseState
from .certainty.assessment import assessed
from .checkpoints import NO_CHECKPOINTS, Checkpoints
from .requirements import can_share, check
from .runs import Solver


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
    outcomes = []
    for case_state in Solver(settings, backend, pulse).solve(cases):
        outcomes.append(_outcome(case_state))
        pulse()
    seconds = (time.time() - began) / len(cases)
    return [
        outcome if isinstance(outcome, PatternError) else outcome.with_provenance(
            backend=backend.name, device=backend.device, started=began, seconds=seconds
        )
        for outcome in outcomes
    ]  # fmt: skip


def _outcome(case_state: CaseState) -> Result | PatternError:
    """The result of a case, its provenance still without backend and time."""
    case, pattern = case_state.case, case_state.case.pattern
    if not case_state.runs:
        return PatternError(f"pattern {pattern.name}: no individual kept any density")
    first = case_state.runs[0]
    others = [run.average.data for run in case_state.runs[1:]]
    assessment = assessed(pattern, case_state.settings, first.average, others, first.history)
    return Result(
        **vars(first.average),
        **vars(assessment),
        name=case.job_name,
        pid=pattern.pid,
        tag=case.tag,
        intensity=pattern.intensity,
        mask=(~pattern.measured).astype(np.uint8),
        error=first.error,
        error_history=first.history.astype(np.float32),
        generations_run=case_state.budget.used,
        settings=case_state.settings.copy(),
        provenance=_provenance(case_state),
    )


def _provenance(case_state: CaseState) -> Provenance:
    """What job and pattern say of the result; the rest is added by those who know it."""
    pattern = case_state.case.pattern
    return Provenance(
        seed=case_state.case.seed,
        warnings=pattern.warnings,
        center=pattern.center,
        center_origin=pattern.center_origin,
        satvalue=pattern.satvalue,
        estimated_gain=pattern.estimated_gain,
        contradictions=pattern.contradictions,
        supportsize=case_state.supportsize,
    )
