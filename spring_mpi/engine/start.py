"""The initial population: superposed spheres in a support of given size.

SPRING starts from spherical profiles (its settings ``init.*``); how many, where and how strong
they are is our own choice: up to ``init.items`` of them, anywhere inside the support.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..settings import Init, Settings
from .random import Purpose, uniforms

_NUMBERS_PER_ITEM = 5


def start_support(init: Init, size: int) -> NDArray[np.bool_]:
    """Disc or square of extent ``supportsize`` about [size // 2, size // 2], (size, size)."""
    axis = np.abs(np.arange(size) - size // 2)
    if init.shape == "square":
        return np.maximum(axis[:, None], axis[None, :]) * 2 <= init.supportsize
    return np.hypot(axis[:, None], axis[None, :]) * 2 <= init.supportsize


def start_density(
    settings: Settings, size: int, key: int, generation: int, individual: int
) -> NDArray[np.inexact]:
    """One start density, (size, size): float32, or complex64 where it is complex.

    Between 1 and ``items`` spheres; diameter ``supportsize`` x U(itemsize_min, itemsize_max), the
    centre uniform where the sphere stays within the disc, weight U(0, 1) (and a phase of its own
    in a complex density), profile (1 - r^2/R^2)^gamma.
    """
    init, is_complex = settings.init, settings.object.constraint == "complex"
    numbers = uniforms(
        key, Purpose.START, generation, individual, 1 + _NUMBERS_PER_ITEM * init.items
    ).astype(np.float64)
    count = 1 + int(numbers[0] * init.items)
    density = np.zeros((size, size), np.complex128)
    for item in numbers[1:].reshape(init.items, _NUMBERS_PER_ITEM)[:count]:
        density += _sphere(init, size, item) * (np.exp(2j * np.pi * item[4]) if is_complex else 1)
    return density.astype(np.complex64) if is_complex else density.real.astype(np.float32)


def _sphere(init: Init, size: int, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    span = init.itemsize_max - init.itemsize_min
    outer = init.supportsize / 2
    inner = outer * (init.itemsize_min + span * numbers[0])
    distance, angle = (outer - inner) * np.sqrt(numbers[1]), 2 * np.pi * numbers[2]
    row, column = distance * np.sin(angle), distance * np.cos(angle)
    axis = np.arange(size) - size // 2
    squared = ((axis[:, None] - row) ** 2 + (axis[None, :] - column) ** 2) / inner**2
    sphere: NDArray[np.float64] = numbers[3] * np.maximum(1 - squared, 0) ** init.gamma
    return sphere
