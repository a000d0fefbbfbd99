"""Bad regions of CrystFEL geometries: boxes in pixels of panels, or in x and y of the detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .fields import Fields
from .panels import Panel

_DIGITS = 6


@dataclass(frozen=True)
class Corners:
    """Where the pixels are for bad regions: their first corners, in pixels from the beam."""

    resolution: float
    """Pixels per metre."""
    shift: tuple[float, float]
    """Of the whole detector, metres."""

    def of(self, panel: Panel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x and y, each (rows, columns)."""
        half = (np.asarray(panel.ss) + np.asarray(panel.fs)) / 2
        corners = (panel.centers() - half)[..., :2] + self.shift
        # So that a corner on the edge of a region is on it, and not next to it.
        x, y = np.moveaxis(np.round(corners * self.resolution, _DIGITS), -1, 0)
        return x, y


def mark_region(
    bad: NDArray[np.bool_], region: Fields, panels: Mapping[str, Panel], corners: Corners
) -> None:
    """Edges of regions in fs and ss belong to them, in x and y they do not, as in CrystFEL."""
    limits = [key for key in region.values if key.startswith(("min_", "max_"))]
    if sorted(limits) == ["max_fs", "max_ss", "min_fs", "min_ss"]:
        rows, columns = (
            slice(region.whole(f"min_{axis}"), region.whole(f"max_{axis}") + 1)
            for axis in ("ss", "fs")
        )
        for panel in _concerned(region, panels):
            bad[panel.module, _both(rows, panel.rows), _both(columns, panel.columns)] = True
    elif sorted(limits) == ["max_x", "max_y", "min_x", "min_y"]:
        for panel in panels.values():
            x, y = corners.of(panel)
            bad[panel.place] |= (x > region.number("min_x")) & (x < region.number("max_x")) & (
                y > region.number("min_y")
            ) & (y < region.number("max_y"))  # fmt: skip
    else:
        raise ValueError(
            f"line {region.line}: {region.name} needs min_x, max_x, min_y and max_y, "
            "or min_fs, max_fs, min_ss and max_ss"
        )


def _concerned(region: Fields, panels: Mapping[str, Panel]) -> Iterator[Panel]:
    """The panel that is named, or all."""
    if "panel" not in region.values:
        yield from panels.values()
    elif (name := region.text("panel")) in panels:
        yield panels[name]
    else:
        raise region.fault("panel", "the name of a panel")


def _both(first: slice, second: slice) -> slice:
    start = max(first.start, second.start)
    return slice(start, max(start, min(first.stop, second.stop)))
