"""The kernels for one pattern: numpy arrays in, checked before C sees them."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_double, c_int64, c_uint32, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..algorithms import Rule
from ..interval import Interval
from ..population import Cut

Image = NDArray[Any]
Support = NDArray[np.bool_]


@dataclass(frozen=True)
class Individual:
    """A density, (size, size) float32 or complex64, and its support, (size, size) bool."""

    density: Image
    support: Support


@dataclass(frozen=True)
class Peak:
    """Where a correlation is strongest."""

    place: int
    """Row * size + column."""
    value: complex


@dataclass(frozen=True)
class Mixing:
    """How one child is made; its random numbers are those of the counter (.., *numbers)."""

    weight: float
    share: float
    key: int
    numbers: tuple[int, int, int]


def has_kernels(size: int) -> bool:
    """Whether there are kernels for that size: a power of two from 64 on."""
    return size >= 64 and size & (size - 1) == 0


class Grid:
    """The kernels on one pattern's data; any number of threads may use it at once.

    Parameters
    ----------
    library
        What `spring_mpi.engine.native.load` gave.
    data
        For real densities it must be Friedel-symmetric.

    All methods raise ValueError for an array of the wrong type, shape or layout, and MemoryError
    where there is no room for a transform.
    """

    def __init__(self, library: ctypes.CDLL, data: Interval, *, is_real: bool) -> None:
        if not has_kernels(data.size):
            raise ValueError(f"there are no kernels for the size {data.size}, only for 2^k >= 64")
        self._library, self._size, self._is_real = library, data.size, is_real
        self._type = np.dtype(np.float32 if is_real else np.complex64)
        bounds = (self._address(bound, np.float32) for bound in (data.lower, data.upper))
        self._handle = _obtained(library.grid_new(data.size, *bounds, is_real))
        self._rooms: list[int] = []
        weakref.finalize(self, _free, library, self._handle, self._rooms)

    def iterate(
        self,
        first: Individual,
        second: Individual | None,
        rule: Rule,
        count: int,
        *,
        is_positive: bool,
    ) -> None:
        """Iterate one individual, or two real ones together, in place."""
        if second is not None and not self._is_real:
            raise ValueError("complex densities are iterated one by one")
        densities, supports = self._pair(first, second)
        with self._room() as room:
            self._library.iterate(
                self._handle, room, *densities, *supports, count, rule.a, rule.b,
                rule.reflected, is_positive,
            )  # fmt: skip

    def shrinkwrap(self, first: Individual, second: Individual | None, cut: Cut) -> None:
        """Replace the supports of one or two individuals, and clear their densities outside."""
        densities, supports = self._pair(first, second)
        threshold = -1.0 if cut.threshold is None else cut.threshold
        with self._room() as room:
            self._library.shrinkwrap(
                self._handle, room, not self._is_real, *densities, *supports,
                cut.sigma, threshold, cut.area, cut.least, cut.most,
            )  # fmt: skip

    def compare(self, density: Image) -> tuple[float, float, float]:
        """Squared distance to the data; |F|^2 and |F| A summed over the measured moduli A."""
        sums = (c_double * 3)()
        with self._room() as room:
            self._library.compare(
                self._handle, room, not self._is_real, self._density(density), sums
            )
        return (sums[0], sums[1], sums[2])

    def spectrum(self, density: Image) -> NDArray[np.complex64]:
        """The transform of a density in the order that `correlate` takes."""
        target = np.empty((self._size, self._size), np.complex64)
        with self._room() as room:
            self._library.spectrum(
                self._handle, room, not self._is_real, self._density(density), target.ctypes.data
            )
        return target

    def correlate(self, density: Image, target: NDArray[np.complex64]) -> tuple[Peak, Peak]:
        """The strongest correlation with a target's spectrum: of the density, and of its twin."""
        values, places = (c_double * 4)(), (c_int64 * 2)()
        with self._room() as room:
            self._library.correlate(
                self._handle, room, not self._is_real, self._density(density),
                self._address(target, np.complex64), values, places,
            )  # fmt: skip
        return (
            Peak(places[0], complex(values[0], values[1])),
            Peak(places[1], complex(values[2], values[3])),
        )

    def crossover(
        self, family: list[Individual], child: Individual, mixing: Mixing, *, is_positive: bool
    ) -> None:
        """Write a child of the family: its parent and the donors a, b, c."""
        densities = (c_void_p * 4)(*(self._density(one.density) for one in family))
        supports = (c_void_p * 4)(*(self._address(one.support, np.bool_) for one in family))
        (density, _), (support, _) = self._pair(child, None)
        self._library.crossover(
            self._size**2, not self._is_real, is_positive, densities, supports, density, support,
            mixing.weight, mixing.share, mixing.key, (c_uint32 * 3)(*mixing.numbers),
        )  # fmt: skip

    @contextmanager
    def _room(self) -> Iterator[int]:
        """Room for one thread's work, taken from what others left or made anew."""
        try:
            room = self._rooms.pop()
        except IndexError:
            room = _obtained(self._library.room_new(self._handle))
        try:
            yield room
        finally:
            self._rooms.append(room)

    def _pair(
        self, first: Individual, second: Individual | None
    ) -> tuple[list[int | None], list[int | None]]:
        """Addresses of what is written to: two densities, two supports."""
        both = (first, second)
        for one in both:
            if one and not (one.density.flags.writeable and one.support.flags.writeable):
                raise ValueError("the kernels work in place, but an array is read-only")
        return (
            [self._density(one.density) if one else None for one in both],
            [self._address(one.support, np.bool_) if one else None for one in both],
        )

    def _density(self, density: Image) -> int:
        return self._address(density, self._type)

    def _address(self, array: Image, dtype: Any) -> int:
        """Where an image's pixels are."""
        shape = (self._size, self._size)
        flags = array.flags
        if array.shape != shape or array.dtype != dtype or not flags.c_contiguous:
            raise ValueError(
                f"the kernels take contiguous arrays of {np.dtype(dtype)} {shape}, "
                f"this is {array.dtype} {array.shape}" + ", strided" * (not flags.c_contiguous)
            )
        if not flags.aligned:
            raise ValueError(f"the kernels take aligned arrays; this {array.dtype} one is not")
        return array.ctypes.data


def _obtained(handle: int | None) -> int:
    if not handle:
        raise MemoryError("no room for the transforms of a pattern")
    return handle


def _free(library: ctypes.CDLL, grid: int, rooms: list[int]) -> None:
    for room in rooms:
        library.room_free(room)
    library.grid_free(grid)
