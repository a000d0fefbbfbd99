"""What a frame's values are, with gain stages decoded, and what a person should know of them.

The `Calibrator` gives background and gain; where values have no stages, `Pattern` applies them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..event import Event, EventRef, Exclusion
from .calibrator import Calibrator


@dataclass(frozen=True, eq=False)
class Intensity:
    """Values of a frame; (value - background) / gain is photons."""

    data: NDArray[Any]
    background: float | NDArray[Any]
    gain: float | NDArray[Any]
    mask: NDArray[np.bool_]
    """True = excluded; all (row, column)."""
    exclusions: tuple[Exclusion, ...]


def intensity(
    calibrator: Calibrator,
    ref: EventRef,
    event: Event,
    mask: NDArray[np.bool_],
    exclusions: tuple[Exclusion, ...],
) -> Intensity:
    """What an event's values are; those with gain stages are photons already.

    Parameters
    ----------
    mask, exclusions
        As `Calibrator.masked` gives them.

    Raises
    ------
    SourceError, PatternError
        As the methods of the `Calibrator`; `UndecodedError` where the values hold gain stages and
        it is not given what each is worth.
    """
    bits = calibrator.gain_bits(event)
    if bits is None:
        background, gain = calibrator.background(ref, event), calibrator.gain(ref, event)
        return Intensity(_plain(event), background, gain, mask, exclusions)
    photons = bits.decode(event.data, *calibrator.stages(bits, ref, event))
    if number := int((unknown := ~np.isfinite(photons) & ~mask).sum()):
        what = "no pedestal or gain of a pixel's stage (not finite, or a gain of 0)"
        exclusions, mask = (*exclusions, Exclusion(what, number)), mask | unknown
    return Intensity(photons, 0.0, 1.0, mask, exclusions)


def remarks(calibrator: Calibrator, event: Event) -> Iterator[str]:
    """What is true of an event's values and of those of others like it, a sentence each."""
    if event.raw and event.raw.has_cells and calibrator.has_background:
        yield (
            "raw data of several memory cells, which have pedestals of their own, while "
            "pattern.background is the same for all; take corrected data if that matters"
        )
    if event.raw and not calibrator.has_background:
        yield (
            "raw data without a pedestal: values are detector units with an offset, taken for "
            "light; give the raw values without light (pattern.background), or take corrected data"
        )


def _plain(event: Event) -> NDArray[Any]:
    """The values as they are in the file, without a stage that the reader added."""
    if event.raw and event.raw.gain_bits and event.raw.is_joined:
        return event.raw.gain_bits.values(event.data)
    return event.data
