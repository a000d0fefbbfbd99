"""The orientation of reconstructions of one event: all get the same twin, place and phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from .alignment import Density, Motion, register
from .result import Result

_PHASE_TOLD = 0.1
"""Radians; less is turned, too, but nobody would see it."""


@dataclass(frozen=True)
class Oriented:
    """A result beside others of its event."""

    result: Result
    """Its images moved to lie as those of the reference."""
    remark: str = ""
    """What was done to them, such as ``turned by 180 degrees to match 71-1-145-a``; empty where
    nothing was."""


def oriented_like(result: Result, reference: Density, name: str) -> Oriented:
    """The result, its images moved by whole pixels onto a reference of the same event.

    The pattern stays as it is: the twins, rho(r) and conj(rho(-r)), scatter the same intensities.

    Parameters
    ----------
    reference
        (size, size), the density that others are turned like; one of another size changes nothing.
    name
        Of its job.
    """
    if result.data.shape != reference.shape:
        return Oriented(result)
    motion = register(result.data, reference)
    images: dict[str, Any] = {
        "data": motion.move(result.data),
        "best": motion.move(result.best),
        "support": motion.move_support(result.support),
    }
    for image in ("std", "support_frequency"):
        # Files of other versions may lack them.
        if (values := getattr(result, image)).shape == reference.shape:
            images[image] = motion.move_support(values)
    steps = list(_steps(motion))
    return Oriented(
        replace(result, **images),
        f"{', '.join(steps)} to match {name}" if steps else "",
    )


def _steps(motion: Motion) -> Iterator[str]:
    if motion.twin:
        yield "turned by 180 degrees"
    if any(motion.shift):
        row, column = map(int, motion.shift)
        yield f"moved by ({row}, {column}) pixels"
    if abs(motion.phase) > _PHASE_TOLD:
        yield f"phase turned by {motion.phase:+.1f} radians"
