"""The initial population: superposed spheres in a support of given size.

SPRING starts from spherical profiles (its settings ``init.*``); how many, where and how strong
they are is our own choice: up to ``init.items`` of them, anywhere inside the support.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..model.settings import Init
from .random import Purpose, uniforms

_NUMBERS_PER_ITEM = 5


class Sphere(NamedTuple):
    """One item of a start density."""

    radius: float
    """Pixels."""
    row: float
    """Of the centre, pixels from [size // 2, size // 2]."""
    column: float
    strength: complex
    """The density at the centre; real where densities are."""


def start_support(init: Init, size: int) -> NDArray[np.bool_]:
    """Disc or square of extent ``supportsize`` about [size // 2, size // 2], (size, size)."""
    axis = np.abs(np.arange(size) - size // 2)
    if init.shape == "square":
        return np.maximum(axis[:, None], axis[None, :]) * 2 <= _extent(init)
    return np.hypot(axis[:, None], axis[None, :]) * 2 <= _extent(init)


def start_density(
    init: Init, size: int, key: int, generation: int, individual: int, *, is_real: bool
) -> NDArray[np.inexact]:
    """One start density, (size, size): float32, or complex64 where it is complex."""
    density = np.zeros((size, size), np.complex128)
    for sphere in spheres(init, key, generation, individual, is_real=is_real):
        rows, columns = _span(sphere.row, sphere, size), _span(sphere.column, sphere, size)
        profile = _profile(sphere, init.gamma, rows, columns, size)
        density[rows, columns] += sphere.strength * profile
    if is_real:
        return density.real.astype(np.float32)
    return density.astype(np.complex64)


def spheres(
    init: Init, key: int, generation: int, individual: int, *, is_real: bool
) -> list[Sphere]:
    """The spheres of one start density.

    Between 1 and ``items`` of them; diameter ``supportsize`` x U(itemsize_min, itemsize_max), the
    centre uniform where the sphere stays within the disc, strength U(0, 1) (and a phase of its own
    in a complex density).
    """
    numbers = uniforms(
        key, Purpose.START, generation, individual, 1 + _NUMBERS_PER_ITEM * init.items
    ).astype(np.float64)
    count = 1 + int(numbers[0] * init.items)
    items = numbers[1:].reshape(init.items, _NUMBERS_PER_ITEM)[:count]
    return [_sphere(init, item, is_complex=not is_real) for item in items]


def _extent(init: Init) -> int:
    if isinstance(init.supportsize, str):
        raise TypeError("init.supportsize must be a number here, that of `support_size`")
    return init.supportsize


def _sphere(init: Init, numbers: NDArray[np.float64], *, is_complex: bool) -> Sphere:
    span = init.itemsize_max - init.itemsize_min
    outer = _extent(init) / 2
    radius = outer * (init.itemsize_min + span * numbers[0])
    distance, angle = (outer - radius) * np.sqrt(numbers[1]), 2 * np.pi * numbers[2]
    strength = numbers[3] * (np.exp(2j * np.pi * numbers[4]) if is_complex else 1)
    return Sphere(radius, distance * np.sin(angle), distance * np.cos(angle), complex(strength))


def _span(middle: float, sphere: Sphere, size: int) -> slice:
    """The pixels of one axis that the sphere reaches."""
    first = int(np.floor(middle - sphere.radius)) + size // 2
    last = int(np.ceil(middle + sphere.radius)) + size // 2
    return slice(max(first, 0), max(last + 1, 0))


def _profile(
    sphere: Sphere, gamma: float, rows: slice, columns: slice, size: int
) -> NDArray[np.float64]:
    """(1 - r^2/R^2)^gamma within the sphere, 0 outside, on those pixels."""
    axis = np.arange(size) - size // 2
    down, right = axis[rows] - sphere.row, axis[columns] - sphere.column
    squared = down[:, None] ** 2 + right[None, :] ** 2
    profile: NDArray[np.float64] = np.maximum(1 - squared / sphere.radius**2, 0) ** gamma
    return profile
