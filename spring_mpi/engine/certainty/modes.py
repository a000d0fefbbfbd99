"""Features of a density that the data do not determine.

Those Fourier pixels at low q that were not measured, restricted to the support, span densities that
the data see only in part. Of a matrix B whose rows are the real Fourier basis of these pixels, on
the pixels of the support, the eigenvalues of B B' are the shares of a feature's power that are not
measured; their eigenvectors, transformed by B', are the features. Thibault et al., Acta Cryst. A
62, 248 (2006), call them weakly constrained modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...model.rings import radii
from .data import Data

_MOST_PIXELS = 24
"""Unmeasured Fourier pixels that are looked at, those at lowest q, partners counted once."""
_WIDEST = 24
"""Radius up to which they are looked at, pixels."""
_TINY = 1e-6
_LARGEST_SHARE = 1 - 1e-4


@dataclass(frozen=True)
class Modes:
    """Weakly determined features, the weakest first."""

    images: NDArray[np.inexact]
    """(modes, pixels of the support), each of norm 1."""
    unmeasured: NDArray[np.float64]
    """(modes,): share of the power that is not measured, 0 to 1."""


def weak_modes(support: NDArray[np.bool_], data: Data) -> Modes:
    """The features within a support that the unmeasured centre hides, at least a hundredth."""
    basis = _basis(support, data)
    if basis.size == 0:
        return Modes(np.empty((0, int(support.sum()))), np.empty(0))
    shares, vectors = np.linalg.eigh(basis @ basis.conj().T)
    order = np.argsort(shares)[::-1]
    order = order[shares[order] > max(_TINY, 0.01)]
    images = (basis.conj().T @ vectors[:, order]).T / np.sqrt(shares[order])[:, None]
    return Modes(images, np.minimum(shares[order], _LARGEST_SHARE))


def _basis(support: NDArray[np.bool_], data: Data) -> NDArray[np.inexact]:
    """The Fourier basis of the unmeasured pixels, (functions, pixels of the support)."""
    size, middle = data.size, data.size // 2
    radius = radii(size)
    missing = ~data.measured & (radius <= _WIDEST)
    if data.is_real:
        # Partners are the same functions: those below the middle row are left out.
        missing[middle + 1 :] = False
        missing[middle, middle + 1 :] = False
    rows, columns = np.nonzero(missing)
    nearest = np.argsort(radius[rows, columns], kind="stable")[:_MOST_PIXELS]
    q = np.stack([rows[nearest], columns[nearest]]) - middle
    places = np.stack(np.nonzero(support)) - middle
    waves: NDArray[np.complex128] = np.exp(2j * np.pi / size * (q.T @ places)) / size
    if not data.is_real:
        return waves
    # A pair of partners makes a cosine and a sine; the zero frequency is its own partner.
    is_zero = ~q.any(axis=0)
    cosines = waves.real * np.where(is_zero, 1, np.sqrt(2))[:, None]
    real: NDArray[np.float64] = np.concatenate([cosines, waves.imag[~is_zero] * np.sqrt(2)])
    return real
