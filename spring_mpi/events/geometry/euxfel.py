"""Geometry files of the European XFEL (HDF5): the places of the tiles of LPD-1M and DSSC-1M.

Four quadrants of four modules; ``Q1/M1/T01/Position`` is (x, y) of the tile in its module,
``Q1/M1/Position`` of the module in its quadrant, ``Q1/Position`` of the quadrant, all in
millimetres. Axes as in `spring_mpi.events.geometry`. Tiles are not turned. A tile of the LPD is
placed by the far corner of its last pixel, one of the DSSC by its corner with the smallest x and y;
after ``LPD_1MGeometry`` and ``DSSC_1MGeometry`` of EXtra-geom.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..formats.hdf5.opening import open_file
from ..formats.hdf5.sizes import read_all
from .layout import Geometry, lay_out
from .panels import Panel, positions_of

Quadrants = Sequence[tuple[float, float]]

_MM = 1e-3
_FARTHEST = 1e6
_LPD_PIXEL = 0.5e-3
_DSSC_PIXEL = 236e-6
# Hexagons side by side: the rows are nearer to each other than the columns.
_DSSC_ROW = _DSSC_PIXEL * 1.5 / math.sqrt(3)
# Of the quadrants of the DSSC, the first two are turned by 180 degrees against the last two.
_DSSC_X, _DSSC_Y = (-1, -1, 1, 1), (1, 1, -1, -1)


def read(path: str, quadrants: Quadrants | None) -> Geometry:
    """The geometry that a file describes; the detector is known by the number of its tiles.

    z is 0. The DSSC has hexagonal pixels, and every second row is shifted by half a pixel: the
    positions are true, but the image has that row in line with the others, and its rows are 204 um
    apart where its columns are 236 um.

    Parameters
    ----------
    quadrants
        (x, y) of the four quadrants in millimetres, in place of those in the file.

    Raises
    ------
    ValueError
        If something is missing, and how to give it.
    """
    with open_file(path) as file:
        _check_kind(file)
        places = _quadrant_places(file) if quadrants is None else quadrants
        if len(places) != 4:
            raise ValueError(f"needs 4 quadrants, not {len(places)}")
        if "Q1/M1/T16" in file:
            return _lpd(list(_lpd_panels(file, places)))
        return _dssc(list(_dssc_panels(file, places)))


def _check_kind(file: Any) -> None:
    """Raises `ValueError`, with what the file is, where it has no tiles at all."""
    if "Q1" in file:
        return
    if "x" in file and "y" in file:
        raise ValueError(
            "holds maps of the places of pixels (x, y), as Cheetah writes them, which are not "
            "read; give the geometry of CrystFEL that they were made from"
        )
    names = ", ".join(sorted(file)[:5]) or "nothing"
    raise ValueError(
        f"is not one of the European XFEL: no Q1/M1/T01, it holds {names}; geometries of AGIPD, "
        "Jungfrau and other detectors are texts of CrystFEL or psana"
    )


def _quadrant_places(file: Any) -> Quadrants:
    if "Q1/Position" not in file:
        raise ValueError(
            "does not say where the quadrants are; give their (x, y) in millimetres: "
            "{file: ..., quadrants: [[x, y], [x, y], [x, y], [x, y]]}"
        )
    return [_place(file, f"Q{number}") for number in range(1, 5)]


def _place(file: Any, name: str) -> tuple[float, float]:
    """(x, y), millimetres."""
    item = file.get(f"{name}/Position")
    is_line = isinstance(item, h5py.Dataset) and item.ndim == 1 and item.dtype.kind in "iuf"
    values = read_all(item)[:2].tolist() if is_line else []
    if len(values) != 2 or not all(abs(value) < _FARTHEST for value in values):
        raise ValueError(f"{name}/Position is {'not two numbers' if item else 'missing'}")
    return values[0], values[1]


def _corner(file: Any, quadrant: tuple[float, float], module: int, tile: int) -> NDArray[Any]:
    """(x, y) of a tile, metres."""
    name = f"Q{module // 4 + 1}/M{module % 4 + 1}"
    parts = (quadrant, _place(file, name), _place(file, f"{name}/T{tile + 1:02}"))
    return np.asarray(np.sum(parts, axis=0) * _MM)


def _lpd_panels(file: Any, places: Quadrants) -> Iterator[Panel]:
    """16 tiles of 32 x 128 pixels: down in the first half of the columns, up in the second."""
    size = np.array([128, 32]) * _LPD_PIXEL
    for module in range(16):
        for tile in range(16):
            x, y = _corner(file, places[module // 4], module, tile) - size
            row, column = (224 - 32 * tile, 0) if tile < 8 else (32 * tile - 256, 128)
            yield Panel(
                f"T{tile + 1:02}", module, slice(row, row + 32), slice(column, column + 128),
                (x, y, 0.0), (0.0, _LPD_PIXEL, 0.0), (_LPD_PIXEL, 0.0, 0.0),
            )  # fmt: skip


def _lpd(panels: list[Panel]) -> Geometry:
    positions = positions_of(panels)
    bad = np.zeros(positions.shape[:3], np.bool_)
    return lay_out(positions, (_LPD_PIXEL, _LPD_PIXEL), bad)


def _dssc_panels(file: Any, places: Quadrants) -> Iterator[Panel]:
    """Two tiles of 128 x 256 pixels, side by side."""
    for module in range(16):
        to_x, to_y = _DSSC_X[module // 4], _DSSC_Y[module // 4]
        for tile in range(2):
            x, y = _corner(file, places[module // 4], module, tile)
            corner = (
                x + (256 * _DSSC_PIXEL if to_x < 0 else 0),
                y + (128 * _DSSC_ROW if to_y < 0 else 0),
                0.0,
            )
            yield Panel(
                f"T{tile + 1:02}", module, slice(0, 128), slice(256 * tile, 256 * tile + 256),
                corner, (0.0, to_y * _DSSC_ROW, 0.0), (to_x * _DSSC_PIXEL, 0.0, 0.0),
            )  # fmt: skip


def _dssc(panels: list[Panel]) -> Geometry:
    """A hexagon's centre is a sixth of a row beyond the middle of its row, as it reaches into the
    next one; odd rows are half a pixel further."""
    grid = positions_of(panels)
    positions = grid.copy()
    for panel in panels:
        hexagons = positions[panel.place]
        hexagons += np.asarray(panel.ss) / 6
        hexagons[1::2] += np.asarray(panel.fs) / 2
    bad = np.zeros(grid.shape[:3], np.bool_)
    return lay_out(positions, (_DSSC_ROW, _DSSC_PIXEL), bad, grid=grid[..., :2])
