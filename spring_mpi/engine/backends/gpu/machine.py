"""What the gpu backend asks of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

Array = Any
"""An array on the device."""
Launch = Callable[..., None]
"""``launch(kernel, (columns, rows), *arguments)`` runs a kernel on so many blocks of threads."""
THREADS = 256
"""In a block; the kernels' shared memory is made for it."""


class Machine(Protocol):
    """A device and the array library on it."""

    name: str
    """Of the backend."""
    device: str
    """As people know it."""
    xp: Any
    """numpy, or what behaves like it."""
    exhausted: type[BaseException]
    """What is raised where memory runs out."""

    def module(self, source: str, **constants: int) -> Launch:
        """The kernels of a source file beside this one, with those preprocessor constants."""

    def forward(self, images: Array, spectra: Array) -> None:
        """Unscaled 2-D transforms: half spectra (n, N, N/2 + 1) of real images, else whole ones."""

    def backward(self, spectra: Array, images: Array) -> None:
        """The unscaled inverse; the spectra are used up."""

    def replay(self, key: tuple[Any, ...], block: Callable[[], None]) -> None:
        """Do a block of steps; equal keys promise that they are the same, on the same arrays."""

    def host(self, array: Array) -> NDArray[Any]:
        """The array in the processor's memory, when all that was launched is done."""

    def release(self) -> None:
        """Forget blocks and plans, and give unused memory back."""

    def is_usable(self) -> bool:
        """Whether the device still works."""


def blocks(threads: int) -> int:
    """How many blocks have so many threads."""
    return -(-threads // THREADS)
