"""The cupy backend: on a GPU where there is one, on a stand-in for CuPy everywhere."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.fakecupy import FakeCupy
from helpers.hostmachine import HostMachine, kernels
from helpers.physics import disc, lumps, pattern_of, settings_of

from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.backends.gpu.backend import GpuBackend
from spring_mpi.engine.backends.gpu.cupy import CupyMachine, kernel_source, make_cupy_backend
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.errors import LaunchError

QUICK = {"global__popsize": 6, "global__generations": 4, "init__supportsize": 14, "IA__it": 20}


@pytest.fixture
def fake(host_machine: HostMachine, monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    """CuPy's stand-in, in its place."""
    module = FakeCupy(host_machine)
    monkeypatch.setitem(sys.modules, "cupy", module)
    return module


def reconstruction(backend: Any, constraint: str = "positive") -> Any:
    pattern = pattern_of(1e3 * lumps(32), disc(32, 2), pid=(1,), cropsize=32, size=32)
    settings = settings_of(object__constraint=constraint, **QUICK)
    return reconstruct(pattern, settings, backend=backend)


def correlation(one: Any, other: Any) -> float:
    return float(abs(np.vdot(one, other)) / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("constraint", ["positive", "complex"])
def test_recorded_iterations_are_the_iterations(
    fake: FakeCupy, host_machine: HostMachine, constraint: str
) -> None:
    """Blocks of iterations come from graphs, to the same bits as without them."""
    result = reconstruction(make_cupy_backend(0, print), constraint)
    plain = reconstruction(GpuBackend(host_machine, print), constraint)
    assert fake.graphs > 0
    assert np.array_equal(result.data, plain.data)
    assert np.array_equal(result.error_history, plain.error_history)
    assert (result.provenance.backend, result.provenance.device) == ("cupy", "NVIDIA Fake 1")


def test_graphs_end_with_their_arrays(fake: FakeCupy) -> None:
    """A step is recorded when it comes again with the same arrays, and forgotten on release."""
    machine, done = CupyMachine(0), []
    first, second = machine.xp.empty(3), machine.xp.empty(3)

    def step() -> None:
        fake.stream.do(lambda: done.append(1))

    for array, graphs in ((first, 0), (first, 1), (first, 1), (second, 1), (second, 2)):
        before = len(done)
        machine.replay(("step", array), step)
        assert len(done) == before + 1
        assert fake.graphs == graphs
    machine.release()
    machine.replay(("step", first), step)
    assert fake.graphs == 2


def test_a_failed_recording_does_not_leave_the_stream_recording(fake: FakeCupy) -> None:
    machine = CupyMachine(0)

    def step() -> None:
        machine.xp.empty(3)

    machine.replay(("step",), step)
    with pytest.raises(RuntimeError, match="allocating"):
        machine.replay(("step",), step)
    assert fake.stream.recorded is None


def test_a_broken_device_is_noticed(fake: FakeCupy) -> None:
    backend = make_cupy_backend(0, print)
    assert backend.is_usable()
    fake.is_broken = True
    assert not backend.is_usable()


def test_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(LaunchError, match=r"CuPy cannot be imported.*spring-mpi\[cuda12\]"):
        make_backend("cuda")


def test_no_driver(fake: FakeCupy) -> None:
    def count() -> int:
        raise fake.fault("cudaErrorInsufficientDriver")

    fake.cuda.runtime.getDeviceCount = count
    with pytest.raises(LaunchError, match=r"cudaErrorInsufficientDriver.*nvidia-smi"):
        make_backend("cuda")


@pytest.mark.parametrize(
    ("devices", "device", "text"),
    [(0, "cuda", "no CUDA device is visible"), (2, "cuda:2", "no device cuda:2.*there are 2")],
)
def test_no_such_device(fake: FakeCupy, devices: int, device: str, text: str) -> None:
    fake.cuda.runtime.getDeviceCount = lambda: devices
    with pytest.raises(LaunchError, match=text):
        make_backend(device)


def test_auto_takes_a_gpu_where_there_is_one(fake: FakeCupy) -> None:
    assert make_backend("auto").name == "cupy"
    assert make_backend("cpu").name != "cupy"
    fake.cuda.runtime.getDeviceCount = lambda: 0
    assert make_backend("auto").name == make_backend("cpu").name


@pytest.mark.parametrize("architecture", ["80", "90"])
@pytest.mark.parametrize(
    ("source", "constants"),
    [
        ("kernels.cu", {}),
        ("two_pass.cu", {"N": 256, "LANES": 4, "ROWS": 4, "PAIRED": 1, "THREADS": 256}),
        ("two_pass.cu", {"N": 1024, "LANES": 2, "ROWS": 4, "PAIRED": 0, "THREADS": 256}),
    ],
)
def test_kernels_compile_for_gpus(
    tool: Callable[[str], str],
    tmp_path: Path,
    source: str,
    constants: dict[str, int],
    architecture: str,
) -> None:
    """Every kernel becomes PTX, by NVRTC as CuPy does it, or else by nvcc."""
    options = ["-std=c++17", *(f"-D{name}={value}" for name, value in constants.items())]
    library = nvrtc()
    if library is not None:
        flags = [f"--gpu-architecture=compute_{architecture}", *options]
        ptx = by_nvrtc(library, source, flags)
    else:
        ptx = by_nvcc(tool("nvcc"), source, [f"-arch=compute_{architecture}", *options], tmp_path)
    assert f".target sm_{architecture}" in ptx
    for name in kernels(source):
        assert f".entry {name}(" in ptx


def nvrtc() -> ctypes.CDLL | None:
    """The compiler that CuPy uses, from its wheel; None where that is not installed."""
    package = find_spec("nvidia")
    folders = list(package.submodule_search_locations or ()) if package else []
    found = [path for one in folders for path in Path(one).glob("*/lib/libnvrtc.so.*")]
    return ctypes.CDLL(str(found[0])) if found else None


def by_nvrtc(library: ctypes.CDLL, source: str, options: list[str]) -> str:
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    code = kernel_source(source).encode()
    flags = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    assert not library.nvrtcCreateProgram(
        ctypes.byref(program), code, source.encode(), 0, None, None
    )
    failed = library.nvrtcCompileProgram(program, len(options), flags)
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert not failed, log.value.decode()
    library.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    library.nvrtcGetPTX(program, ptx)
    return ptx.value.decode()


def by_nvcc(nvcc: str, source: str, options: list[str], folder: Path) -> str:
    file, target = folder / source, folder / "kernels.ptx"
    file.write_text(kernel_source(source))
    subprocess.run([nvcc, *options, "-ptx", str(file), "-o", str(target)], check=True)
    return target.read_text()


@pytest.fixture
def gpu() -> Any:
    """The backend on a real GPU."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("there is no NVIDIA driver here (no nvidia-smi)")
    pytest.importorskip("cupy")
    return make_cupy_backend(0, print)


@pytest.mark.parametrize("constraint", ["positive", "complex"])
def test_on_a_gpu_the_reference_is_found(gpu: Any, constraint: str) -> None:
    one, other = (
        reconstruction(backend, constraint).data for backend in (reference_backend(), gpu)
    )
    assert correlation(one, other) > 0.999


def test_on_a_gpu_the_same_job_gives_the_same_bits(gpu: Any) -> None:
    one, other = (reconstruction(gpu).data for _ in range(2))
    assert np.array_equal(one, other)
