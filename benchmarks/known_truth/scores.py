"""How a density compares with the truth, whatever its shift, twin, phase and scale.

All spectra have the zero frequency at [size // 2, size // 2]; rings are one pixel wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

Density = NDArray[Any]
RIGHT = 0.95
"""Least correlation and band correlation of a right answer (L1)."""
CLOSE = 0.2
"""Largest relative errors of a close one (L2)."""
_SUPPORT = 0.05
"""Of the truth's maximum: what exceeds it is the object."""
_RIM = 2
"""Pixels about the object's edge that are not its interior."""
_FINEST = 2.0


@dataclass(frozen=True)
class Scores:
    """How one density compares with the truth."""

    corr: float
    """|<a, b>| / (|a| |b|)."""
    band: float
    """Correlation of the complex spectra from the hole's edge to size / 6."""
    error: float
    """|s a - b| / |b| with the best scale s."""
    interior: float
    """The same within the object, without its rim; nan where it is rim alone."""
    scale: float
    """The best scale s of the density."""
    resolution: float
    """True resolution: full period in pixels at which the FRC with the truth falls below 1/2."""

    @property
    def right(self) -> bool:
        """L1: the object is recognised."""
        return self.corr >= RIGHT and self.band >= RIGHT

    @property
    def close(self) -> bool:
        """L2: its values are right, too."""
        interior = self.interior if np.isfinite(self.interior) else self.error
        return self.error <= CLOSE and interior <= CLOSE and self.band >= RIGHT


def scores(density: Density, truth: Density, hole_edge: float) -> Scores:
    """Compare a density with the truth; ``hole_edge`` in pixels of the pattern."""
    moved = registered(truth, density)
    product = np.linalg.norm(density) * np.linalg.norm(moved)
    if not product:
        return Scores(0.0, 0.0, 1.0, 1.0, 0.0, float(len(truth)))
    scale = np.vdot(density, moved).real / np.linalg.norm(density) ** 2
    inside = interior(moved)
    left, right = _spectrum(density), _spectrum(moved)
    return Scores(
        corr=float(abs(np.vdot(density, moved)) / product),
        band=_band(left, right, hole_edge),
        error=_relative(scale * density, moved),
        interior=_relative(scale * density[inside], moved[inside]) if inside.any() else np.nan,
        scale=float(scale),
        resolution=resolution(ring_correlation(density, moved), hole_edge),
    )


def registered(moving: Density, fixed: Density) -> Density:
    """The best of all shifts, twins and phases of a density, by cross-correlation.

    The correlation's highest pixel is refined in Fourier space, to any fraction of a pixel.
    """
    target = np.fft.fft2(fixed)
    found = []
    for candidate in (moving, twin(moving)):
        spectrum = np.fft.fft2(candidate)
        cross = target * spectrum.conj()
        shift, peak = _peak(cross)
        found.append((abs(peak), shift, peak, spectrum))
    _, shift, peak, spectrum = max(found, key=lambda one: one[0])
    moved = np.fft.ifft2(spectrum * _ramp(shift, moving.shape))
    if np.iscomplexobj(moving) or np.iscomplexobj(fixed):
        return np.asarray(moved * np.exp(1j * np.angle(peak)))
    return np.asarray(moved.real * (np.sign(peak.real) or 1.0))


def twin(density: Density) -> Density:
    """conj(rho(-r)) on the periodic grid."""
    return np.asarray(np.roll(density[::-1, ::-1], 1, axis=(0, 1)).conj())


def interior(truth: Density) -> NDArray[np.bool_]:
    """The object with its holes filled, without its rim."""
    size = np.abs(truth)
    filled = ndimage.binary_fill_holes(size > _SUPPORT * size.max())
    return np.asarray(ndimage.binary_erosion(filled, iterations=_RIM))


def ring_correlation(first: Density, second: Density) -> NDArray[np.float64]:
    """Fourier ring correlation of two registered densities, (size // 2,)."""
    left, right = _spectrum(first), _spectrum(second)
    cross = _rings((left * right.conj()).real)
    power = _rings(np.abs(left) ** 2) * _rings(np.abs(right) ** 2)
    return np.asarray(cross / np.sqrt(np.maximum(power, np.finfo(float).tiny)))


def resolution(profile: NDArray[np.float64], hole_edge: float) -> float:
    """First fall below 1/2 of three-ring means, as a full period in pixels.

    Rings within the hole do not count; linear between rings; 2 where it never falls.
    """
    size = 2 * len(profile)
    padded = np.concatenate([[np.nan], profile, [np.nan]])
    means = np.nanmean(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    start = max(int(np.ceil(hole_edge)), 1)
    below = np.flatnonzero(means[start:] < 0.5)
    if not len(below):
        return _FINEST
    ring = start + int(below[0])
    if below[0] == 0:
        return size / ring
    high, low = means[ring - 1], means[ring]
    return float(size / (ring - 1 + (high - 0.5) / (high - low)))


def coverage(
    density: Density, truth: Density, sigma: NDArray[np.floating], support: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Shares of the support within 1 and 2 sigma of the truth, and predicted over true rms.

    On an absolute scale: only shift, twin and phase are taken out.
    """
    error = np.abs(density - registered(truth, density))[support]
    within = sigma[support]
    rms = float(np.sqrt(np.mean(error**2)))
    predicted = float(np.sqrt(np.mean(within.astype(float) ** 2)))
    return (
        float(np.mean(error <= within)), float(np.mean(error <= 2 * within)),
        predicted / rms if rms else np.inf,
    )  # fmt: skip


def _relative(first: Density, second: Density) -> float:
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


def _spectrum(density: Density) -> NDArray[np.complex128]:
    centred = np.fft.ifftshift(density.astype(np.complex128))
    return np.asarray(np.fft.fftshift(np.fft.fft2(centred, norm="ortho")))


def _radii(size: int) -> NDArray[np.float64]:
    axis = np.arange(size) - size // 2
    return np.asarray(np.hypot(axis[:, None], axis[None, :]))


def _rings(values: NDArray[np.floating]) -> NDArray[np.float64]:
    size = len(values)
    ring = np.rint(_radii(size)).astype(int).ravel()
    return np.bincount(ring, values.ravel())[: size // 2].astype(np.float64)


def _band(left: Density, right: Density, hole_edge: float) -> float:
    radius = _radii(len(left))
    band = (radius >= hole_edge) & (radius < max(len(left) / 6, hole_edge + 4))
    product = np.linalg.norm(left[band]) * np.linalg.norm(right[band])
    return float(np.vdot(left[band], right[band]).real / product) if product else 0.0


def _ramp(shift: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.complex128]:
    rows, columns = (
        np.exp(-2j * np.pi * np.fft.fftfreq(side) * step)
        for side, step in zip(shape, shift, strict=True)
    )
    return np.asarray(rows[:, None] * columns[None, :])


def _peak(cross: NDArray[np.complex128]) -> tuple[NDArray[np.float64], complex]:
    """Shift and height of the highest correlation, whose spectrum is given."""
    whole = np.abs(np.fft.ifft2(cross))
    start = np.array(np.unravel_index(int(whole.argmax()), whole.shape), float)
    frequencies = [np.fft.fftfreq(side) for side in cross.shape]

    def height(shift: NDArray[np.float64]) -> complex:
        rows, columns = (
            np.exp(2j * np.pi * frequency * step)
            for frequency, step in zip(frequencies, shift, strict=True)
        )
        return complex(rows @ cross @ columns)

    norm = abs(height(start)) or 1.0
    best = optimize.minimize(
        lambda shift: -abs(height(shift)) / norm, start, method="Nelder-Mead",
        options={"initial_simplex": start + 0.4 * np.array([[-1, -1], [1, -0.8], [0, 1]]),
                 "xatol": 1e-4, "fatol": 1e-9},
    ).x  # fmt: skip
    return best, height(best)
