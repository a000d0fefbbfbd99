"""The verdict on a reconstruction: figures of merit against limits, with reasons in words.

The limits were found on simulated patterns whose truth is known; what they are worth on others
stands in ``docs/explanations/quality.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...model.verdict import Certainty, Verdict
from .figures import Figures

EXCESS = 0.20
TYPICAL = 0.06
LOW, LOW_BAD = 0.11, 0.20
LOW_ENOUGH = 0.07
LOW_WITHOUT_CENTRE = 0.065
"""Where the unmeasured centre hides `HIDDEN` speckles or more: what lies there is found from the
pixels around it alone."""
HIDDEN = 2.0
CHI = 1.15
NOISE, NOISE_BAD = 0.25, 0.60
FLOOR = 0.50
FRIEDEL, FRIEDEL_BAD = 0.50, 0.70
SMALL, SMALL_BAD = 8.0, 6.0
"""Pixels of the density."""
LARGE, LARGE_BAD = 0.51, 0.55
"""Extent over the size of the grid."""
SPECKLES = 2.5
PART = 0.1
_NEVER = math.inf


@dataclass(frozen=True)
class _Criterion:
    """One figure against its limits."""

    value: float
    limit: float
    """Above which a result is not good."""
    bad: float
    """Above which it is bad."""
    reason: str

    @property
    def ratio(self) -> float:
        return self.value / self.limit


def judged(
    figures: Figures,
    *,
    size: int,
    is_real: bool,
    contradictions: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Certainty:
    """The verdict on a result with these figures.

    Parameters
    ----------
    size
        Side of the grid.
    is_real
        Whether the density is real: of complex ones Friedel partners say nothing.
    contradictions
        What the data say against what the user gave, a sentence each.
    remarks
        What else is to be told, whatever the verdict is.
    """
    criteria = list(_criteria(figures, size))
    failed = [criterion for criterion in criteria if criterion.ratio > 1]
    reasons = [criterion.reason for criterion in failed]
    reasons += [f"the data contradict what was given: {text}" for text in contradictions]
    if not is_real:
        reasons.append("complex densities: how often a good verdict is right is not known")
    is_bad = any(criterion.value > criterion.bad for criterion in failed)
    is_good = not reasons
    verdict = Verdict.BAD if is_bad else Verdict.GOOD if is_good else Verdict.DOUBTFUL
    worst = max(criterion.ratio for criterion in criteria)
    is_determined = figures.missing_speckles <= SPECKLES
    return Certainty(
        verdict,
        score=1 / (1 + worst**2),
        reasons=(*reasons, *remarks, *_remarks(figures)),
        is_interior_determined=is_determined,
        figures=figures.named(),
    )


def _criteria(figures: Figures, size: int) -> Iterator[_Criterion]:
    # What is within noise explains the data, whatever its share of dim patterns is.
    is_explained = figures.chi <= CHI
    # A background that is left in, or negatives that are clipped, leave the shape alone.
    has_shape = is_explained or figures.low_excess <= LOW_ENOUGH
    low = LOW_WITHOUT_CENTRE if figures.missing_speckles > HIDDEN else LOW
    explains = (
        "the density does not explain the data: beyond noise its moduli are off by "
        f"{figures.excess:.0%}"
    )
    yield _Criterion(
        _within(figures.typical_excess, TYPICAL, figures.low_excess / LOW_ENOUGH)
        if has_shape else figures.typical_excess,
        TYPICAL, _NEVER, explains,
    )  # fmt: skip
    yield _Criterion(
        _within(figures.excess, EXCESS, figures.chi / CHI) if is_explained else figures.excess,
        EXCESS, _NEVER, f"{explains}, most of it in few pixels",
    )  # fmt: skip
    yield _Criterion(
        _within(figures.low_excess, low, figures.chi / CHI)
        if is_explained else figures.low_excess,
        low, LOW_BAD,
        f"{explains}, and by {figures.low_excess:.0%} at the frequencies that decide the shape",
    )  # fmt: skip
    yield _Criterion(
        figures.noise, NOISE, NOISE_BAD,
        f"too few photons for an object of this size: noise alone is {figures.noise:.0%}",
    )  # fmt: skip
    yield _Criterion(
        figures.floor, FLOOR, _NEVER,
        f"noise makes {figures.floor:.0%} of the moduli: a blank would look alike",
    )  # fmt: skip
    yield _Criterion(
        figures.friedel, FRIEDEL, FRIEDEL_BAD,
        f"the pattern is not centrosymmetric ({figures.friedel:.0%}): centre, mask or gain",
    )  # fmt: skip
    yield _Criterion(
        1 / max(figures.extent, 1.0), 1 / SMALL, 1 / SMALL_BAD,
        f"a spot of {figures.extent:.0f} pixels: the pattern has no speckles; is it a hit?",
    )  # fmt: skip
    yield _Criterion(
        figures.extent / size, LARGE, LARGE_BAD,
        f"it extends over {figures.extent:.0f} pixels, more than half of the grid: not sampled; "
        "two particles, or bin less",
    )  # fmt: skip


def _within(value: float, limit: float, share: float) -> float:
    """The value, where it is within its limit; else that share of the limit, at most all of it.

    What another figure excuses is no ground for doubt, but still ranks by that figure.
    """
    return value if value <= limit else limit * min(share, 1.0)


def _remarks(figures: Figures) -> Iterator[str]:
    """What a person should know whatever the verdict is."""
    if figures.missing_speckles > SPECKLES:
        yield (
            f"the missing centre hides {figures.missing_speckles:.1f} speckles: how the density is "
            "spread within the support is not determined"
        )
    if figures.second_part > PART:
        yield f"two parts: {figures.second_part:.0%} of the density lies apart from the rest"
