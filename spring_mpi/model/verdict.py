"""How far a reconstruction can be believed: the verdict, and what it was made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """Of a result; the most trusted first."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True)
class Certainty:
    """What a result says of itself; see ``spring_mpi.engine.certainty`` for the definitions."""

    verdict: Verdict
    score: float
    """For sorting within a class, 0 (no trust) to 1."""
    reasons: tuple[str, ...] = ()
    """Why it is not good, or what else a person should know, a sentence each."""
    is_interior_determined: bool = True
    """Whether the data say how the density is spread within the support: False where the missing
    centre hides more than 2.5 speckles."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """The figures of merit by name."""


def trust(verdict: Verdict | None, score: float | None) -> tuple[int, float]:
    """A key that sorts the most trusted result first: verdict, then score; unknown ones last."""
    order = len(Verdict) if verdict is None else list(Verdict).index(verdict)
    is_known = score is not None and math.isfinite(score)
    return order, -(score or 0.0) if is_known else math.inf


def tally_of_verdicts(counts: Mapping[Verdict, int]) -> str:
    """Results by verdict, for people, such as ``41 good, 7 doubtful, 2 bad``."""
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts.get(verdict))
