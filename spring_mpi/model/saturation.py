"""Whether the brightest values of a frame form a plateau: the pixels that light has saturated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

_WIDTH = 0.03
"""Of the plateau's highest value: how far its values spread."""
_FEWEST = 8
"""Pixels of a plateau."""
_STEEP = 4.0
"""So many times as many pixels as in the next lower values of that width has a plateau: where light
ends by itself, the next lower values hold as many pixels or more."""
_STRAY = 16
"""Pixels above a plateau, at most: hot ones, and those that something else has hit."""
_LEAST_TOGETHER = 0.5
"""Of a plateau's pixels, that touch another one of it: saturated are the middles of speckles."""


@dataclass(frozen=True)
class Plateau:
    """Saturated pixels."""

    start: float
    """Raw value at and above which a pixel is saturated."""
    top: float
    """Highest raw value of the plateau; what is higher are single pixels."""
    pixels: int
    """From ``start`` on."""


def find_plateau(raw: NDArray[Any], measured: Flags, photon: float = 0.0) -> Plateau | None:
    """The plateau of a frame; None where its values end as light does.

    Parameters
    ----------
    raw, measured
        (rows, columns); what is not measured may have any value.
    photon
        Raw units per photon, less than which is no step between two values; 0: not known.
    """
    if measured.sum() < 2 * _FEWEST:
        return None
    values = raw[measured].astype(np.float64)
    kept = min(len(values), _FEWEST + _STRAY + len(values) // 8)
    values = np.sort(np.partition(values, -kept)[-kept:])[::-1]
    for top in np.unique(values[:_STRAY])[::-1].tolist():
        width = max(_WIDTH * top, photon)
        if top <= 0 or width >= top / 2:
            return None
        above, inside, below = np.searchsorted(-values, [-top, width - top, 2 * width - top])
        pixels = int(inside - above)
        if inside == len(values):
            return None
        if pixels >= _FEWEST + above and pixels >= _STEEP * (below - inside):
            plateau = Plateau(top - width, top, int(inside))
            return plateau if _is_together(raw, measured, plateau) else None
    return None


def _is_together(raw: NDArray[Any], measured: Flags, plateau: Plateau) -> bool:
    """Whether most pixels of a plateau touch another one."""
    full = measured & (raw >= plateau.start) & (raw <= plateau.top)
    rows, columns = np.nonzero(full)
    padded = np.pad(full, 1).astype(np.uint8)
    around = sum(
        padded[1 + down + rows, 1 + right + columns] for down in (-1, 0, 1) for right in (-1, 0, 1)
    )
    return bool((np.asarray(around) > 1).mean() >= _LEAST_TOGETHER)
