"""Whether the brightest values of a frame form a plateau: the pixels that light has saturated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]

_WIDTHS = ((0.03, 8), (0.06, 24))
"""How far the values of a plateau may spread, as a share of the highest one, where a background was
subtracted or a gain divided by after clipping; and the fewest pixels that it then has."""
_MARGIN = 1.5
"""Widths from the highest value down to where pixels are taken for saturated."""
_STEEP = 4.0
"""So many times as many pixels as in the next lower values of that width has a plateau: where light
ends by itself, the next lower values hold as many pixels or more."""
_STRAY = 16
"""Pixels above a plateau, at most: hot ones, and those that something else has hit."""
_MOST = 8
"""A plateau is less than one of so many pixels."""
_LEAST_TOGETHER = 0.5
"""Of a plateau's pixels, that touch another one of it: saturated are the middles of speckles."""


@dataclass(frozen=True)
class Plateau:
    """Saturated pixels."""

    start: float
    """Raw value at and above which a pixel is taken for saturated, a little below the plateau: a
    saturated pixel that counts as measured does harm, the converse hardly."""
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
    if not measured.any():
        return None
    values = raw[measured].astype(np.float64)
    kept = min(len(values), _STRAY + len(values) // _MOST)
    falling = -np.sort(-np.partition(values, -kept)[-kept:])
    for top in np.unique(falling[:_STRAY])[::-1].tolist():
        for share, fewest in _WIDTHS:
            width = max(share * top, photon)
            if 2 * width < top and _is_plateau(falling, top, width, fewest):
                start = top - _MARGIN * width
                found = Plateau(start, top, int(np.searchsorted(-falling, -start)))
                return found if _is_together(raw, measured, found) else None
    return None


def _is_plateau(falling: NDArray[np.float64], top: float, width: float, fewest: int) -> bool:
    """Whether the values of that width below ``top`` make one."""
    above, inside, below = np.searchsorted(-falling, [-top, width - top, 2 * width - top])
    number = int(inside - above)
    is_steep = number >= fewest + above and number >= _STEEP * (below - inside)
    return bool(is_steep and inside < len(falling))


def _is_together(raw: NDArray[Any], measured: Flags, plateau: Plateau) -> bool:
    """Whether most pixels of a plateau touch another one."""
    full = measured & (raw >= plateau.start) & (raw <= plateau.top)
    rows, columns = np.nonzero(full)
    padded = np.pad(full, 1).astype(np.uint8)
    around = sum(
        padded[1 + down + rows, 1 + right + columns] for down in (-1, 0, 1) for right in (-1, 0, 1)
    )
    return bool((np.asarray(around) > 1).mean() >= _LEAST_TOGETHER)
