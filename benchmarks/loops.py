"""The job of `engine.py`, and the loops that do it: other people's ways, and ours."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.backend import Backend, Problem
from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.bounds import modulus_bounds
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.settings import IA, Settings

BETA = 0.9
PHOTONS = 1e8


@dataclass(frozen=True)
class Job:
    """What all engines get; zero frequency at [size // 2, size // 2]."""

    amplitude: NDArray[np.float32]
    measured: NDArray[np.bool_]
    support: NDArray[np.bool_]
    truth: NDArray[np.float32]
    """The density, on the scale of the amplitude."""

    @property
    def size(self) -> int:
        return len(self.amplitude)

    def starts(self, count: int) -> NDArray[np.float32]:
        """Random densities on the support, (count, size, size)."""
        shape, random = (self.size, self.size), np.random.default_rng(2)
        each = (random.random(shape, dtype=np.float32) * self.support for _ in range(count))
        return np.stack(list(each))

    def pattern(self) -> Pattern:
        """The same for spring-mpi."""
        middle = (self.size // 2,) * 2
        return Pattern(
            self.amplitude**2, ~self.measured, middle, cropsize=self.size, size=self.size
        )


def make_job(size: int) -> Job:
    """An ellipse of diameter size / 4 with a hole, a notch and smooth texture."""
    random = np.random.default_rng(1)
    axis = (np.arange(size) - size // 2) / (size / 8)
    y, x = axis[:, None], axis[None, :]
    body = (
        (x**2 + (y / 0.8) ** 2 < 1)
        & ~((x - 0.3) ** 2 + y**2 < 0.04)
        & ~((abs(y) < 0.1) & (x < -0.4))
    )
    texture = ndimage.gaussian_filter(random.normal(size=(size, size)), size / 64)
    density = body * (1 + 0.6 * texture / np.abs(texture).max())
    intensity = np.abs(np.fft.fftshift(np.fft.fft2(density, norm="ortho"))) ** 2
    scale = PHOTONS / intensity.sum()
    intensity = random.poisson(intensity * scale)
    far = np.hypot(*np.meshgrid(*[np.arange(size) - size // 2] * 2)) >= size / 64
    support = ndimage.binary_dilation(body, iterations=2)
    truth = (density * np.sqrt(scale)).astype(np.float32)
    return Job(np.sqrt(intensity).astype(np.float32), far, support, truth)


@dataclass(frozen=True)
class Engine:
    """A loop at work on a job from a number of starts."""

    iterate: Callable[[str, int], None]
    """By an algorithm, HIO or ER, that many times."""
    densities: Callable[[], NDArray[np.inexact]]
    """What it has come to, (starts, size, size)."""


Make = Callable[[Job, int], Engine]


@dataclass(frozen=True)
class Loop:
    """A way to iterate: ``make(job, count)`` gives an engine with that many starts."""

    name: str
    make: Make
    count: int = 1
    """Individuals at once."""
    on_gpu: bool = False


# ---- the loops


def notebook_loop(job: Job, count: int) -> Engine:
    """What people write first: complex128, shifts, angles."""
    x = [start.astype(complex) for start in job.starts(count)]

    def iterate(algorithm: str, iterations: int) -> None:
        beta = BETA if algorithm == "HIO" else 0
        for _ in range(iterations):
            for number, density in enumerate(x):
                F = np.fft.fftshift(np.fft.fft2(density, norm="ortho"))
                G = job.amplitude * np.exp(1j * np.angle(F))
                F = np.where(job.measured, G, F)
                q = np.fft.ifft2(np.fft.ifftshift(F), norm="ortho").real
                inside = job.support & (q >= 0)
                x[number] = np.where(inside, q, density - beta * q if beta else 0)

    return Engine(iterate, lambda: np.stack(x).real)


def careful_loop(job: Job, count: int) -> Engine:
    """scipy.fft on half spectra in single precision, nothing computed twice."""
    half = job.size // 2 + 1
    amplitude = np.fft.ifftshift(job.amplitude)[:, :half]
    measured = np.fft.ifftshift(job.measured)[:, :half]
    x = list(job.starts(count))

    def iterate(algorithm: str, iterations: int) -> None:
        for _ in range(iterations):
            for number, density in enumerate(x):
                F = fft.rfft2(density, norm="ortho")
                factor = amplitude / np.maximum(np.abs(F), np.float32(1e-20))
                F *= np.where(measured, factor, np.float32(1))
                q = fft.irfft2(F, s=density.shape, norm="ortho", overwrite_x=True)
                outside = density - np.float32(BETA) * q if algorithm == "HIO" else np.float32(0)
                x[number] = np.where(job.support & (q >= 0), q, outside)

    return Engine(iterate, lambda: np.stack(x))


def cupy_expressions(job: Job, count: int) -> Engine:
    """The careful loop on a GPU, batched, as array expressions."""
    import cupy

    half = job.size // 2 + 1
    amplitude = cupy.asarray(np.fft.ifftshift(job.amplitude)[:, :half].copy())
    measured = cupy.asarray(np.fft.ifftshift(job.measured)[:, :half].copy())
    support = cupy.asarray(job.support)
    x = cupy.asarray(job.starts(count))

    def iterate(algorithm: str, iterations: int) -> None:
        nonlocal x
        for _ in range(iterations):
            F = cupy.fft.rfft2(x, norm="ortho")
            factor = amplitude / cupy.maximum(cupy.abs(F), np.float32(1e-20))
            F *= cupy.where(measured, factor, np.float32(1))
            q = cupy.fft.irfft2(F, s=x.shape[1:], norm="ortho")
            outside = x - np.float32(BETA) * q if algorithm == "HIO" else np.float32(0)
            x = cupy.where(support & (q >= 0), q, outside)
        cupy.cuda.Device().synchronize()

    return Engine(iterate, lambda: cupy.asnumpy(x))


def backend_of(device: str) -> Backend:
    """The backend for a device, or ``reference``."""
    return reference_backend() if device == "reference" else make_backend(device)


def spring(device: str, constraint: str, transforms: str = "cufft") -> Make:
    """One of our backends; on a GPU by cuFFT or in two passes."""

    def make(job: Job, count: int) -> Engine:
        os.environ["SPRING_CUDA_FFT"] = transforms
        backend = backend_of(device)
        settings = Settings().set("global", "popsize", max(count, 4))
        settings.set("object", "constraint", constraint)
        is_real = constraint != "complex"
        backend.load(
            [Problem(modulus_bounds(job.pattern(), symmetric=is_real, bounded=False), 1)], settings
        )
        starts = job.starts(count).astype(np.float32 if is_real else np.complex64)
        supports = np.repeat(job.support[None], count, axis=0)
        population = backend.restore({"density": starts, "support": supports})

        def iterate(algorithm: str, iterations: int) -> None:
            backend.iterate(population, rule(algorithm, IA(beta_hio=BETA)), iterations)
            backend.areas(population)  # waits for the device

        return Engine(iterate, lambda: backend.save(population)["density"])

    return make


def loops(devices: list[str], population: int) -> list[Loop]:
    """All that can run here; batched ones get that many individuals."""
    found = [Loop("notebook loop", notebook_loop), Loop("careful scipy loop", careful_loop)]
    if any(device.startswith("cuda") for device in devices):
        found.append(Loop("cupy expressions", cupy_expressions, population, on_gpu=True))
    for device in devices:
        on_gpu = device.startswith("cuda")
        name, count = backend_of(device).name, population if on_gpu else 2
        ways = {"": "cufft", " two-pass": "two-pass"} if on_gpu else {"": "cufft"}
        for label, transforms in ways.items():
            for constraint, kind in (("positive", "real"), ("complex", "complex")):
                make = spring(device, constraint, transforms)
                found.append(Loop(f"{name}{label}, {kind}", make, count, on_gpu=on_gpu))
    return found
