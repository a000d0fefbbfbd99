"""How far a reconstruction can be believed: the verdict, and what it was made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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


def resolution_text(resolution_px: float | None) -> str:
    """``resolution 3.41 px`` or ``no resolution``, as log and pictures say it."""
    return "no resolution" if resolution_px is None else f"resolution {resolution_px:.2f} px"


def caption(
    verdict: Verdict | None, score: float | None, error: float | None, resolution_px: float | None
) -> str:
    """Verdict, error, and of a good result the resolution, for people: as log and pictures say it,
    ``good 0.87, error 0.0312, resolution 2.41 px``."""
    told = [
        verdict_text(verdict, score),
        "error unknown" if error is None else f"error {error:.4f}",
    ]
    if verdict is Verdict.GOOD:
        told.append(resolution_text(resolution_px))
    return ", ".join(told)


def trust(verdict: Verdict | None, score: float | None) -> tuple[int, float]:
    """A key that sorts the most trusted result first: verdict, then score; unknown ones last."""
    order = len(Verdict) if verdict is None else list(Verdict).index(verdict)
    is_known = score is not None and math.isfinite(score)
    return order, -(score or 0.0) if is_known else math.inf


def verdict_text(verdict: Verdict | None, score: float | None) -> str:
    """``good 0.87`` for people, or ``not judged`` of a result that nobody judged."""
    if verdict is None:
        return _UNJUDGED
    is_known = score is not None and math.isfinite(score)
    return f"{verdict} {score:.2f}" if is_known else str(verdict)


_UNJUDGED = "not judged"


def counts_by_key(counts: Mapping[Verdict | None, int]) -> dict[str, int]:
    """Results by verdict, for programs; `counts_from_keys` is the inverse."""
    return {str(verdict or _UNJUDGED): counts.get(verdict, 0) for verdict in (*Verdict, None)}


def counts_from_keys(counts: Mapping[str, Any]) -> dict[Verdict | None, int]:
    """What `counts_by_key` gave, as a program may have changed it: the whole numbers of it."""
    known = {verdict: counts.get(str(verdict or _UNJUDGED)) for verdict in (*Verdict, None)}
    return {verdict: number for verdict, number in known.items() if type(number) is int}


def tally_of_verdicts(counts: Mapping[Verdict | None, int]) -> str:
    """Results by verdict, for people, such as ``41 good, 7 doubtful, 2 bad, 1 not judged``."""
    return ", ".join(
        f"{counts[verdict]} {verdict or _UNJUDGED}"
        for verdict in (*Verdict, None)
        if counts.get(verdict)
    )
