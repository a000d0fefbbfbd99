"""What the steps of gpu_check.sh share: commands, patterns, jobs, and the backend on the GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from spring_mpi.engine.backends.gpu import cupy as cupy_module
from spring_mpi.engine.backends.gpu.backend import GpuBackend
from spring_mpi.engine.backends.gpu.cupy import CupyMachine
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.result import Result
from spring_mpi.model.settings import Settings

REPORT = str(Path(__file__).with_name("report.py"))
"""The program that runs the steps."""
_SANITIZERS = (
    "/usr/local/cuda/bin/compute-sanitizer", "/usr/local/cuda/compute-sanitizer/compute-sanitizer",
)  # fmt: skip


def output(command: list[str], seconds: float = 20) -> str:
    """What a command prints, or why it does not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
        return (done.stdout + done.stderr).strip()
    except (OSError, subprocess.SubprocessError) as fault:
        return f"{command[0]}: {fault}"


def sanitizer() -> str | None:
    """The path of compute-sanitizer, where it is installed."""
    places = (shutil.which("compute-sanitizer"), *_SANITIZERS)
    return next((place for place in places if place and os.access(place, os.X_OK)), None)


def partial(result: dict[str, Any]) -> None:
    """Note what a step has so far, in case it does not end in time."""
    if name := os.environ.get("SPRING_GPU_PARTIAL"):
        Path(f"{name}.new").write_text(json.dumps(result, default=float))
        os.replace(f"{name}.new", name)


def pattern(size: int, seed: int = 1, *, is_complex: bool = False) -> Pattern:
    """A lumpy object's diffraction with a central hole."""
    axis = np.arange(size) - size // 2
    random = np.random.default_rng(seed)
    density: Any = np.zeros((size, size))
    for _ in range(5):
        row, column = (random.uniform(-0.08, 0.08) * size for _ in range(2))
        width = random.uniform(0.02, 0.05) * size
        squared = (axis[:, None] - row) ** 2 + (axis[None, :] - column) ** 2
        density += random.uniform(0.5, 1) * np.exp(-squared / (2 * width**2))
    density = 1e3 * density * (1 + 0.3j * density if is_complex else 1)
    intensity = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(density), norm="ortho"))) ** 2
    mask = np.hypot(axis[:, None], axis[None, :]) * 2 <= max(2, size / 32)
    middle = (size // 2, size // 2)
    return Pattern(
        intensity.astype(np.float32), mask, middle, cropsize=size, size=size, pid=(seed,)
    )


def settings_for(size: int, popsize: int, generations: int, **more: Any) -> Settings:
    """Settings of a job; ``more`` are ``section__key`` arguments."""
    settings = Settings().set("init", "supportsize", min(60, size // 4))
    settings.set("global", "popsize", popsize).set("global", "generations", generations)
    for name, value in more.items():
        settings.set(*name.split("__"), value)
    return settings


def small_job(backend: Any, size: int, popsize: int, generations: int, **more: Any) -> Result:
    """The result of a job on a pattern of that size."""
    made = pattern(size, is_complex=more.get("object__constraint") == "complex")
    return reconstruct(made, settings_for(size, popsize, generations, **more), backend=backend)


def gpu_backend(two_pass: bool = False) -> GpuBackend:
    """A backend on the one machine of this process.

    A second machine would make its own stream the current one, and graphs that the first records
    then would be empty.
    """
    return GpuBackend(_machine(), print, two_pass=two_pass)


@cache
def _machine() -> CupyMachine:
    return CupyMachine(0)


def share_stream() -> None:
    """Let all machines of this process have one stream, so that several of them work."""
    start, streams = CupyMachine.__init__, {}

    def shared(self: Any, ordinal: int) -> None:
        start(self, ordinal)
        self._stream = streams.setdefault(ordinal, self._stream)
        self._stream.use()

    cupy_module.CupyMachine.__init__ = shared  # type: ignore[method-assign]
