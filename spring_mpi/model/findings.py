"""What a frame says of its own preparation, and where that contradicts what is given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .centre import CentreEstimate, Place, estimate_centre, unlikeness
from .photon_scale import PhotonScale, photon_scale
from .saturation import Plateau, find_plateau

Flags = NDArray[np.bool_]

AUTO = "auto"
"""What stands for a value that is to be found."""
LEAST_MISFIT = 0.7
"""Binned pixels by which a centre is wrong; less is seldom to be seen in a reconstruction."""
_WORSE = 2.5
"""How many times as unlike the pairs of a wrong centre are, at least. In bright patterns they are 6
to 50 times as unlike; of less, other faults are the cause."""
GAIN = "gain:"
"""How what the frame says against the gain begins."""
_MISSCALED = 2.0
"""Factor by which a gain is wrong."""
_NEAR_ENOUGH = math.log(1.25)
"""Of the logarithm of a photon scale, for which no other way is tried."""
_BEYOND = 1e30
"""Photons that no pixel has, and whose squares no number of single precision holds."""


@dataclass(frozen=True)
class Findings:
    """What a frame says; None where it does not tell."""

    centre: CentreEstimate | None
    plateau: Plateau | None
    scale: PhotonScale | None
    """Relative to the gain that is given."""

    @property
    def center(self) -> Place | None:
        """(row, column) in pixels of the frame, where it is sure."""
        return self.centre.center if self.centre and self.centre.is_sure else None

    def text(self, gain: float | None) -> str:
        """What it says, for people; ``gain``: raw units per photon, as the scale makes them."""
        found = self.centre
        centre = "no centre" if found is None else f"no centre, correlation {found.sureness:.2f}"
        if found and found.is_sure:
            row, column = found.center
            centre = f"centre ({row:.2f}, {column:.2f}), correlation {found.sureness:.2f}"
        plateau = f"plateau from {self.plateau.start:.6g} on" if self.plateau else "no plateau"
        photon = "unknown" if gain is None else f"{gain:.3g}"
        return f"{centre}; {plateau}; raw units per photon: {photon}"

    @property
    def is_on_photon_scale(self) -> bool:
        """Whether the gain is right within a factor of 2, as far as the frame tells."""
        if self.scale is None:
            return True
        factor, (low, high) = self.scale.factor, self.scale.bounds
        is_large = factor >= _MISSCALED and low >= math.sqrt(_MISSCALED)
        is_small = factor <= 1 / _MISSCALED and high <= 1 / math.sqrt(_MISSCALED)
        return not (is_large or is_small)


def look(
    raw: NDArray[Any],
    photons: NDArray[np.floating],
    usable: Flags,
    *,
    binning: int,
    prior: Place | None,
    photon: float,
) -> Findings:
    """What a frame says of centre, saturation and gain.

    Parameters
    ----------
    raw, photons, usable
        (rows, columns), raw units and photons; what is not usable may have any value.
    binning
        Pixels that the pattern sums along a side.
    prior
        Where other events have the centre.
    photon
        Raw units per photon, as given.
    """
    plateau = find_plateau(raw, usable, photon)
    measured = _measured(raw, photons, usable, plateau)
    centre = estimate_centre(photons, measured, binning, prior)
    if centre is None or not centre.is_sure:
        return Findings(centre, plateau, None)
    return Findings(centre, plateau, _scale(photons, measured, centre.center, binning))


def _scale(
    photons: NDArray[np.floating], measured: Flags, center: Place, binning: int
) -> PhotonScale | None:
    """The photon scale by the way that has it nearest to the gain that is given.

    Detectors share light between neighbours, and pairs may be unlike for other reasons than noise.
    """
    nearest: PhotonScale | None = None
    for step, is_local in dict.fromkeys([(binning, False), (1, False), (1, True)]):
        found = photon_scale(photons, measured, center, step, is_local=is_local)
        if found and (nearest is None or found.misfit < nearest.misfit):
            nearest = found
        if nearest and nearest.misfit < _NEAR_ENOUGH:
            break
    return nearest


def _measured(
    raw: NDArray[Any], photons: NDArray[np.floating], usable: Flags, plateau: Plateau | None
) -> Flags:
    """The pixels whose values are what they say."""
    with np.errstate(invalid="ignore"):
        measured: Flags = usable & (np.abs(photons) < _BEYOND)
    return measured if plateau is None else measured & ~(raw >= plateau.start)


def contradictions(
    findings: Findings,
    raw: NDArray[Any],
    photons: NDArray[np.floating],
    usable: Flags,
    *,
    center: Place,
    is_given: bool,
    binning: int,
    satvalue: float | None,
    gain: float,
) -> Iterator[str]:
    """Where the frame says otherwise than what is used, a sentence each.

    They begin with ``centre:``, ``satvalue:`` and ``gain:``.

    Parameters
    ----------
    center, satvalue, gain
        What is used; the gain in raw units per photon.
    is_given
        Whether the centre was given, or is the middle of the frame.
    """
    found = findings.center
    if found and math.dist(found, center) >= LEAST_MISFIT * binning:
        measured = _measured(raw, photons, usable, findings.plateau)
        there, here = (unlikeness(photons, measured, place, binning) for place in (center, found))
        if there > _WORSE * here:
            whose = "is given" if is_given else "the middle of the frame, is used"
            yield (
                f"centre: Friedel pairs say ({found[0]:.1f}, {found[1]:.1f}), but "
                f"({center[0]:.6g}, {center[1]:.6g}), {whose}"
            )
    plateau = findings.plateau
    if plateau and (satvalue is None or satvalue > plateau.top):
        yield (
            f"satvalue: {plateau.pixels} pixels form a plateau from {plateau.start:.6g} to "
            f"{plateau.top:.6g} raw units, "
            + ("and no satvalue is given" if satvalue is None else f"below {satvalue:.6g}")
        )
    if findings.scale and not findings.is_on_photon_scale:
        yield (
            f"{GAIN} the noise of Friedel pairs says {findings.scale.factor * gain:.3g} raw units "
            f"per photon, not {gain:.3g}"
        )
