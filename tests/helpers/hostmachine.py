"""A machine for the batched backend that runs the CUDA kernels' own source on the processor."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from spring_mpi.engine.backends.gpu.cupy import kernel_source
from spring_mpi.engine.backends.gpu.machine import THREADS, Launch

_SHIM = Path(__file__).with_name("cuda_on_host.h")
_OPTIONS = ("-std=c++17", "-O2", "-shared", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing")


def kernels(source: str) -> dict[str, str]:
    """Names and bodies of all kernels in a source file."""
    pattern = r'^extern "C" __global__ void (\w+)\((.*?)^}'
    return dict(re.findall(pattern, kernel_source(source), re.DOTALL | re.MULTILINE))


class Builder:
    """Compiles the kernels for the processor, each with its constants once."""

    def __init__(self, compiler: str, folder: Path) -> None:
        self._compiler, self._folder = compiler, folder
        self._built: dict[tuple[Any, ...], ctypes.CDLL] = {}

    def library(self, source: str, constants: dict[str, int]) -> ctypes.CDLL:
        """A source file's kernels with those constants."""
        key = (source, *sorted(constants.items()))
        if key not in self._built:
            self._built[key] = self._compiled(source, constants, f"kernels{len(self._built)}")
        return self._built[key]

    def _compiled(self, source: str, constants: dict[str, int], name: str) -> ctypes.CDLL:
        exports = "\n".join(
            f"ON_HOST({kernel}, {str('__shared__' in body).lower()})"
            for kernel, body in kernels(source).items()
        )
        file, library = self._folder / f"{name}.cpp", self._folder / f"{name}.so"
        file.write_text(f'#include "{_SHIM}"\n{kernel_source(source)}\n{exports}\n')
        options = [*_OPTIONS, *(f"-D{key}={value}" for key, value in constants.items())]
        subprocess.run([self._compiler, *options, str(file), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


class HostMachine:
    """See `spring_mpi.engine.backends.gpu.machine.Machine`; arrays are numpy's."""

    name = "host"
    device = "this processor"
    xp: Any = np
    exhausted: type[BaseException] = MemoryError

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.released = 0

    def module(self, source: str, **constants: int) -> Launch:
        library = self.builder.library(source, constants)

        def launch(kernel: str, grid: tuple[int, int], *arguments: Any) -> None:
            cells = [_cell(argument) for argument in arguments]
            pointers = (ctypes.c_void_p * len(cells))(*[ctypes.addressof(cell) for cell in cells])
            getattr(library, f"host_{kernel}")(*grid, THREADS, pointers)

        return launch

    def forward(self, images: NDArray[Any], spectra: NDArray[Any]) -> None:
        spectra[...] = fft.fft2(images) if np.iscomplexobj(images) else fft.rfft2(images)

    def backward(self, spectra: NDArray[Any], images: NDArray[Any]) -> None:
        if np.iscomplexobj(images):
            images[...] = fft.ifft2(spectra, norm="forward")
        else:
            images[...] = fft.irfft2(spectra, s=images.shape[1:], norm="forward")
            spectra[...] = np.nan  # as with cuFFT, nobody may rely on it

    def replay(self, key: tuple[Any, ...], block: Callable[[], None]) -> None:
        block()

    def host(self, array: NDArray[Any]) -> NDArray[Any]:
        return array.copy()

    def release(self) -> None:
        self.released += 1

    def is_usable(self) -> bool:
        return True


def _cell(argument: Any) -> Any:
    """Where an argument's value is: a pointer for an array, else the number itself."""
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    assert isinstance(argument, np.generic), f"{argument!r} has no size of its own"
    return (ctypes.c_char * argument.itemsize).from_buffer_copy(argument.tobytes())


class SmallMachine(HostMachine):
    """Holds the transforms of a few individuals only."""

    def __init__(self, builder: Any, most: int) -> None:
        super().__init__(builder)
        self._most = most

    def forward(self, images: NDArray[Any], spectra: NDArray[Any]) -> None:
        if len(images) > self._most:
            raise MemoryError(f"no room for {len(images)}")
        super().forward(images, spectra)
