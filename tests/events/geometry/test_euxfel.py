"""Geometry files of the European XFEL: tiles of LPD and DSSC in HDF5."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import SourceError
from spring_mpi.events.geometry import Geometry, GeometrySpec, read_geometry

QUADRANTS = ((-130.0, 5.0), (-130.0, -125.0), (5.0, -125.0), (5.0, 5.0))


def write(path: Path, tiles: int, quadrants: Any = QUADRANTS, **changed: Any) -> Path:
    """Modules 31 mm apart, with their tiles in line; places by name are replaced."""
    places = {f"Q{q + 1}/Position": place for q, place in enumerate(quadrants or ())}
    for q in range(1, 5):
        for m in range(1, 5):
            places[f"Q{q}/M{m}/Position"] = (0.0, 31.0 * m)
            for t in range(tiles):
                places[f"Q{q}/M{m}/T{t + 1:02}/Position"] = (62.0 * (t % 2), 18.0 * (t // 2))
    with h5py.File(path, "w") as file:
        for name, place in (places | changed).items():
            if place is not None:
                file[name] = place
    return path


def load(path: Path, quadrants: Any = None) -> Geometry:
    """The geometry in that file."""
    return read_geometry(GeometrySpec(str(path), quadrants))


def test_dssc(tmp_path: Path) -> None:
    """Places are the corners with the lowest x and y; the first quadrants run to the right (-x) and
    up, the last ones left and down; odd rows are half a pixel further."""
    geometry = load(write(tmp_path / "g.h5", 2))
    step, row = 0.236, 0.236 * 1.5 / np.sqrt(3)
    up, down = geometry.positions[0] * 1e3, geometry.positions[8] * 1e3
    corner = np.array([-130 + 256 * step, 5 + 31])
    assert geometry.shape == (16, 128, 512)
    assert up[0, 0, :2] == pytest.approx(np.add(corner, (-step / 2, row * 2 / 3)), abs=1e-4)
    assert up[1, 0, :2] == pytest.approx(np.add(corner, (-step, row * 5 / 3)), abs=1e-4)
    assert up[0, 256, 0] == pytest.approx(corner[0] + 62 - step / 2, abs=1e-4)
    corner = np.array([5, -125 + 31 + 128 * row])
    assert down[0, 0, :2] == pytest.approx(np.add(corner, (step / 2, -row * 2 / 3)), abs=1e-4)
    assert down[1, 0, :2] == pytest.approx(np.add(corner, (step, -row * 5 / 3)), abs=1e-4)
    assert geometry.lost == 0
    assert geometry.pixel == pytest.approx((row * 1e-3, step * 1e-3))


def test_lpd(tmp_path: Path) -> None:
    """Places are the far corners of the last pixels; tiles fill the module down, then up."""
    places = {
        f"Q1/M1/T{t + 1:02}/Position": ((-66.0, -17.0 * t) if t < 8 else (0.0, -17.0 * (15 - t)))
        for t in range(16)
    }
    geometry = load(write(tmp_path / "g.h5", 16, **places))
    module = geometry.positions[0, ..., :2] * 1e3
    assert geometry.shape == (16, 256, 256)
    assert module[255, 127] == pytest.approx([-130 - 66 - 0.25, 36 - 0.25], abs=1e-4)
    assert module[0, 0] == pytest.approx([-130 - 66 - 63.75, 36 - 7 * 17 - 15.75], abs=1e-4)
    assert module[0, 255] == pytest.approx([-130 - 0.25, 36 - 7 * 17 - 15.75], abs=1e-4)
    assert (np.diff(module[..., 0], axis=1) > 0.49).all()
    assert (np.diff(module[..., 1], axis=0) > 0.49).all()


def test_quadrants_given(tmp_path: Path) -> None:
    """Those given are used in place of those in the file; without any there is advice."""
    with_places = load(write(tmp_path / "a.h5", 2))
    without = write(tmp_path / "b.h5", 2, quadrants=None)
    assert (load(without, QUADRANTS).positions == with_places.positions).all()
    moved = load(tmp_path / "a.h5", tuple((x + 1, y) for x, y in QUADRANTS))
    assert np.ptp(moved.positions[..., 0] - with_places.positions[..., 0] - 1e-3) < 1e-7
    with pytest.raises(SourceError, match=r"b\.h5 .*quadrants: \[\[x, y\], "):
        load(without)
    with pytest.raises(SourceError, match="needs 4 quadrants, not 1"):
        load(without, QUADRANTS[:1])


def test_quadrants_are_for_hdf5(tmp_path: Path) -> None:
    """With a text they are refused, as they would mean nothing."""
    (tmp_path / "g.geom").write_text("a/min_fs = 0")
    with pytest.raises(SourceError, match="quadrants are for HDF5"):
        load(tmp_path / "g.geom", QUADRANTS)


@pytest.mark.parametrize(
    "value", [None, 7.0, (1.0,), (np.nan, 0.0), (1e300, 0.0), "here", np.zeros((2, 2))]
)
def test_wrong_places(tmp_path: Path, value: Any) -> None:
    """A place that is missing, or not two numbers, is an error that names it."""
    path = write(tmp_path / "g.h5", 2, **{"Q2/M3/T01/Position": value})
    with pytest.raises(SourceError, match="T01"):
        load(path)


def test_other_files(tmp_path: Path) -> None:
    """What is no geometry file, or not there, is told so."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["Q1/Position"] = 1
    (tmp_path / "torn.h5").write_bytes((tmp_path / "other.h5").read_bytes()[:100])
    (tmp_path / "empty").touch()
    for name in ("other.h5", "torn.h5", "empty", "none", "."):
        with pytest.raises(SourceError, match=r"cannot be read as a geometry: \S"):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("names", "message"),
    [(("x", "y", "z"), "maps of the places of pixels"), (("data", "more"), "it holds data, more")],
)
def test_hdf5_files_of_other_kinds_are_named(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    """Maps of pixels as of Cheetah, and any other content, are not asked for quadrants."""
    with h5py.File(tmp_path / "geometry.h5", "w") as file:
        for name in names:
            file[name] = np.zeros((2, 2))
    with pytest.raises(SourceError, match=message) as error:
        load(tmp_path / "geometry.h5")
    assert "quadrants" not in str(error.value)


def damaged(path: Path, original: bytes, changes: list[tuple[int, int]]) -> None:
    """Whatever bytes are changed, the file is read or refused."""
    content = bytearray(original)
    for place, value in changes:
        content[place % len(content)] = value
    path.write_bytes(content)
    with contextlib.suppress(SourceError):
        load(path)


CHANGES = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=6)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a few places only, which is refused at once where nothing is changed."""
    path = tmp_path_factory.mktemp("hostile") / "g.h5"
    with h5py.File(path, "w") as file:
        for q in range(1, 5):
            file[f"Q{q}/Position"] = (1.0, 2.0)
        file["Q1/M1/Position"] = (1.0, 2.0)
    return path


@settings(max_examples=1000)
@given(changes=CHANGES)
def test_damaged_files(original: Path, changes: list[tuple[int, int]]) -> None:
    """No damage does more than to be refused."""
    damaged(original.with_name("damaged.h5"), original.read_bytes(), changes)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=100_000)
@given(changes=CHANGES)
def test_many_damaged_files(original: Path, changes: list[tuple[int, int]]) -> None:
    """As above, for longer."""
    damaged(original.with_name("damaged.h5"), original.read_bytes(), changes)
