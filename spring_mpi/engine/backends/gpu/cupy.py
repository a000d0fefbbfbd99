"""An NVIDIA GPU by CuPy, as the machine of the gpu backend.

Transforms are cuFFT's, planned once for each number of individuals, unless ``SPRING_CUDA_FFT`` asks
for our own. A block of iterations is recorded as a CUDA graph when it comes for the second time
(plans and kernels are loaded by then), and only replayed from then on. All work goes to one stream,
without waiting for it but in `host`.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from numpy.typing import NDArray

from ....errors import LaunchError
from .backend import GpuBackend
from .machine import THREADS, Array, Launch

_INSTALL = "install it for your driver's CUDA: pip install 'spring-mpi[cuda12]' (or cuda13)"
_CHOICE = "SPRING_CUDA_FFT"
_LIMIT = "CUPY_GPU_MEMORY_LIMIT"
_MOST_GRAPHS = 32
_LARGEST_SHARE = 0.9


def make_cupy_backend(ordinal: int, say: Callable[[str], None]) -> GpuBackend:
    """The backend on the device with that CUDA ordinal; all its calls must come from one thread.

    Raises
    ------
    LaunchError
        If CuPy, the driver or the device is missing.
    """
    count = device_count()
    if ordinal >= count:
        raise LaunchError(f"there is no device cuda:{ordinal} here; there are {count} (from 0 on)")
    return GpuBackend(CupyMachine(ordinal), say, two_pass=_wants_two_passes())


def _wants_two_passes() -> bool:
    """By the environment, not by a race at run time: equal jobs must give equal bits."""
    chosen = os.environ.get(_CHOICE, "cufft")
    if chosen not in ("cufft", "two-pass"):
        raise LaunchError(f"{_CHOICE} must be cufft or two-pass, not {chosen!r}")
    return chosen == "two-pass"


def device_count() -> int:
    """How many CUDA devices this process may use; at least one, errors as above."""
    # As nvidia-smi counts; CUDA's own order depends on speeds.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        import cupy
    except ImportError as fault:
        raise LaunchError(f"CuPy cannot be imported ({fault}); {_INSTALL}") from fault
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as fault:
        raise LaunchError(
            f"CUDA cannot be used: {fault}. Either there is no NVIDIA driver here (nvidia-smi "
            f"tells), or CuPy {cupy.__version__} is for a newer CUDA than the driver; {_INSTALL}"
        ) from fault
    if not count:
        raise LaunchError("no CUDA device is visible here (see CUDA_VISIBLE_DEVICES)")
    return count


class CupyMachine:
    """See `spring_mpi.engine.backends.gpu.machine.Machine`."""

    name = "cupy"

    def __init__(self, ordinal: int) -> None:
        import cupy

        self._cupy = self.xp = cupy
        self.exhausted: type[BaseException] = cupy.cuda.memory.OutOfMemoryError
        cupy.cuda.Device(ordinal).use()
        # A stream of its own: the default one cannot be recorded.
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._stream.use()
        self.device = cupy.cuda.runtime.getDeviceProperties(ordinal)["name"].decode()
        self._pool = cupy.get_default_memory_pool()
        if _LIMIT not in os.environ:
            # Several processes on one device divide it; CuPy itself heeds their limit.
            self._pool.set_limit(fraction=_LARGEST_SHARE)
        self._plans: dict[tuple[str, tuple[int, ...]], Any] = {}
        self._graphs: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def module(self, source: str, **constants: int) -> Launch:
        options = ("-std=c++17", *(f"-D{name}={value}" for name, value in constants.items()))
        module = self._cupy.RawModule(code=kernel_source(source), options=options)

        def launch(kernel: str, grid: tuple[int, int], *arguments: Any) -> None:
            module.get_function(kernel)(grid, (THREADS,), arguments)

        return launch

    def forward(self, images: Array, spectra: Array) -> None:
        kind = "C2C" if images.dtype.kind == "c" else "R2C"
        self._plan(kind, images).fft(images, spectra, self._cupy.cuda.cufft.CUFFT_FORWARD)

    def backward(self, spectra: Array, images: Array) -> None:
        kind = "C2C" if images.dtype.kind == "c" else "C2R"
        self._plan(kind, images).fft(spectra, images, self._cupy.cuda.cufft.CUFFT_INVERSE)

    def replay(self, key: tuple[Any, ...], block: Callable[[], None]) -> None:
        key = tuple(map(self._identity, key))
        if key not in self._graphs:
            # Seen for the first time: nothing may be loaded or allocated while it is recorded.
            self._remember(key, None)
            block()
            return
        if self._graphs[key] is None:
            self._remember(key, self._recorded(block))
        self._graphs.move_to_end(key)
        self._graphs[key].launch(self._stream)

    def host(self, array: Array) -> NDArray[Any]:
        copy: NDArray[Any] = self._cupy.asnumpy(array, stream=self._stream)
        return copy

    def release(self) -> None:
        self._stream.synchronize()
        self._graphs.clear()
        self._plans.clear()
        self._pool.free_all_blocks()

    def is_usable(self) -> bool:
        try:
            self._stream.synchronize()
        except self._cupy.cuda.runtime.CUDARuntimeError:
            return False
        return True

    def _recorded(self, block: Callable[[], None]) -> Any:
        self._stream.begin_capture()
        try:
            block()
        finally:
            graph = self._stream.end_capture()
        return graph

    def _remember(self, key: tuple[Any, ...], graph: Any) -> None:
        self._graphs[key] = graph
        if len(self._graphs) > _MOST_GRAPHS:
            self._graphs.popitem(last=False)

    def _identity(self, part: Any) -> Any:
        is_array = isinstance(part, self._cupy.ndarray)
        return (part.data.ptr, part.shape, part.dtype.char) if is_array else part

    def _plan(self, kind: str, images: Array) -> Any:
        """The cuFFT plan for a stack of images; C2R and R2C in the layout of half spectra."""
        if (kind, images.shape) not in self._plans:
            self._plans[kind, images.shape] = self._made_plan(kind, *images.shape)
        return self._plans[kind, images.shape]

    def _made_plan(self, kind: str, batch: int, rows: int, columns: int) -> Any:
        cufft, half = self._cupy.cuda.cufft, columns // 2 + 1
        whole, halves = ((rows, columns), rows * columns), ((rows, half), rows * half)
        before, after = {"C2C": (whole, whole), "R2C": (whole, halves), "C2R": (halves, whole)}[
            kind
        ]
        return cufft.PlanNd(
            (rows, columns), before[0], 1, before[1], after[0], 1, after[1],
            getattr(cufft, f"CUFFT_{kind}"), batch, "C", 2, after[0][1],
        )  # fmt: skip


def kernel_source(name: str) -> str:
    """The text of a CUDA source file of this folder."""
    return (files(__package__) / name).read_text(encoding="utf-8")
