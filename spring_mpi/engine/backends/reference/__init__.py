"""The reference backend: plain numpy and scipy.fft, any size; the meaning of every operation."""

from __future__ import annotations

from functools import partial

from ..host import HostBackend
from .operators import NumpyOperators


def reference_backend(*, precision: str = "single", threads: int = 1) -> HostBackend:
    """The reference backend; ``precision`` double is for tests."""
    return HostBackend("reference", partial(NumpyOperators, precision=precision), threads=threads)
