"""What a job's result says of itself, from all its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.findings import GAIN
from ...model.pattern import Pattern
from ...model.rings import Profile
from ...model.settings import Settings
from ...model.verdict import Certainty, Verdict
from ..average import Average
from ..metrics import resolution
from .agreement import LEVEL, agreement, registered
from .data import Data
from .figures import figures
from .misfit import Misfit
from .modes import weak_modes
from .uncertainty import sigma_map
from .verdict import judged

_SHOWN_MODES = 4
_SHOWN_FROM = 0.5
"""Share of a mode's power that is not measured."""


@dataclass(frozen=True)
class Assessment:
    """Fields of the `Result` of the same names."""

    verdict: Verdict
    score: float
    reasons: tuple[str, ...]
    is_interior_determined: bool
    figures: Mapping[str, float]
    resolution_px: float | None
    resolution_reason: str
    agreement: Profile
    sigma: NDArray[np.float32]
    weak_modes: NDArray[Any]


def assessed(
    pattern: Pattern,
    settings: Settings,
    first: Average,
    others: Sequence[NDArray[np.inexact]],
    error_history: NDArray[np.floating],
) -> Assessment:
    """The assessment of the first run's average.

    Parameters
    ----------
    others
        Averaged densities of the other runs, (size, size) each.
    error_history
        Of the first run, (generations, popsize).
    """
    data = Data.of(pattern, is_real=settings.object.is_real)
    support = first.support.astype(bool)
    misfit = Misfit.of(first.data, data)
    found = figures(first.data, support, data, misfit, error_history)
    certainty = judged(
        found,
        size=data.size,
        is_real=settings.object.is_real,
        contradictions=[text for text in pattern.contradictions if not text.startswith(GAIN)],
        remarks=[*_off_scale(pattern), *settings.cautions()],
    )
    modes = weak_modes(support, data)
    moved = registered(first.data, others)
    area = int(np.count_nonzero(support))
    profile = agreement(first.data, moved, area, data, misfit) if moved else np.empty(0)
    resolution_px = resolution(profile, LEVEL) if moved else None
    reason = _no_resolution(certainty, len(others), resolution_px, settings)
    is_shown = modes.unmeasured[:_SHOWN_MODES] >= _SHOWN_FROM
    images = np.zeros((int(is_shown.sum()), *support.shape), first.data.dtype)
    images[:, support] = modes.images[:_SHOWN_MODES][is_shown]
    return Assessment(
        verdict=certainty.verdict,
        score=certainty.score,
        reasons=certainty.reasons,
        is_interior_determined=certainty.is_interior_determined,
        figures=certainty.figures,
        resolution_px=None if reason else resolution_px,
        resolution_reason=reason,
        agreement=profile,
        sigma=sigma_map(first.data, support, first.std, moved, found, modes),
        weak_modes=images,
    )


def _off_scale(pattern: Pattern) -> Iterator[str]:
    """What the data say against the gain; the shape does not depend on the photon scale."""
    for text in pattern.contradictions:
        if text.startswith(GAIN):
            yield f"{text}; noise, uncertainty and resolution are not on a photon scale"


def _no_resolution(
    certainty: Certainty, others: int, resolution_px: float | None, settings: Settings
) -> str:
    """Why there is no resolution; empty where there may be one."""
    if certainty.verdict is not Verdict.GOOD:
        return f"the result is {certainty.verdict}"
    if resolution_px is not None:
        return ""
    if others:
        return "independent runs agree nowhere beyond the unmeasured centre"
    if settings.global_.runs == 1:
        return "one run has nothing to be compared with: global.runs is 1"
    return "all generations were used up before a second run: raise global.generations"
