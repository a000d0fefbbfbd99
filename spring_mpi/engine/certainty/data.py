"""What was measured, as figures of merit compare it with a density."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...model.pattern import Pattern
from ...model.rings import ring_sums
from ..bounds import friedel_mean

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Data:
    """The measured intensities, Friedel partners averaged where the density is real.

    Images are (size, size), photons, zero frequency at [size // 2, size // 2].
    """

    intensity: Values
    measured: Flags
    """Where the pixel, or its partner, is measured."""
    partners: NDArray[np.int8]
    """How many pixels were averaged: 0, 1 or 2."""
    single: Values
    """The intensities as they were, before any average."""
    single_measured: Flags
    is_real: bool

    @classmethod
    def of(cls, pattern: Pattern, *, is_real: bool) -> Data:
        """The data of a pattern."""
        single, flags = pattern.intensity.astype(np.float64), pattern.measured
        if not is_real:
            return cls(single, flags, flags.astype(np.int8), single, flags, is_real)
        mean, partners = friedel_mean(single, flags)
        return cls(mean, partners > 0, partners.astype(np.int8), single, flags, is_real)

    @property
    def size(self) -> int:
        return len(self.intensity)

    @cached_property
    def modulus(self) -> Values:
        """sqrt(photons), (size, size)."""
        return np.sqrt(np.maximum(self.intensity, 0))

    @cached_property
    def hole_radius(self) -> float:
        """Radius of the unmeasured centre, pixels: where the first ring begins that is half
        measured; 0 where there is none."""
        ones = np.ones_like(self.intensity)
        share = ring_sums(self.measured * ones) / ring_sums(ones)
        measured = np.flatnonzero(share >= 0.5)
        first = int(measured[0]) if len(measured) else len(share)
        return max(first - 0.5, 0.0) if first else 0.0
