"""Registration: the ambiguities of phase retrieval are a shift, the twin and a global phase.

The twin of rho(r) is conj(rho(-r)); it scatters the same intensities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Density = NDArray[Any]
TWIN_MARGIN = 1 + 1e-6
"""How many times as strong the twin's correlation must be: of equals, but for rounding, no twin."""
_CHANGE = 0.05
"""Of the second moments, against which an orientation has to stand."""
_AXES = 9
_TINY = np.finfo(np.float64).tiny
"""A divisor in place of 0, so that 0 / 0 is 0."""


@dataclass(frozen=True)
class Motion:
    """How a density moves onto another: first the twin, then the shift, then the phase."""

    twin: bool
    shift: tuple[float, float]
    """(row, column), pixels."""
    phase: float
    """Radians; 0 or pi for real densities."""

    def move(self, density: Density) -> Density:
        """The moved density; whole shifts move pixels, others turn phases in Fourier space."""
        moved = twin(density) if self.twin else density
        moved = _shifted(moved, self.shift)
        return _turned(moved, self.phase) if self.phase else moved

    def move_support(self, support: NDArray[Any]) -> NDArray[Any]:
        """The support moved along, by the nearest whole shift."""
        moved = _flipped(support) if self.twin else support
        return np.roll(moved, [round(step) for step in self.shift], axis=(0, 1))


def twin(density: Density) -> Density:
    """conj(rho(-r)) on the periodic grid; pixel [0, 0] stays."""
    flipped = _flipped(density)
    return flipped.conj() if np.iscomplexobj(flipped) else flipped


class Anchor:
    """A density that others are moved onto; what becomes of it later does not matter."""

    def __init__(self, target: Density) -> None:
        self._spectrum = _forward(target)

    def motion(self, density: Density, *, subpixel: bool = False) -> Motion:
        """The motion that brings a density of the same kind closest, by cross-correlation.

        Both twins are tried; equal peaks prefer no twin. ``subpixel`` refines the shift by a
        parabola through the peak and its neighbours.
        """
        spectrum = _forward(density)
        direct = _backward(spectrum.conj() * self._spectrum, density)
        mirrored = _backward(spectrum * self._spectrum, density)
        strengths = np.abs(direct), np.abs(mirrored)
        flipped = bool(strengths[1].max() > strengths[0].max() * TWIN_MARGIN)
        peaks, strength = (mirrored if flipped else direct), strengths[flipped]
        row, column = np.unravel_index(int(strength.argmax()), strength.shape)
        shift = _centred((int(row), int(column)), strength, subpixel)
        return Motion(flipped, shift, phase_of(complex(peaks[row, column]), density))


def register(density: Density, target: Density, *, subpixel: bool = False) -> Motion:
    """The motion that brings a density closest to the target; see `Anchor.motion`."""
    if np.iscomplexobj(density) or np.iscomplexobj(target):
        density, target = density + 0j, target + 0j
    return Anchor(target).motion(density, subpixel=subpixel)


def canonical(density: Density, support: NDArray[np.bool_]) -> Motion:
    """The motion to the standard orientation, so that results of different settings compare.

    The centre of mass of |density| comes to [size // 2, size // 2] (whole pixels, on the periodic
    grid); of the twins the one with the larger third moment along the longer axis is taken; the
    sum of the density becomes real and positive.
    """
    size = len(density)
    weight = np.abs(density) * support
    flipped = _third_moment(weight, _centre_of_mass(weight)) < 0
    if flipped:
        weight = _flipped(weight)
    # Halves are always rounded up: round() would make the result depend on where the object lay.
    row, column = (np.floor(size // 2 - middle + 0.5) for middle in _centre_of_mass(weight))
    total = np.sum(density * support, dtype=np.complex128)
    phase = phase_of(total if flipped else total.conjugate(), density)
    return Motion(flipped, (float(row), float(column)), phase)


def orientation_sureness(density: Density, support: NDArray[np.bool_]) -> float:
    """How far the rule of `canonical` is from choosing the other twin, 0 (by chance) to 1.

    With t the distance along an axis through the centre of mass, weighted by |density|, it is the
    sum of t^3 over the sum of |t|^3, 0 for what is symmetric; the least of it over all axes that
    would be the longer one if the second moments changed by a twentieth. It is 0 where one of these
    axes gives the other twin: of round objects, and of such that lie along a row, as there an axis
    that points down turns from right to left.
    """
    weight = np.abs(density) * support
    rows, columns, weights = _weighted(weight, _centre_of_mass(weight))
    down, mixed, right = (
        float(np.sum(weights * term)) for term in (rows**2, rows * columns, columns**2)
    )
    spread = np.hypot(down - right, 2 * mixed)
    change = _CHANGE * (down + right)
    reach = 0.5 * (np.arcsin(change / spread) if spread > change else np.pi)
    middle = _longer_axis(down, mixed, right)
    skews = [_skew(rows, columns, weights, angle)
             for angle in np.linspace(middle - reach, middle + reach, _AXES)]  # fmt: skip
    lowest, highest = min(skews), max(skews)
    return max(0.0, lowest, -highest)


def phase_of(overlap: complex, density: Density) -> float:
    """The phase of an overlap; for real densities 0, or pi where they differ in sign."""
    if np.iscomplexobj(density):
        return float(np.angle(overlap))
    return np.pi if overlap.real < 0 else 0.0


def _turned(density: Density, phase: float) -> Density:
    factor = np.exp(1j * phase) if np.iscomplexobj(density) else np.sign(np.cos(phase))
    turned: Density = density * factor.astype(density.dtype)
    return turned


def _flipped(array: NDArray[Any]) -> NDArray[Any]:
    return np.roll(array[::-1, ::-1], 1, axis=(0, 1))


def _shifted(density: Density, shift: tuple[float, float]) -> Density:
    if all(step == int(step) for step in shift):
        return np.roll(density, [int(step) for step in shift], axis=(0, 1))
    spectrum = _forward(density)
    rows, columns = (
        _ramp(side, step, density) for side, step in zip(density.shape, shift, strict=True)
    )
    spectrum *= rows.astype(spectrum.dtype)[:, None]
    spectrum *= columns.astype(spectrum.dtype)[None, : spectrum.shape[1]]
    return _backward(spectrum, density).astype(density.dtype, copy=False)


def _ramp(side: int, step: float, density: Density) -> NDArray[np.complex128]:
    """The phases of a shift along one axis, (side,)."""
    ramp: NDArray[np.complex128] = np.exp(-2j * np.pi * step * fft.fftfreq(side))
    if side % 2 == 0 and not np.iscomplexobj(density):
        # The highest frequency is its own partner: what is real stays so.
        ramp[side // 2] = ramp[side // 2].real
    return ramp


def _forward(density: Density) -> Density:
    """The transform; of a real density half of it is enough."""
    transform: Density = (fft.fft2 if np.iscomplexobj(density) else fft.rfft2)(density)
    return transform


def _backward(spectrum: Density, density: Density) -> Density:
    """The inverse, of the kind and shape of that density."""
    backward = fft.ifft2 if np.iscomplexobj(density) else fft.irfft2
    image: Density = backward(spectrum, s=density.shape, overwrite_x=True)
    return image


def _centred(
    peak: tuple[int, int], strength: NDArray[np.floating], subpixel: bool
) -> tuple[float, float]:
    """The peak as a signed shift, each coordinate in [-size / 2, size / 2)."""
    shift = []
    for axis, position in enumerate(peak):
        side = strength.shape[axis]
        line = np.take(strength, peak[1 - axis], axis=1 - axis)
        step = position + (_vertex(line, position) if subpixel else 0.0)
        shift.append((step + side / 2) % side - side / 2)
    return (float(shift[0]), float(shift[1]))


def _vertex(line: NDArray[np.floating], position: int) -> float:
    """Offset of the vertex of the parabola through a peak and its neighbours, in [-0.5, 0.5]."""
    left, middle, right = (float(line[(position + step) % len(line)]) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    # Millionths of a pixel are rounding, and would keep what is in place from staying there.
    return round(max(-0.5, min(0.5, 0.5 * (left - right) / bend)), 6) if bend < 0 else 0.0


def _centre_of_mass(weight: NDArray[np.floating]) -> tuple[float, float]:
    """(row, column) on the periodic grid."""
    # The two coordinates are independent: profiles are enough.
    rows, columns = (weight.sum(axis=1 - axis, dtype=np.float64) for axis in (0, 1))
    return (_middle(rows), _middle(columns))


def _middle(profile: NDArray[np.float64]) -> float:
    """Mean position on a ring: the angle of the first Fourier coefficient says where to cut it."""
    side, positions = len(profile), np.arange(len(profile))
    turn = np.angle(np.sum(profile * np.exp(2j * np.pi * positions / side))) / (2 * np.pi)
    offsets = _around(positions - turn * side, side)
    return float(turn * side + np.sum(profile * offsets) / max(profile.sum(), _TINY))


def _around(positions: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """Positions on a ring as signed distances from 0, in [-side / 2, side / 2)."""
    return (positions + side / 2) % side - side / 2


def _third_moment(weight: NDArray[np.floating], centre: tuple[float, float]) -> float:
    """Third moment along the longer principal axis, the axis pointing down (or right)."""
    rows, columns = _offsets(weight, centre)
    moments = [np.sum(weight * term) for term in (rows**2, rows * columns, columns**2)]
    angle = _longer_axis(*moments)
    return float(np.sum(weight * (rows * np.cos(angle) + columns * np.sin(angle)) ** 3))


def _offsets(
    weight: NDArray[np.floating], centre: tuple[float, float]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Distances from the centre, (size, 1) and (1, size)."""
    rows, columns = (
        _around(np.arange(side) - middle, side)
        for side, middle in zip(weight.shape, centre, strict=True)
    )
    return rows[:, None], columns[None, :]


def _longer_axis(down: Any, mixed: Any, right: Any) -> float:
    """Angle from the rows' direction of the longer principal axis, in [-pi / 2, pi / 2]."""
    return float(0.5 * np.arctan2(2 * mixed, down - right))


def _weighted(
    weight: NDArray[np.floating], centre: tuple[float, float]
) -> tuple[NDArray[np.floating], ...]:
    """Row, column and weight of every pixel that has weight, relative to the centre."""
    rows, columns = np.broadcast_arrays(*_offsets(weight, centre))
    has_weight = weight > 0
    return rows[has_weight], columns[has_weight], weight[has_weight].astype(np.float64)


def _skew(
    rows: NDArray[np.floating],
    columns: NDArray[np.floating],
    weights: NDArray[np.floating],
    angle: float,
) -> float:
    """The sum of t^3 over that of |t|^3 along an axis, which points down."""
    along = rows * np.cos(angle) + columns * np.sin(angle)
    cubes = weights * along**3
    skew = float(cubes.sum() / max(np.abs(cubes).sum(), _TINY))
    return skew if np.cos(angle) >= 0 else -skew
