"""The verdict on a reconstruction: figures of merit against limits, with reasons in words.

The limits were found on simulated patterns whose truth is known; what they are worth on others
stands in ``docs/explanations/quality.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...model.verdict import Certainty, Verdict
from .figures import Figures

EXCESS, EXCESS_BAD = 0.10, 0.20
CHI = 1.15
NOISE, NOISE_BAD = 0.12, 0.20
FRIEDEL, FRIEDEL_BAD = 0.42, 0.80
SPECKLES = 2.5
RISE = 0.15
PART = 0.1


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


def judged(figures: Figures, *, is_real: bool, contradictions: Sequence[str] = ()) -> Certainty:
    """The verdict on a result with these figures.

    Parameters
    ----------
    is_real
        Whether the density is real: of complex ones Friedel partners say nothing.
    contradictions
        What the data say against what the user gave, a sentence each.
    """
    criteria = list(_criteria(figures))
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
        reasons=(*reasons, *_remarks(figures)),
        is_interior_determined=is_determined,
        figures=figures.named(),
    )


def _criteria(figures: Figures) -> Iterator[_Criterion]:
    # An excess that is within what noise does is none.
    excess = figures.excess if figures.chi > CHI else min(figures.excess, EXCESS)
    yield _Criterion(
        excess, EXCESS, EXCESS_BAD,
        f"the density does not explain the data: {figures.excess:.0%} of the moduli are beyond "
        "noise",
    )  # fmt: skip
    yield _Criterion(
        figures.noise, NOISE, NOISE_BAD,
        f"too few photons for an object of this size: noise alone is {figures.noise:.0%}",
    )  # fmt: skip
    yield _Criterion(
        figures.friedel, FRIEDEL, FRIEDEL_BAD,
        f"the pattern is not centrosymmetric ({figures.friedel:.0%}): centre, mask or gain",
    )  # fmt: skip


def _remarks(figures: Figures) -> Iterator[str]:
    """What a person should know whatever the verdict is."""
    if figures.missing_speckles > SPECKLES:
        yield (
            f"the missing centre hides {figures.missing_speckles:.1f} speckles: how the density is "
            "spread within the support is not determined"
        )
    if figures.second_part > PART:
        yield f"two parts: {figures.second_part:.0%} of the density lies apart from the rest"
