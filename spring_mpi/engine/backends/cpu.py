"""The cpu backend: the kernels in C, and the reference's operators for sizes that they lack.

The kernels take numpy arrays, which are checked before C sees them.

Real densities are worked on in pairs: one complex transform does for two of them.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ctypes import c_double, c_int64, c_uint32, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.alignment import TWIN_MARGIN, Motion, phase_of
from ...model.settings import Settings
from ..algorithms import Rule
from ..backend import ShrinkWrap
from ..bounds import ModulusBounds
from ..random import Purpose
from .host import HostBackend, Image, Individual, Mixing, Operators
from .reference import NumpyOperators


def cpu_backend(
    library: ctypes.CDLL, say: Callable[[str], None], *, threads: int = 1
) -> HostBackend:
    """The backend with those kernels.

    Parameters
    ----------
    library
        What `spring_mpi.engine.native.load` gave.
    say
        Takes what people should know: once for each size without kernels that it is slow.
    """
    told: set[int] = set()

    def operators(bounds: ModulusBounds, settings: Settings) -> Operators:
        if has_kernels(bounds.size):
            return NativeOperators(library, bounds, settings)
        if bounds.size not in told:
            told.add(bounds.size)
            say(
                f"the size {bounds.size} is no power of two from 64 on: there are no kernels for "
                "it, numpy and scipy are used, several times slower"
            )
        return NumpyOperators(bounds, settings)

    return HostBackend("cpu", operators, threads=threads)


def has_kernels(size: int) -> bool:
    """Whether there are kernels for that size: a power of two from 64 on."""
    return size >= 64 and size & (size - 1) == 0


class NativeOperators:
    """See `spring_mpi.engine.backends.host.Operators`.

    Moduli below 1e-18 count as dark: they have the phase 0. No light that rounding leaves is as
    faint.

    Parameters
    ----------
    library
        What `spring_mpi.engine.native.load` gave.
    bounds
        For real densities they must be Friedel-symmetric.

    All methods raise ValueError for an array of the wrong type, shape or layout, and MemoryError
    where there is no memory for a transform.
    """

    wrapped_together = 2

    def __init__(self, library: ctypes.CDLL, bounds: ModulusBounds, settings: Settings) -> None:
        if not has_kernels(bounds.size):
            raise ValueError(f"there are no kernels for the size {bounds.size}, only for 2^k >= 64")
        known = settings.object
        self._library, self._size, self._is_real = library, bounds.size, known.is_real
        self._is_positive = known.is_positive
        # Two real densities are the real and the imaginary part of one complex image.
        self.iterated_together = 2 if known.is_real else 1
        self._type = np.dtype(np.float32 if known.is_real else np.complex64)
        addresses = (self._address(moduli, np.float32) for moduli in (bounds.lower, bounds.upper))
        self._handle = _obtained(library.grid_new(bounds.size, *addresses, known.is_real))
        self._scratch: list[int] = []
        # Not __del__: an interpreter that ends may have taken the library away by then.
        weakref.finalize(self, _free, library, self._handle, self._scratch)

    def scaled(self, density: Image) -> Image:
        _, power, overlap = self._compared(density)
        return density * np.float32(overlap / power if power else 1)

    def iterate(self, individuals: Sequence[Individual], rule: Rule, count: int) -> None:
        if len(individuals) > self.iterated_together:
            raise ValueError(f"{len(individuals)} individuals are too many to be iterated together")
        densities, supports = self._pair(individuals)
        with self._room() as room:
            self._library.iterate(
                self._handle, room, *densities, *supports, count, rule.a, rule.b,
                rule.reflected, self._is_positive,
            )  # fmt: skip

    def shrinkwrap(self, individuals: Sequence[Individual], wrap: ShrinkWrap) -> None:
        densities, supports = self._pair(individuals)
        threshold = -1.0 if wrap.threshold is None else wrap.threshold
        with self._room() as room:
            self._library.shrinkwrap(
                self._handle, room, not self._is_real, *densities, *supports,
                wrap.sigma, threshold, wrap.area, wrap.least, wrap.most,
            )  # fmt: skip

    def distance(self, density: Image) -> float:
        return self._compared(density)[0]

    def anchor(self, target: Image) -> NDArray[np.complex64]:
        """The transform of a target, in the order that `motion` takes."""
        spectrum = np.empty((self._size, self._size), np.complex64)
        with self._room() as room:
            self._library.spectrum(
                self._handle, room, not self._is_real, self._density(target), spectrum.ctypes.data
            )
        return spectrum

    def motion(self, density: Image, anchor: NDArray[np.complex64]) -> Motion:
        # Where the correlation is strongest, and its value there: of the density, of its twin.
        values, places = (c_double * 4)(), (c_int64 * 2)()
        with self._room() as room:
            self._library.correlate(
                self._handle, room, not self._is_real, self._density(density),
                self._address(anchor, np.complex64), values, places,
            )  # fmt: skip
        peaks = complex(values[0], values[1]), complex(values[2], values[3])
        is_twin = abs(peaks[1]) > abs(peaks[0]) * TWIN_MARGIN
        row, column = (self._signed(step) for step in divmod(places[is_twin], self._size))
        return Motion(is_twin, (row, column), phase_of(peaks[is_twin], density))

    def crossover(
        self, parent: Individual, donors: Sequence[Individual], child: Individual, mixing: Mixing
    ) -> None:
        family = (parent, *donors)
        densities = (c_void_p * 4)(*(self._density(member.density) for member in family))
        supports = (c_void_p * 4)(*(self._address(member.support, np.bool_) for member in family))
        (density, _), (support, _) = self._pair([child])
        self._library.crossover(
            self._size**2, not self._is_real, self._is_positive, densities, supports,
            density, support, mixing.weight, mixing.rate, mixing.key,
            (c_uint32 * 3)(mixing.child, mixing.generation, Purpose.MIXING),
        )  # fmt: skip

    def _compared(self, density: Image) -> tuple[float, float, float]:
        """Squared distance to the bounds; |F|^2 and |F| A summed over the measured moduli A."""
        sums = (c_double * 3)()
        with self._room() as room:
            self._library.compare(
                self._handle, room, not self._is_real, self._density(density), sums
            )
        return (sums[0], sums[1], sums[2])

    def _signed(self, step: int) -> float:
        """A shift on the periodic grid, in [-size / 2, size / 2)."""
        return float(step - self._size if step >= self._size // 2 else step)

    @contextmanager
    def _room(self) -> Iterator[int]:
        """Scratch memory for one thread's work, taken from what others left or made anew."""
        try:
            room = self._scratch.pop()
        except IndexError:
            room = _obtained(self._library.room_new(self._handle))
        try:
            yield room
        finally:
            self._scratch.append(room)

    def _pair(self, individuals: Sequence[Individual]) -> tuple[list[int | None], list[int | None]]:
        """Addresses of what is written to: two densities, two supports; None for no second."""
        for individual in individuals:
            if not (individual.density.flags.writeable and individual.support.flags.writeable):
                raise ValueError("the kernels work in place, but an array is read-only")
        padding = [None] * (2 - len(individuals))
        return (
            [self._density(individual.density) for individual in individuals] + padding,
            [self._address(individual.support, np.bool_) for individual in individuals] + padding,
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
        raise MemoryError("there is no memory for the transforms of a pattern")
    return handle


def _free(library: ctypes.CDLL, grid: int, scratch: list[int]) -> None:
    for room in scratch:
        library.room_free(room)
    library.grid_free(grid)
