"""Laws of the image that a geometry makes of a stack: every value is a pixel's, in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import PatternError
from spring_mpi.events.geometry import Geometry, lay_out, layout
from spring_mpi.events.geometry.panels import Panel, positions_of

PITCH = 1e-4


def panel(module: int, corner: tuple[float, float], turn: complex = 1, size: int = 4) -> Panel:
    """A square one, its corner (x, y) in pixels; columns along ``turn`` = x + iy, rows 90 degrees
    further."""
    fs, ss = turn * PITCH, turn * 1j * PITCH
    return Panel(
        f"p{module}", module, slice(0, size), slice(0, size),
        (corner[0] * PITCH, corner[1] * PITCH, 0.5), (ss.real, ss.imag, 0), (fs.real, fs.imag, 0),
    )  # fmt: skip


def detector(*panels: Panel, **options: Any) -> Geometry:
    """The geometry of these panels without a bad pixel."""
    positions = positions_of(panels)
    bad = np.zeros(positions.shape[:3], np.bool_)
    return lay_out(positions, (PITCH, PITCH), options.pop("bad", bad), **options)


def numbered(geometry: Geometry) -> NDArray[np.int64]:
    """A stack of which every pixel has a number of its own, from 1."""
    return np.arange(1, np.prod(geometry.shape) + 1).reshape(geometry.shape)


def test_two_panels() -> None:
    """Rows go down (-y), columns right (-x), holes are 0 and excluded, the beam is between pixels.

    Module 0 has x to the left and y up as stored, so it comes upside down and mirrored; module 1
    is turned by 180 degrees, so it comes as it is.
    """
    left = panel(0, (1, 0), size=2)
    right = panel(1, (0, 2), turn=-1, size=2)
    image, excluded = detector(left, right).assemble(numbered(detector(left, right)))
    assert image.tolist() == [[4, 3, 0, 5, 6], [2, 1, 0, 7, 8]]
    assert excluded.tolist() == [[False, False, True, False, False]] * 2
    assert detector(left, right).center == pytest.approx((1.5, 2.5), abs=2e-3)


@given(
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    st.sampled_from([1, 1j, -1, -1j]),
)
def test_one_panel_is_exact(corner: tuple[float, float], turn: complex) -> None:
    """Of a single panel no pixel is lost, and the centre is exact, wherever and however it lies."""
    geometry = detector(panel(0, corner, turn))
    row, column = np.unravel_index(geometry.gather.argsort(axis=None), geometry.gather.shape)
    wanted = -geometry.positions.reshape(-1, 3)[:, 1::-1] / PITCH
    assert geometry.lost == 0
    assert geometry.gather.size == 16
    found = np.stack([row, column], axis=-1) - geometry.center
    assert np.abs(found - wanted).max() < 2e-3


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=4),
       st.floats(0, 6.28))  # fmt: skip
def test_values_are_pixels(corners: list[tuple[int, int]], angle: float) -> None:
    """Every place of the image holds a pixel within 0.5 px, no pixel is there twice, and those
    that are not there are counted."""
    geometry = detector(
        *(panel(number, corner, np.exp(1j * angle)) for number, corner in enumerate(corners))
    )
    image, excluded = geometry.assemble(numbered(geometry))
    shown = image[~excluded]
    assert len({*shown}) == len(shown) == np.prod(geometry.shape) - geometry.lost
    assert (image[excluded] == 0).all()
    row, column = np.nonzero(~excluded)
    x, y = geometry.positions.reshape(-1, 3)[shown - 1, :2].T / PITCH
    error = np.stack([row - geometry.center[0] + y, column - geometry.center[1] + x])
    assert np.ptp(error, axis=1).max() <= 1.01


@pytest.mark.parametrize("noise", [-1e-9, 1e-9])
def test_ties_are_not_torn(noise: float) -> None:
    """A panel exactly between two places of the grid stays whole whatever its last digits are."""
    positions = positions_of([panel(0, (0.5, 0.5), size=32)])
    positions += noise * PITCH * np.random.default_rng(1).random(positions.shape)
    geometry = lay_out(positions, (PITCH, PITCH), np.zeros(positions.shape[:3], np.bool_))
    assert geometry.lost == 0
    assert geometry.gather.shape == (32, 32)


def test_the_nearer_wins() -> None:
    """Of two pixels at one place the nearer one is shown, and a good one rather than a bad one."""
    on_grid, off_grid = panel(0, (0, 0)), panel(1, (0.3, 0))
    geometry = detector(on_grid, off_grid, panel(2, (20, 0)), panel(3, (30, 0)))
    assert set(geometry.gather[geometry.gather >= 0] // 16) == {0, 2, 3}
    assert geometry.lost == 16
    bad = np.zeros((4, 4, 4), np.bool_)
    bad[0] = True
    geometry = detector(on_grid, off_grid, panel(2, (20, 0)), panel(3, (30, 0)), bad=bad)
    assert set(geometry.gather[geometry.gather >= 0] // 16) == {1, 2, 3}


def test_bad_pixels_are_shown_but_excluded() -> None:
    """A bad pixel keeps its value in the image; the mask tells."""
    bad = np.zeros((1, 4, 4), np.bool_)
    bad[0, 1, 2] = True
    geometry = detector(panel(0, (0, 0)), bad=bad)
    image, excluded = geometry.assemble(numbered(geometry))
    assert image[excluded].tolist() == [1 + 4 + 2]


def test_missing_modules() -> None:
    """A stack of some modules, in any order, fills their places; the others are excluded."""
    geometry = detector(*(panel(number, (5 * number, 0)) for number in range(3)))
    whole, holes = geometry.assemble(numbered(geometry))
    image, excluded = geometry.assemble(numbered(geometry)[[2, 0]], (2, 0))
    is_lacking = geometry.gather // 16 == 1
    assert (excluded == (holes | is_lacking)).all()
    assert (image == np.where(is_lacking, 0, whole)).all()


def test_module_axis_may_be_last() -> None:
    """(rows, columns, modules), as raw frames of the CSPAD 2x2 are."""
    geometry = detector(panel(0, (0, 0)), panel(1, (9, 0)))
    stack = numbered(geometry)
    moved = geometry.assemble(np.moveaxis(stack, 0, -1))[0]
    assert moved.tolist() == geometry.assemble(stack)[0].tolist()


@pytest.mark.parametrize(
    ("shape", "modules"),
    [((3, 4, 4), None), ((2, 4, 5), None), ((4, 4), None), ((2, 2, 4, 4), None), ((2,), None),
     ((2, 4, 4), (0, 2)), ((2, 4, 4), (1, 1)), ((2, 4, 4), (0,)), ((1, 4, 4), (-1,))],
)  # fmt: skip
def test_stacks_of_others(shape: tuple[int, ...], modules: tuple[int, ...] | None) -> None:
    """A stack that is not of this detector is an error with both shapes."""
    geometry = detector(panel(0, (0, 0)), panel(1, (9, 0)))
    with pytest.raises(PatternError, match=r"frame is .*geometry is of .*\(2, 4, 4\)"):
        geometry.assemble(np.zeros(shape), modules)


def test_larger_stacks() -> None:
    """Where the file speaks of some pixels only, the stack may have more; never fewer."""
    geometry = detector(panel(0, (0, 0)), is_part=True)
    larger = np.pad(numbered(geometry), ((0, 0), (0, 3), (0, 2)))
    expected = geometry.assemble(numbered(geometry))[0].tolist()
    assert geometry.assemble(larger[0])[0].tolist() == expected
    with pytest.raises(PatternError, match="at least"):
        geometry.assemble(larger[:, :3])


def test_what_is_a_stack() -> None:
    """Arrays are stacks by their shape, unless they can only be images."""
    two = detector(panel(0, (0, 0)), panel(1, (9, 0)))
    assert two.is_stack((2, 4, 4))
    assert not two.is_stack(two.gather.shape)
    part = detector(panel(0, (0, 0)), is_part=True)
    assert part.is_stack((1, 6, 6))
    assert part.is_stack((6, 4))
    assert not part.is_stack((3, 4))


def test_ring_is_round() -> None:
    """A ring about the beam, seen by four turned modules, is one in the image, of its radius."""
    corners = [(3.2, 5.1, 1), (-4.3, 2.2, 1j), (-2.4, -5.3, -1), (4.4, -3.1, -1j)]
    geometry = detector(
        *(panel(n, (x, y), turn * np.exp(0.01j), 64) for n, (x, y, turn) in enumerate(corners))
    )
    radius = np.hypot(geometry.positions[..., 0], geometry.positions[..., 1]) / PITCH
    ring = np.exp(-((radius - 40) ** 2) / 8)
    image, excluded = geometry.assemble(ring)
    row, column = np.nonzero(~excluded)
    weights = image[~excluded]
    distance = np.hypot(row - geometry.center[0], column - geometry.center[1])
    assert np.average(distance, weights=weights) == pytest.approx(40, abs=0.1)
    # By least squares, as the ring is not closed: r^2 = 2 a row + 2 b column + c.
    design = np.stack([2 * row, 2 * column, np.ones(len(row))], axis=1) * weights[:, None]
    fitted = np.linalg.lstsq(design, (row**2 + column**2) * weights, rcond=None)[0]
    assert fitted[:2] == pytest.approx(geometry.center, abs=0.2)


def test_images_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that are absurdly far apart are an error, not a huge allocation."""
    with pytest.raises(ValueError, match="too many to hold"):
        detector(panel(0, (0, 0)), panel(1, (1e8, 1e8)))
    monkeypatch.setattr(layout, "LARGEST", 100)
    with pytest.raises(ValueError, match="image of 4 x 104"):
        detector(panel(0, (0, 0)), panel(1, (100, 0)))


def test_no_pixel() -> None:
    """A geometry without a known pixel is an error."""
    positions = np.full((1, 2, 2, 3), np.nan)
    with pytest.raises(ValueError, match="places no pixel"):
        lay_out(positions, (PITCH, PITCH), np.zeros((1, 2, 2), np.bool_))


def test_geometry_is_frozen() -> None:
    """Its arrays cannot be written to."""
    geometry = detector(panel(0, (0, 0)))
    for array in (geometry.positions, geometry.gather, geometry.excluded):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
