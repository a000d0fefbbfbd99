"""Registration undoes the ambiguities of phase retrieval; the standard orientation has none."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.physics import Density, lumps, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.engine.metrics import correlation
from spring_mpi.model.alignment import (
    Motion,
    canonical,
    orientation_sureness,
    register,
    twin,
)

SIZES = (24, 25)
SHIFTS = st.tuples(st.integers(-11, 11), st.integers(-11, 11))
PART = st.floats(-3, 3, width=32)


def particle(size: int, kind: str) -> Density:
    """An object without symmetry: positive, of both signs, or complex."""
    density = lumps(size)
    if kind == "positive":
        return density
    other = lumps(size, 2.0, -1.0)[:, ::-1]
    return density - 1.6 * other if kind == "real" else density + 1j * other


@pytest.mark.parametrize("kind", ["positive", "real", "complex"])
@pytest.mark.parametrize("size", SIZES)
@given(shift=SHIFTS, flipped=st.booleans(), phase=st.floats(-3, 3))
@settings(max_examples=20)
def test_registration_undoes_a_motion(
    kind: str, size: int, shift: tuple[int, int], flipped: bool, phase: float
) -> None:
    """Shift, twin and phase (of real densities: sign) are recovered."""
    target = particle(size, kind)
    angle = {"positive": 0.0, "real": np.pi * flipped, "complex": phase}[kind]
    moved = Motion(flipped, (float(shift[0]), float(shift[1])), angle).move(target)
    motion = register(moved, target)
    assert motion.twin == flipped
    assert np.allclose(motion.move(moved), target, atol=1e-9)


@pytest.mark.parametrize("size", [48, 49])
@pytest.mark.parametrize("is_complex", [False, True])
@given(row=PART, column=PART)
@settings(max_examples=20)
def test_fractions_of_a_pixel_are_found(
    size: int, is_complex: bool, row: float, column: float
) -> None:
    """Subpixel registration is right to 0.05 px on a band-limited image."""
    target = lumps(size) * (np.exp(0.7j) if is_complex else 1.0)
    moved = Motion(False, (row, column), 0.0).move(target)
    motion = register(moved, target, subpixel=True)
    assert motion.shift == (pytest.approx(-row, abs=0.05), pytest.approx(-column, abs=0.05))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("size", SIZES)
@given(shift=SHIFTS, flipped=st.booleans(), seed=st.integers(0, 1000))
def test_a_motion_keeps_the_diffraction(
    is_complex: bool, size: int, shift: tuple[int, int], flipped: bool, seed: int
) -> None:
    """Whatever the density, a moved one scatters the same intensities."""
    density = noise(size, seed, is_complex=is_complex)
    moved = Motion(flipped, shift, 1.0 if is_complex else np.pi).move(density)
    assert np.allclose(np.abs(np.fft.fft2(moved)), np.abs(np.fft.fft2(density)))


@given(row=PART, column=PART)
def test_a_fractional_motion_keeps_the_diffraction(row: float, column: float) -> None:
    """So does a shift by fractions of a pixel, and shifting back restores the density."""
    density = lumps(25)
    moved = Motion(False, (row, column), 0.0).move(density)
    assert np.allclose(np.abs(np.fft.fft2(moved)), np.abs(np.fft.fft2(density)))
    assert np.allclose(Motion(False, (-row, -column), 0.0).move(moved), density)


@pytest.mark.parametrize("size", SIZES)
def test_the_twin_is_its_own_inverse_and_keeps_the_corner(size: int) -> None:
    """Two twins are none; the twin has the conjugate transform."""
    density = noise(size, 5, is_complex=True)
    assert np.array_equal(twin(twin(density)), density)
    assert np.allclose(np.fft.fft2(twin(density)), np.fft.fft2(density).conj())


def test_a_density_needs_no_motion_onto_itself() -> None:
    """Registration of equals is the identity; a centrosymmetric one is not turned."""
    round_one = np.exp(-(np.hypot(*(np.indices((25, 25)) - 12)) ** 2) / 20)
    for density in (lumps(24), round_one):
        assert register(density, density, subpixel=True) == Motion(False, (0.0, 0.0), 0.0)


@given(shift=SHIFTS, flipped=st.booleans())
def test_the_support_goes_with_its_density(shift: tuple[int, int], flipped: bool) -> None:
    """A moved support is the support of the moved density."""
    density, motion = lumps(25), Motion(flipped, shift, 0.0)
    assert np.array_equal(motion.move_support(density > 0.3), motion.move(density) > 0.3)


def oriented(density: Density) -> Density:
    return canonical(density, np.abs(density) > 0.05).move(density)


@pytest.mark.parametrize("kind", ["positive", "real", "complex"])
@pytest.mark.parametrize("size", SIZES)
@given(shift=SHIFTS, flipped=st.booleans(), phase=st.floats(-3, 3))
@settings(max_examples=20)
def test_the_standard_orientation_has_no_memory(
    kind: str, size: int, shift: tuple[int, int], flipped: bool, phase: float
) -> None:
    """Shifted, turned to the twin, with another phase: the same in standard orientation."""
    target = particle(size, kind)
    angle = {"positive": 0.0, "real": np.pi * flipped, "complex": phase}[kind]
    moved = Motion(flipped, shift, angle).move(target)
    assert np.allclose(oriented(moved), oriented(target), atol=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_the_centre_of_mass_comes_to_the_middle(size: int) -> None:
    """The centre of mass of an oriented density lies within half a pixel of the middle."""
    weight = oriented(np.roll(particle(size, "positive"), (9, -8), axis=(0, 1)))
    centre = (np.indices((size, size)) * weight).sum(axis=(1, 2)) / weight.sum()
    assert np.abs(centre - size // 2).max() <= 0.5 + 0.05


def test_halves_do_not_depend_on_the_place() -> None:
    """Two equal pixels side by side come to the same place from odd and even rows."""
    places: list[NDArray[np.intp]] = []
    for row in (3, 4, 11):
        density = np.zeros((16, 16))
        density[row : row + 2, 5] = 1.0
        places.append(np.argwhere(canonical(density, density > 0).move(density)))
    assert np.array_equal(places[0], places[1])
    assert np.array_equal(places[0], places[2])


def test_of_the_twins_the_one_with_the_long_tail_below() -> None:
    """Along the longer axis the third moment is positive: the tail points down."""
    tail = np.zeros((33, 33))
    tail[10:13, 15:18], tail[13:22, 16] = 1.0, 0.3
    for density in (tail, tail[::-1]):
        rows = np.flatnonzero(oriented(density).any(axis=1))
        weight = oriented(density).sum(axis=1)[rows]
        assert weight[0] > weight[-1]


def test_orientation_compares_noisy_repeats() -> None:
    """Two noisy copies of the twins of an object agree in standard orientation."""
    target = lumps(32)
    first = np.maximum(target + 0.02 * noise(32, 1), 0) * (target > 0.1)
    second = np.maximum(twin(target) + 0.02 * noise(32, 2), 0) * (twin(target) > 0.1)
    assert correlation(oriented(first), oriented(second)) > 0.99


def sureness(density: Density) -> float:
    return orientation_sureness(density, np.abs(density) > 0)


def club(angle: float, size: int = 48) -> Density:
    """A bar with a heavy end, its axis that far from the rows' direction, in degrees."""
    rows, columns = np.indices((size, size)) - size // 2
    along = rows * np.cos(np.radians(angle)) + columns * np.sin(np.radians(angle))
    across = rows * np.sin(np.radians(angle)) - columns * np.cos(np.radians(angle))
    bar = (np.abs(along) < 15) & (np.abs(across) < 3)
    return 1.0 * bar + 4.0 * (np.hypot(along + 12, across) < 4.1)


@pytest.mark.parametrize("angle", [-60, -30, 0, 45, 70])
@given(shift=SHIFTS, flipped=st.booleans())
@settings(max_examples=10)
def test_what_is_lopsided_is_oriented_for_sure(
    angle: float, shift: tuple[int, int], flipped: bool
) -> None:
    """Wherever it lies, and whichever twin it is."""
    moved = Motion(flipped, shift, 0.0).move(club(angle))
    assert sureness(moved) == pytest.approx(sureness(club(angle)), abs=1e-9)
    assert 0.2 < sureness(moved) <= 1


@pytest.mark.parametrize(
    "density",
    [
        club(90),
        club(89.7),
        club(30) + twin(club(30)),
        np.where(np.hypot(*(np.indices((48, 48)) - 24)) < 12, 1.0, 0.0),
        np.zeros((48, 48)),
    ],
    ids=["along a row", "nearly along a row", "symmetric", "round", "nothing"],
)
def test_what_is_oriented_by_chance(density: Density) -> None:
    """Where a small change gives the other twin, the rule is not sure at all."""
    assert sureness(density) == pytest.approx(0, abs=1e-9)


def test_the_other_twin_needs_an_unsure_rule() -> None:
    """Noise that makes the rule choose the other twin meets a low sureness."""
    for angle in range(-90, 90, 6):
        density = club(angle)
        disturbed = np.maximum(density + 0.05 * noise(48, angle + 90), 0) * (density > 0)
        if register(oriented(disturbed), oriented(density)).twin:
            assert sureness(density) < 0.05
