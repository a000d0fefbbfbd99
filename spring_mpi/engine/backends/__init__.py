"""Backends: the same operations on a population, each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from shutil import which
from typing import TYPE_CHECKING

from ...errors import LaunchError

if TYPE_CHECKING:
    from ..backend import Backend


def make_backend(
    device: str, say: Callable[[str], None] = lambda text: None, *, threads: int = 1
) -> Backend:
    """The backend for ``cpu``, ``cuda``, ``cuda:K`` or ``auto``, a GPU where there is one.

    K is the CUDA ordinal of a visible device. ``say`` takes what people should know while it works,
    such as that the memory of the device is short. ``threads`` is for the processor's own work.

    Raises
    ------
    LaunchError
        If nothing here can use that device.
    """
    if device == "cpu" or (device == "auto" and not _finds_gpu(say)):
        return _on_processor(say, threads)
    from .gpu.cupy import make_cupy_backend

    _, _, ordinal = device.partition(":")
    try:
        return make_cupy_backend(int(ordinal or 0), say)
    except LaunchError as fault:
        raise LaunchError(f"device {device!r}: {fault}") from fault


def _on_processor(say: Callable[[str], None], threads: int) -> Backend:
    """By the kernels in C where they were built, else by numpy and scipy."""
    from ..native import VARIABLE, load

    library = load()
    if library is not None:
        from .cpu import cpu_backend

        return cpu_backend(library, say, threads=threads)
    from .reference import reference_backend

    say(
        "the reference backend is used, several times slower: the kernels in C were not built "
        f"(is there a compiler? install again with one), or {VARIABLE} is none"
    )
    return reference_backend()


def _finds_gpu(say: Callable[[str], None]) -> bool:
    """Whether CUDA works here; where there is a driver but it does not, people are told why."""
    from .gpu.cupy import device_count

    try:
        return device_count() > 0
    except LaunchError as fault:
        if which("nvidia-smi"):
            say(f"the GPUs of this machine are not used: {fault}")
        return False
