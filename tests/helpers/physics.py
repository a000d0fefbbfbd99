"""Small objects with known densities, and engines loaded with their diffraction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spring_mpi.engine.backend import Problem
from spring_mpi.engine.backends.host import HostBackend, Population
from spring_mpi.engine.backends.reference import NumpyOperators, reference_backend
from spring_mpi.engine.bounds import ModulusBounds, modulus_bounds
from spring_mpi.engine.metrics import spectrum
from spring_mpi.engine.random import job_key
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.settings import Settings

Density = NDArray[Any]
# (row, column, width, height) relative to the middle, in pixels: no symmetry of any kind.
_LUMPS = ((0.0, 0.0, 2.0, 1.0), (4.5, 1.0, 1.5, 0.8), (-1.0, -5.0, 1.7, 0.6), (-3.0, 3.5, 1.3, 0.9))


def lumps(size: int, row: float = 0.0, column: float = 0.0) -> Density:
    """A smooth positive object without symmetry, about 16 pixels wide, (size, size) float64."""
    axis = np.arange(size) - size // 2
    density = np.zeros((size, size))
    for down, right, width, height in _LUMPS:
        squared = (axis[:, None] - down - row) ** 2 + (axis[None, :] - right - column) ** 2
        density += height * np.exp(-squared / (2 * width**2))
    return density


def disc(size: int, diameter: float) -> NDArray[np.bool_]:
    """A disc about the middle."""
    axis = np.arange(size) - size // 2
    return np.hypot(axis[:, None], axis[None, :]) * 2 <= diameter


def pattern_of(density: Density, mask: NDArray[Any] | None = None, **options: Any) -> Pattern:
    """The noiseless pattern of a density, its unitary transform squared."""
    middle = len(density) // 2
    return Pattern(np.abs(spectrum(density)) ** 2, mask, (middle, middle), **options)


def bounds_of(density: Density, mask: NDArray[Any] | None = None) -> ModulusBounds:
    """What the noiseless pattern of a density says of its moduli."""
    return modulus_bounds(pattern_of(density, mask), symmetric=np.isrealobj(density), bounded=False)


def settings_of(**values: Any) -> Settings:
    """Settings from ``section__key`` arguments."""
    settings = Settings()
    for name, value in values.items():
        section, key = name.split("__")
        settings.set(section, key, value)
    return settings


def loaded(
    data: ModulusBounds, constraint: str = "positive", precision: str = "double", **values: Any
) -> HostBackend:
    """A reference backend for those data."""
    backend = reference_backend(precision=precision)
    settings = settings_of(object__constraint=constraint, **values)
    backend.load([Problem(data, job_key(1, "test"))], settings)
    return backend


def operators(
    data: ModulusBounds, constraint: str = "positive", precision: str = "double"
) -> NumpyOperators:
    """The reference's operators for those data."""
    return NumpyOperators(data, settings_of(object__constraint=constraint), precision=precision)


class Around:
    """A backend that does as the reference does, but for what a test defines otherwise."""

    def __init__(self) -> None:
        self.reference = reference_backend()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reference, name)


def alone(density: Density, support: NDArray[np.bool_]) -> Population:
    """A population of one individual."""
    return Population(density[None].copy(), support[None].copy())


def noise(size: int, seed: int, *, is_complex: bool = False) -> Density:
    """Normal deviates, (size, size)."""
    random = np.random.default_rng(seed)
    real = random.normal(size=(size, size))
    return real + 1j * random.normal(size=(size, size)) if is_complex else real
