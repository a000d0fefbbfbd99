"""How far the moduli of a density are from the data, and what noise alone makes of that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...model.rings import radii
from ..metrics import spectrum
from .data import Data, Values
from .noise import expected_misfit, read_noise

_LEFT_OUT = 0.005
"""Share of the measured pixels."""


@dataclass(frozen=True)
class Misfit:
    """Squared differences of a density's moduli from the data, on the measured pixels, photons."""

    found: Values
    expected: Values
    """What noise makes of them."""
    powers: Values
    """The data's own squares."""
    modulus: Values
    """Of the density, (size, size)."""
    read_noise: float
    """Photons."""

    @classmethod
    def of(cls, density: NDArray[np.inexact], data: Data) -> Misfit:
        """Of a density, (size, size)."""
        modulus = np.abs(spectrum(density)).astype(np.float64)
        noise = read_noise(data.single, data.single_measured, modulus**2)
        inside, measured = data.measured, data.modulus[data.measured]
        return cls(
            (modulus[inside] - measured) ** 2,
            expected_misfit(modulus[inside] ** 2, data.partners[inside], noise),
            measured**2,
            modulus,
            noise,
        )

    @property
    def power(self) -> float:
        """Sum of the data's squares; more than 0."""
        return float(max(self.powers.sum(), np.finfo(np.float64).tiny))

    @property
    def is_typical(self) -> NDArray[np.bool_]:
        """False for the pixels that differ most."""
        last = len(self.found) - 1
        rank = min(int((1 - _LEFT_OUT) * len(self.found)), last)
        return np.asarray(self.found <= np.partition(self.found, rank)[rank])

    def excess(self, where: NDArray[np.bool_]) -> float:
        """The root of what noise does not explain there, relative to all power."""
        unexplained = float((self.found - self.expected)[where].sum())
        return float(np.sqrt(max(unexplained, 0.0) / self.power))

    def low_excess(self, data: Data) -> float:
        """See `Figures.low_excess`; relative to the power in that band."""
        radius = radii(data.size)[data.measured]
        band = (radius >= data.hole_radius) & (radius <= data.size / 6)
        unexplained = float((self.found - self.expected)[band].sum())
        return float(np.sqrt(share(max(unexplained, 0.0), float(self.powers[band].sum()))))


def share(part: float, whole: float) -> float:
    """The quotient; 0 where the whole is 0."""
    return float(part / whole) if whole > 0 else 0.0
