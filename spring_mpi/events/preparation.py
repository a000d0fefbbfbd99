"""From an event to the pattern that is reconstructed, with what a person should know of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..pattern import Pattern
from .calibration import Calibrator
from .loader import Loader
from .source import EventRef, Exclusion


@dataclass(frozen=True)
class Prepared:
    """A pattern, and how it came about."""

    pattern: Pattern
    exclusions: tuple[Exclusion, ...]
    """All masks and limits in use."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know of this pattern, a sentence each."""
        idle = (str(one) for one in self.exclusions if one.remark and not one.pixels)
        return (*self.pattern.warnings, *idle)


def prepare(
    ref: EventRef, calibrator: Calibrator, loader: Loader, *, cropsize: int, size: int
) -> Prepared:
    """The pattern of an event.

    Parameters
    ----------
    cropsize, size
        As in `Pattern`.

    Raises
    ------
    SourceError
        If the event, or a file of its calibration, cannot be read.
    PatternError
        If no pattern can be made of it.
    """
    event = loader.read(ref, calibrator.geometry)
    mask, exclusions = calibrator.masked(ref, event)
    pattern = Pattern(
        pattern=event.data,
        mask=mask,
        center=calibrator.center(ref, event),
        pid=event.pid,
        cropsize=cropsize,
        size=size,
        satvalue=calibrator.satvalue,
        background=calibrator.background(ref, event),
        gain=calibrator.gain(ref, event),
    )
    return Prepared(pattern, exclusions)
