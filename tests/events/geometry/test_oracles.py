"""Geometries of real detectors, and the facilities' own software as the judge of them.

``SPRING_TEST_DATA`` names a folder of recorded files; ``SPRING_TEST_PSANA`` and
``SPRING_TEST_EXTRA_GEOM`` an interpreter in which ``psana`` (of LCLS-II) or ``extra_geom`` is
installed.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.events.geometry import Geometry, GeometrySpec, read_geometry

Arrays = dict[str, NDArray[np.float64]]

# psana as a whole needs the network; its geometry is a part that does not.
PSANA = """
import importlib.util, sys, types
import numpy as np
where = importlib.util.find_spec("psana").submodule_search_locations
sys.modules["psana"] = types.ModuleType("psana")
sys.modules["psana"].__path__ = list(where)
from psana.pscalib.geometry.GeometryAccess import GeometryAccess
geometry = GeometryAccess(sys.argv[1])
places = np.stack(geometry.get_pixel_coords(cframe=1), axis=-1)
rows, columns = (index.astype(np.int64) for index in geometry.get_pixel_coord_indexes())
np.savez(sys.argv[2], places=places, rows=rows, columns=columns)
"""
EXTRA_GEOM = """
import sys
import numpy as np
import extra_geom as eg
kind, source, made, out = sys.argv[1:]
quads = {"AGIPD_1M": [(-525, 625), (-550, -10), (520, -160), (542, 475)],
         "LPD_1M": [(11.4, 299), (-11.5, 8), (254.5, -16), (278.5, 275)],
         "DSSC_1M": [(-130, 5), (-130, -125), (5, -125), (5, 5)]}.get(kind)
if kind == "JUNGFRAU":
    offsets = [(x, y) for x in (8, -1038) for y in (-1100, -550, 0, 550)]
    turns = [(-1, -1)] * 4 + [(1, 1)] * 4
    geometry = eg.JUNGFRAUGeometry.from_module_positions(offsets, orientations=turns, asic_gap=2)
elif source.endswith(".h5"):
    geometry = eg.DSSC_1MGeometry.from_h5_file_and_quad_positions(source, quads)
elif source:
    geometry = eg.AGIPD_1MGeometry.from_crystfel_geom(source)
else:
    geometry = getattr(eg, kind + "Geometry").from_quad_positions(quads)
if made.endswith(".h5"):
    geometry.to_h5_file_and_quad_positions(made)
elif made:
    geometry.write_crystfel_geom(made, clen=0.2, adu_per_ev=1, photon_energy=9000)
shape = geometry.expected_data_shape
image, centre = geometry.position_modules(1.0 + np.arange(np.prod(shape)).reshape(shape))
np.savez(out, places=geometry.get_pixel_positions(), image=np.nan_to_num(image), centre=centre)
"""


def ask(variable: str, code: str, *arguments: object) -> None:
    """Run code in the interpreter that a variable names."""
    interpreter = os.environ.get(variable)
    if not interpreter:
        pytest.skip(f"{variable} names no interpreter")
    done = subprocess.run(
        [interpreter, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, timeout=110,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def load(path: Path, quadrants: tuple[tuple[float, float], ...] | None = None) -> Geometry:
    """The geometry in that file."""
    return read_geometry(GeometrySpec(str(path), quadrants))


def numbered(geometry: Geometry) -> NDArray[np.float64]:
    """A stack of which every pixel has a number of its own, from 1."""
    numbers = 1.0 + np.arange(np.prod(geometry.shape)).reshape(geometry.shape)
    return numbers.astype(np.float64)


@pytest.fixture
def psana(tmp_path: Path) -> Callable[[Path], Arrays]:
    """What psana makes of a geometry file; lengths in metres."""

    def psana(path: Path) -> Arrays:
        ask("SPRING_TEST_PSANA", PSANA, path, tmp_path / "psana.npz")
        with np.load(tmp_path / "psana.npz") as file:
            return dict(file) | {"places": file["places"] * 1e-6}

    return psana


def test_cspad_of_psana(recorded: Path, psana: Callable[[Path], Arrays]) -> None:
    """The CSPAD: positions are psana's, and so is the picture, but for where psana's rounding of
    a corner and ours of the beam differ, which is by less than one pixel."""
    path = recorded / "geometry_masks" / "geometry-def-cspad.data"
    geometry, theirs = load(path), psana(path)
    assert np.abs(geometry.positions - theirs["places"]).max() < 1e-6
    gather = geometry.gather
    row, column = np.nonzero(gather >= 0)
    number = gather[row, column]
    assert np.abs(row - theirs["rows"].reshape(-1)[number]).max() <= 1
    assert np.abs(column - theirs["columns"].reshape(-1)[number]).max() <= 1
    assert gather.shape == (theirs["rows"].max() + 1, theirs["columns"].max() + 1)


@pytest.mark.parametrize(
    "lines",
    [
        "IP 0 EPIX100:V1 0 10 20 -1000000 90 180 0 0.5 0.1 -0.2",
        "C 0 EPIX10KA:V1 0 20248 -20908 -60 0 0 0 -0.2 -0.26 0.06\n"
        "C 0 EPIX10KA:V1 1 -20144 20823 10 180 0 0 0.3 -0.1 0.25\n"
        "IP 0 C 0 0 0 -100000 90 0 0 0 0 0",
        "C 0 JUNGFRAU:V2 0 0 20625 0 0 0 180 0 0 0\nC 0 JUNGFRAU:V2 1 0 -20625 0 0 0 180 0 0 0\n"
        "IP 0 C 0 0 0 100000 90 0 0 0 0 0",
        "C 0 JUNGFRAU:V1 0 0 20625 0 0 0 180 0 0 0\nIP 0 C 0 0 0 100000 90 0 0 0 0 0",
        "S 0 PNCCD:V1 0 -38362 -38362 0 0 0 0 0 0 0\nS 0 PNCCD:V1 1 38362 -37 0 180 0 0 0 0 0\n"
        "D 0 S 0 0 -3300 0 0 0 0 0 0 0\nIP 0 D 0 0 0 -565000 90 0 0 0 0 0",
        "IP 0 MTRX:V2:30:40:55:55 0 100 200 300 270 0 0 1 2 3",
        "IP 0 EPIXMASIC:V1 0 100 200 300 270 0 0 1 2 3",
    ],
)  # fmt: skip
def test_sensors_of_psana(tmp_path: Path, psana: Callable[[Path], Arrays], lines: str) -> None:
    """Every sensor that is known lies where psana has it."""
    path = tmp_path / "geometry.data"
    path.write_text(lines + "\n")
    places = psana(path)["places"]
    positions = load(path).positions
    assert np.abs(positions - places.reshape(positions.shape)).max() < 1e-6


def test_cspad_picture(recorded: Path) -> None:
    """32 sections of 185 x 388 pixels make one frame, of the recorded values, each in its place."""
    section = np.load(recorded / "lcls2_xtc2" / "cxitut13_r10_32_cspadAsic.npy")
    geometry = load(recorded / "geometry_masks" / "geometry-def-cspad.data")
    stack = section * np.arange(1, 33, dtype=section.dtype)[:, np.newaxis, np.newaxis]
    image, excluded = geometry.assemble(stack)
    shown = geometry.gather >= 0
    assert (image.shape, image.dtype) == ((1942, 1940), section.dtype)
    assert (image[shown] == stack.reshape(-1)[geometry.gather[shown]]).all()
    assert (image[~shown] == 0).all()
    assert excluded[~shown].all()
    # This file turns the whole detector by 10 degrees, so that some pixels meet.
    assert 0.02 < geometry.lost / stack.size < 0.03


@pytest.mark.parametrize("kind", ["AGIPD_1M", "LPD_1M", "DSSC_1M", "JUNGFRAU"])
def test_images_of_extra_geom(tmp_path: Path, kind: str) -> None:
    """Positions of what EXtra-geom writes are its own, and images of straight detectors are equal;
    it has row 0 at the bottom and column 0 at the right of a person who looks along the beam."""
    path = tmp_path / ("made.h5" if kind in ("LPD_1M", "DSSC_1M") else "made.geom")
    ask("SPRING_TEST_EXTRA_GEOM", EXTRA_GEOM, kind, "", path, tmp_path / "theirs.npz")
    geometry = load(path)
    with np.load(tmp_path / "theirs.npz") as theirs:
        difference = geometry.positions[..., :2] - theirs["places"][..., :2]
        assert np.abs(difference).max() < 1e-6
        image = geometry.assemble(numbered(geometry))[0]
        assert image.shape == theirs["image"].shape
        assert (image == theirs["image"][::-1, ::-1]).all()
        center = np.array(image.shape) - theirs["centre"] - 0.5
        assert geometry.center == pytest.approx(center, abs=0.51)
    assert geometry.lost == 0


def test_agipd_file_of_extra_geom(recorded: Path, tmp_path: Path) -> None:
    """A refined geometry: positions agree; in the image the tiles are slightly turned here, and
    straight there."""
    path = recorded / "geometry_masks" / "agipd_mar18_v11.geom"
    ask("SPRING_TEST_EXTRA_GEOM", EXTRA_GEOM, "", path, "", tmp_path / "theirs.npz")
    geometry = load(path)
    with np.load(tmp_path / "theirs.npz") as theirs:
        assert np.abs(geometry.positions - theirs["places"])[..., :2].max() < 1e-6
    assert geometry.lost < 20


def test_dssc_file_of_extra_geom(recorded: Path, tmp_path: Path) -> None:
    """The file has no quadrants; with those given, positions and image agree."""
    path = recorded / "geometry_masks" / "dssc_geo_june19.h5"
    ask("SPRING_TEST_EXTRA_GEOM", EXTRA_GEOM, "DSSC_1M", path, "", tmp_path / "theirs.npz")
    geometry = load(path, ((-130, 5), (-130, -125), (5, -125), (5, 5)))
    with np.load(tmp_path / "theirs.npz") as theirs:
        assert np.abs(geometry.positions - theirs["places"]).max() < 1e-6
        image = geometry.assemble(numbered(geometry))[0]
        assert (image == theirs["image"][::-1, ::-1]).all()


def test_jungfrau_file(recorded: Path) -> None:
    """A refined geometry of one slab: every pixel has a place, and hardly two the same one."""
    geometry = load(recorded / "geometry_masks" / "jungfrau4M.geom")
    assert geometry.shape == (1, 1480, 1552)
    assert np.isfinite(geometry.positions).all()
    assert geometry.lost < 1e-4 * geometry.gather.size
