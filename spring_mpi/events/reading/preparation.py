"""From an event to the pattern that is reconstructed, with what a person should know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from ...errors import PatternError
from ...model.names import pid_text
from ...model.pattern import Pattern
from ..event import EventRef, Exclusion
from .calibration import Calibration
from .calibrator import Calibrator
from .intensity import intensity, remarks
from .loader import Loader
from .suspects import NOTHING_SUSPECT, Suspects

REVISION = 2
"""Goes up where an event may become another pattern than before; version 0.1.0 had 1."""


@dataclass(frozen=True)
class Prepared:
    """A pattern, and how it came about."""

    pattern: Pattern
    exclusions: tuple[Exclusion, ...]
    """All masks and limits in use."""
    suspicions: tuple[str, ...] = ()
    """What `Suspects.told` and `remarks` say of it, as of other events."""

    @property
    def own_warnings(self) -> tuple[str, ...]:
        """What a person should know of this pattern beside that, a sentence each."""
        idle = (
            str(exclusion)
            for exclusion in self.exclusions
            if exclusion.remark and not exclusion.pixels
        )
        return (*self.pattern.warnings, *idle)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that a person should know of this pattern, a sentence each."""
        return (*self.own_warnings, *self.suspicions)


class Preparer:
    """Makes patterns of events; keeps files and calibrations from event to event."""

    def __init__(self) -> None:
        self._loader = Loader()
        self._calibrators: dict[Calibration, Calibrator] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all files."""
        self._loader.close()

    def prepare(
        self,
        ref: EventRef,
        calibration: Calibration,
        *,
        cropsize: int,
        size: int,
        suspects: Suspects = NOTHING_SUSPECT,
    ) -> Prepared:
        """The pattern of an event.

        Parameters
        ----------
        cropsize, size
            As in `Pattern`.
        suspects
            Raw values that are to be told where they are not excluded.

        Raises
        ------
        SourceError
            If the event, or a file of its calibration, cannot be read.
        PatternError
            If no pattern can be made of it.
        """
        calibrator = self._calibrator(calibration)
        event = self._loader.read(ref, calibrator.geometry)
        values = intensity(calibrator, ref, event, *calibrator.masked(ref, event))
        if values.mask.all():
            raise PatternError(
                f"pattern {pid_text(ref.pid)} has no measured pixel: "
                f"{'; '.join(map(str, values.exclusions))}; is what a mask marks bad or good?"
            )
        pattern = Pattern(
            pattern=values.data,
            mask=values.mask,
            center=calibrator.center(ref, event),
            pid=event.pid,
            cropsize=cropsize,
            size=size,
            satvalue=calibrator.satvalue,
            background=values.background,
            gain=values.gain,
            center_prior=calibration.center_prior or event.center,
        )
        suspicions = (*remarks(calibrator, event), *suspects.told(event.data, values.mask))
        return Prepared(pattern, values.exclusions, suspicions)

    def _calibrator(self, calibration: Calibration) -> Calibrator:
        if calibration not in self._calibrators:
            self._calibrators[calibration] = Calibrator(calibration, self._loader)
        return self._calibrators[calibration]
