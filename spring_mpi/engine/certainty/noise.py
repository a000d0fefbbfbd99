"""What photon and read noise alone do to measured moduli, as expectations, without random numbers.

The model of a pixel is Poisson(lambda) + N(0, r), lambda the photons expected there and r the read
noise in photons; where Friedel partners are averaged, the mean of two of them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Values = NDArray[np.float64]

_GRID = np.concatenate([np.linspace(0, 4, 25), np.geomspace(4.5, 1e3, 12)])
"""Of sqrt(lambda), on which expectations are tabulated."""
_COUNTED_UP_TO = 30.0
"""Expected counts up to which they are summed one by one; a Gaussian serves beyond."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(12)
_DIM = 0.1
"""Expected photons below which a pixel shows read noise alone."""
_FEWEST_DIM = 100


def read_noise(intensity: Values, measured: NDArray[np.bool_], expected: Values) -> float:
    """Standard deviation of the read noise, photons.

    The root of the mean square of the negative measured pixels: they hold read noise alone. A
    detector, or a preparation, that clips negatives leaves none; then it is taken from half the
    width between the 16 % and 84 % quantiles of the pixels in which next to nothing is expected.

    Parameters
    ----------
    intensity, measured, expected
        (size, size); photons measured and expected.
    """
    negative = intensity[measured & (intensity < 0)]
    if len(negative):
        return float(np.sqrt(np.mean(np.square(negative, dtype=np.float64))))
    dim = intensity[measured & (expected < _DIM)]
    if len(dim) < _FEWEST_DIM:
        return 0.0
    low, high = np.quantile(dim, [0.16, 0.84])
    return float(high - low) / 2


def expected_misfit(expected: Values, partners: NDArray[np.integer], noise: float) -> Values:
    """Mean square of (measured - true modulus) that noise makes, photons, elementwise.

    Parameters
    ----------
    expected
        Photons of every pixel.
    partners
        How many pixels were averaged, 1 or 2.
    noise
        Read noise, photons.
    """
    root = np.sqrt(expected)
    misfit: Values = np.interp(root, _GRID, _table(2, round(noise, 2)))
    alone = partners == 1
    misfit[alone] = np.interp(root[alone], _GRID, _table(1, round(noise, 2)))
    return misfit


@lru_cache(maxsize=64)
def _table(partners: int, noise: float) -> Values:
    """The mean square misfit on the grid."""
    return np.array([_misfit(root**2, partners, noise) for root in _GRID])


def _misfit(expected: float, partners: int, noise: float) -> float:
    """E[(sqrt(max(M, 0)) - sqrt(lambda))^2], M the mean of so many noisy pixels."""
    total = partners * expected
    if total <= _COUNTED_UP_TO:
        counts = np.arange(int(total + 10 * np.sqrt(total) + 12))
        chances = np.exp(special.xlogy(counts, total) - total - special.gammaln(counts + 1))
        sums = counts[:, None] + np.sqrt(partners) * noise * _NODES
    else:
        chances = np.ones(1)
        sums = total + np.sqrt(total + partners * noise**2) * _NODES[None, :]
    roots = np.sqrt(np.maximum(sums / partners, 0))
    weights = chances[:, None] * _WEIGHTS / _WEIGHTS.sum()
    return float(np.sum(weights * (roots - np.sqrt(expected)) ** 2))
