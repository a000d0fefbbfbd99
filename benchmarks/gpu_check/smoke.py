"""Whether a GPU works at all: what is installed, and each thing that the backend relies on."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial as bound
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
from device import gpu_backend, output, pattern, sanitizer, settings_for, small_job

from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.backend import Problem
from spring_mpi.engine.bounds import modulus_bounds
from spring_mpi.launch.devices import gpus

_QUERY = (
    "name,uuid,driver_version,memory.total,memory.used,utilization.gpu,clocks.sm,clocks.max.sm,"
    "compute_cap,mig.mode.current"
)
_NEEDED = (
    "numpy", "scipy", "h5py", "yaml", "matplotlib", "rich", "pytest", "pytest_timeout", "xdist",
    "hypothesis", "cupy",
)  # fmt: skip
_PACKAGES = (
    "cupy", "cupy-cuda12x", "cupy-cuda13x", "numpy", "scipy", "h5py", "pytest", "mpi4py",
    "hdf5plugin", "isal", "nvidia-cufft", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime", "setuptools",
)  # fmt: skip


def step_env(arguments: argparse.Namespace) -> dict[str, Any]:
    """The machine, its GPUs, and the versions of all that matters."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    versions = dict(_versions())
    present = [vars(gpu) for gpu in gpus()]
    found: dict[str, Any] = {
        "python": sys.version, "machine": platform.platform(), "cpus": os.cpu_count(),
        "nvidia_smi": output(["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]),
        "nvcc": output(["nvcc", "--version"]).splitlines()[-1:], "sanitizer": sanitizer(),
        "versions": versions, "missing": missing, "gpus": present,
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    if missing:
        found["failed"] = f"not installed here: {', '.join(missing)}"
    elif not present:
        found["failed"] = "there is no GPU here (no nvidia-smi, or it lists none)"
    else:
        cupy = next((versions[name] for name in versions if name.startswith("cupy")), "")
        found["told"] = f"{present[0]['name']}, CuPy {cupy}"
    return found


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def step_native(arguments: argparse.Namespace) -> dict[str, Any]:
    """The kernels in C, for a comparison with the processor; without a compiler there is none."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or arguments.fake:
        return {"skipped": True, "why": "no C compiler, or a dry run"}
    sys.path.insert(0, str(arguments.work))
    import setup as recipe

    folder, built = arguments.work / recipe.FOLDER, []
    sources = sorted(map(str, folder.glob("*.c")))
    for name, flags in {"generic": [], "avx2": recipe.AVX2, "avx512": recipe.AVX512}.items():
        target = ["-o", str(folder / f"kernels_{name}.so"), "-lm"]
        command = [compiler, "-shared", "-fPIC", *recipe.OPTIONS, *flags, *sources, *target]
        if subprocess.run(command).returncode == 0:
            built.append(name)
    return {"told": f"built {', '.join(built)}", "built": built}


def step_smoke(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the backend relies on, piece by piece, with the time that each takes at first use."""
    smoke, fake = Smoke(), arguments.fake
    for size in (64, 128) if fake else (64, 128, 256, 512, 1024, 2048):
        for constraint in ("positive", "complex"):
            smoke.check(f"two passes at {size}, {constraint}", bound(two_passes, size, constraint))
    smoke.check("first job: 64 x 64, 4 individuals, 2 generations", first_job)
    smoke.check("second job, the same", first_job)
    smoke.check("transforms", transforms)
    if not fake:
        smoke.check("out of memory", out_of_memory)
        smoke.check("layouts", layouts)
        smoke.check("a broken device is noticed", broken)
    failed = {name: value for name, value in smoke.found.items() if value is not True}
    return {
        "seconds": smoke.seconds, "checks": smoke.found, "failed": failed or None,
        "told": f"{sum(smoke.seconds.values()):.1f} s until all has been used once",
    }  # fmt: skip


class Smoke:
    """Checks, what they found (True where all is well), and the seconds that they took."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}

    def check(self, name: str, action: Callable[[], Any]) -> None:
        began = time.perf_counter()
        try:
            self.found[name] = action()
        except Exception as fault:
            traceback.print_exc()
            self.found[name] = f"{type(fault).__name__}: {fault}"
        self.seconds[name] = round(time.perf_counter() - began, 3)
        print(f"{name}: {self.found[name]}, {self.seconds[name]} s", flush=True)


def two_passes(size: int, constraint: str) -> bool:
    """The kernels of two_pass.cu for that size compile, and iterate."""
    backend = gpu_backend(two_pass=True)
    settings = settings_for(size, 4, 1, object__constraint=constraint)
    is_complex = constraint == "complex"
    made = pattern(size, is_complex=is_complex)
    backend.load(
        [Problem(modulus_bounds(made, symmetric=not is_complex, bounded=False), 1)], settings
    )
    population = backend.create(0)
    backend.iterate(population, rule("ER", settings.IA), 1)
    return bool(np.isfinite(backend.errors(population)).all())


def first_job() -> bool:
    return math.isfinite(small_job(gpu_backend(), 64, 4, 2).error)


def transforms() -> bool | str:
    """R2C, C2R, C2C against numpy's, odd sizes too, and the same from a graph."""
    machine, worst = gpu_backend()._machine, 0.0
    xp = machine.xp
    for size in (21, 64, 100, 256):
        image = np.random.default_rng(1).normal(size=(3, size, size)).astype(np.float32)
        device, half = xp.asarray(image), xp.empty((3, size, size // 2 + 1), np.complex64)
        back, whole = xp.empty_like(device), xp.asarray(image.astype(np.complex64))

        def both(device: Any = device, half: Any = half, back: Any = back) -> None:
            machine.forward(device, half)
            machine.backward(half, back)

        both()
        plain = machine.host(back)
        for _ in range(3):
            machine.replay(("both", device, half), both)
        if not np.array_equal(machine.host(back), plain):
            return f"size {size}: the graph gives other numbers"
        machine.forward(device, half)
        spectrum, expected = machine.host(half), np.fft.rfft2(image)
        other = xp.empty_like(whole)
        machine.forward(whole, other)
        machine.backward(other, other)
        worst = max(
            worst,
            float(np.abs(spectrum - expected).max() / np.abs(expected).max()),
            float(np.abs(plain / size**2 - image).max()),
            float(np.abs(machine.host(other) / size**2 - image).max()),
        )
    return True if worst < 1e-5 else f"relative error {worst}"


def out_of_memory() -> bool | str:
    """Too much memory raises what the backend catches, and it works on afterwards."""
    machine = gpu_backend()._machine
    try:
        machine.xp.empty(10**15, np.uint8)
    except machine.exhausted:
        return machine.is_usable()
    return "nothing was raised"


def layouts() -> bool | str:
    """Arrays of any layout arrive as the kernels read them."""
    asarray = gpu_backend()._machine.xp.asarray
    for array in (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))):
        if not asarray(array).flags.c_contiguous:
            # The engine gives none of these to kernels.
            print(f"asarray keeps the order of {array.flags}")
    return True


BROKEN = """
import sys, cupy
import numpy as np
from spring_mpi.engine.backends.gpu.cupy import make_cupy_backend
backend = make_cupy_backend(0, print)
assert backend.is_usable()
kernel = cupy.RawKernel('extern "C" __global__ void f(int *p) { p[threadIdx.x] = 1; }', "f")
kernel((1,), (32,), (np.uint64(1 << 50),))
print("usable:", backend.is_usable())
try:
    cupy.zeros(3)
except Exception as fault:
    print("then:", type(fault).__module__, type(fault).__name__, fault)
"""


def broken() -> bool | str:
    """A device that a wrong address broke is not usable, and the backend says so."""
    text = output([sys.executable, "-c", BROKEN], 40)
    print(text)
    return True if "usable: False" in text else text[-300:]
