"""Shrink-wrap schedules, and the fitness by which individuals of different support compare.

Blurred-threshold supports: Marchesini et al., Phys. Rev. B 68, 140101 (2003). A larger support
always fits better, so the fitness multiplies the error with a power of the area, and areas are
guarded: at least a few pixels, at most a quarter of the grid (the object must be sampled twice in
either direction).
"""

from __future__ import annotations

import numpy as np

from ..model.settings import Settings
from .backend import Areas, Errors, ShrinkWrap
from .start import start_support

_LEAST_AREA = 9
_CONSTANT_FROM = 0.75


def shrink_wrap(settings: Settings, size: int, generation: int) -> ShrinkWrap:
    """The shrink-wrap of a generation: sigma falls geometrically, area linearly."""
    last = max(settings.global_.generations - 1, 1)
    return _shrink_wrap(settings, size, min(generation / last, 1.0))


def last_shrink_wrap(settings: Settings, size: int) -> ShrinkWrap:
    """The shrink-wrap at which the schedule ends."""
    return _shrink_wrap(settings, size, 1.0)


def _shrink_wrap(settings: Settings, size: int, progress: float) -> ShrinkWrap:
    """The shrink-wrap where so much of the schedule is over, 0 to 1."""
    rules = settings.SW
    return ShrinkWrap(
        sigma=_geometric(rules.sigma_start, rules.sigma_end, progress),
        threshold=rules.threshold if rules.mode == "threshold" else None,
        area=target_area(settings, size, progress),
        least=_LEAST_AREA,
        most=size**2 // 4,
    )


def target_area(settings: Settings, size: int, progress: float) -> int:
    """Support area, pixels: constant from three quarters of the generations on.

    The last quarter runs at one area, so that its errors may be compared; 0 in threshold mode.
    """
    rules = settings.SW
    if rules.mode != "area":
        return 0
    area = rules.area or float(np.count_nonzero(start_support(settings.init, size)))
    shrunk = min(progress / _CONSTANT_FROM, 1.0)
    return round(area * (rules.area_start + (rules.area_end - rules.area_start) * shrunk))


def fitness(errors: Errors, areas: Areas, settings: Settings) -> Errors:
    """What selection compares, lower is better: error x area^area_power, (popsize,)."""
    return errors * areas**settings.SW.area_power


def _geometric(start: float, end: float, progress: float) -> float:
    if start <= 0 or end <= 0:
        return start + (end - start) * progress
    return float(start * (end / start) ** progress)
