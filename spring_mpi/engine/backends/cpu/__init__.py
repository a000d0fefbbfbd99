"""The cpu backend: the kernels in C, and the reference's operators for sizes that they lack."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from ....model.settings import Settings
from ...bounds import ModulusBounds
from ..host import HostBackend, Operators
from ..reference.operators import NumpyOperators
from .operators import NativeOperators, has_kernels


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
