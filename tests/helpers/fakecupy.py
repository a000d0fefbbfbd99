"""A stand-in for CuPy on a machine without GPU: as much as the cupy backend uses, and as strict.

Kernels are the real ones, compiled for the processor. A recorded stream only records; whoever
allocates, waits or makes a plan meanwhile gets an error, as CUDA would give.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from helpers.hostmachine import HostMachine
from scipy import fft

from spring_mpi.engine.backends.gpu.cupy import kernel_source


class Array(np.ndarray):
    """An array that knows its address as CuPy's do."""

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.ctypes.data)


class Stream:
    """Runs everything at once, or records it."""

    def __init__(self, gpu: FakeCupy) -> None:
        self._gpu = gpu
        self.recorded: list[Callable[[], None]] | None = None

    def use(self) -> None:
        self._gpu.stream = self

    def do(self, action: Callable[[], None]) -> None:
        if self.recorded is None:
            action()
        else:
            self.recorded.append(action)

    def synchronize(self) -> None:
        self._gpu.refuse_while_recording("waiting for a stream")
        if self._gpu.is_broken:
            raise self._gpu.fault("an illegal memory access was encountered")

    def begin_capture(self) -> None:
        self.recorded = []

    def end_capture(self) -> Graph:
        recorded, self.recorded = self.recorded, None
        self._gpu.graphs += 1
        return Graph(recorded or [])


class Graph:
    """What a stream recorded."""

    def __init__(self, actions: list[Callable[[], None]]) -> None:
        self._actions = actions

    def launch(self, stream: Stream) -> None:
        for action in self._actions:
            stream.do(action)


class PlanNd:
    """Transforms along the last two of three axes; the layout is taken as told."""

    def __init__(
        self, gpu: FakeCupy, shape: tuple[int, ...], inembed: tuple[int, ...], istride: int,
        idist: int, onembed: tuple[int, ...], ostride: int, odist: int, kind: int, batch: int,
        order: str, last_axis: int, last_size: int,
    ) -> None:  # fmt: skip
        gpu.refuse_while_recording("making a plan")
        assert (istride, ostride, order, last_axis) == (1, 1, "C", 2)
        assert idist == np.prod(inembed)
        assert odist == np.prod(onembed)
        assert last_size == onembed[-1]
        self._gpu, self._shape, self._kind = gpu, shape, kind
        self._before, self._after = (batch, *inembed), (batch, *onembed)

    def fft(self, source: Any, target: Any, direction: int) -> None:
        assert source.shape == self._before
        assert target.shape == self._after
        assert source.dtype == (np.float32 if self._kind == 0x2A else np.complex64)
        assert target.dtype == (np.float32 if self._kind == 0x2C else np.complex64)
        self._gpu.stream.do(lambda: self._run(source, target, direction))

    def _run(self, source: Any, target: Any, direction: int) -> None:
        values = np.asarray(source)
        if self._kind == 0x2A:
            target[...] = fft.rfft2(values)
        elif self._kind == 0x2C:
            target[...] = fft.irfft2(values, s=self._shape, norm="forward")
            source[...] = np.nan  # cuFFT uses it up
        elif direction < 0:
            target[...] = fft.fft2(values)
        else:
            target[...] = fft.ifft2(values, norm="forward")


class FakeCupy:
    """The module."""

    __version__ = "14.0.0"
    ndarray = Array

    def __init__(self, machine: HostMachine, devices: int = 1) -> None:
        self._machine = machine
        self.graphs, self.freed = 0, 0
        self.is_broken = False
        self.stream = Stream(self)
        self.fault = type("CUDARuntimeError", (RuntimeError,), {})
        self.cuda = SimpleNamespace(
            Device=lambda ordinal: SimpleNamespace(use=lambda: None),
            Stream=lambda non_blocking: Stream(self),
            cufft=SimpleNamespace(
                PlanNd=lambda *arguments: PlanNd(self, *arguments),
                CUFFT_FORWARD=-1, CUFFT_INVERSE=1,
                CUFFT_C2C=0x29, CUFFT_R2C=0x2A, CUFFT_C2R=0x2C,
            ),
            memory=SimpleNamespace(OutOfMemoryError=MemoryError),
            runtime=SimpleNamespace(
                CUDARuntimeError=self.fault,
                getDeviceCount=lambda: devices,
                getDeviceProperties=lambda ordinal: {"name": b"NVIDIA Fake 1"},
            ),
        )  # fmt: skip

    def RawModule(self, code: str, options: tuple[str, ...]) -> Any:
        constants = dict(option[2:].split("=") for option in options if option.startswith("-D"))
        source = "two_pass.cu" if constants else "kernels.cu"
        assert code == kernel_source(source)
        launch = self._machine.module(source, **{key: int(one) for key, one in constants.items()})

        def function(name: str) -> Callable[..., None]:
            return lambda grid, block, arguments: self.stream.do(
                lambda: launch(name, grid, *map(_plain, arguments))
            )

        return SimpleNamespace(get_function=function)

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(set_limit=lambda fraction: None, free_all_blocks=self._freed)

    def _freed(self) -> None:
        self.freed += 1

    def refuse_while_recording(self, what: str) -> None:
        if self.stream.recorded is not None:
            raise self.fault(f"{what} while a stream is recorded")

    def asnumpy(self, array: Any, stream: Stream) -> Any:
        stream.synchronize()
        return np.array(array)

    def __getattr__(self, name: str) -> Any:
        """numpy's function of that name, with arrays of ours."""
        function = getattr(np, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.refuse_while_recording(f"allocating ({name})")
            result = function(*arguments, **options)
            return result.view(Array) if type(result) is np.ndarray else result

        return call


def _plain(argument: Any) -> Any:
    return argument.view(np.ndarray) if isinstance(argument, Array) else argument
