"""The job of `engine.py`, and the loops that do it: other people's ways, ours, and peers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.backends.reference import ReferenceBackend
from spring_mpi.engine.interval import interval
from spring_mpi.engine.population import Backend
from spring_mpi.pattern import Pattern
from spring_mpi.settings import IA, Settings

BETA = 0.9
PHOTONS = 1e8


@dataclass(frozen=True)
class Job:
    """What all engines get; zero frequency at [size // 2, size // 2]."""

    amplitude: NDArray[np.float32]
    measured: NDArray[np.bool_]
    support: NDArray[np.bool_]
    start: NDArray[np.float32]

    @property
    def size(self) -> int:
        return len(self.amplitude)

    def pattern(self) -> Pattern:
        """The same for spring-mpi."""
        middle = (self.size // 2,) * 2
        return Pattern(
            self.amplitude**2, ~self.measured, middle, cropsize=self.size, size=self.size
        )


def make_job(size: int, seed: int = 1) -> Job:
    """An ellipse of diameter size / 4 with a hole, a notch and smooth texture."""
    random = np.random.default_rng(seed)
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
    intensity = random.poisson(intensity * PHOTONS / intensity.sum())
    far = np.hypot(*np.meshgrid(*[np.arange(size) - size // 2] * 2)) >= size / 64
    support = ndimage.binary_dilation(body, iterations=2)
    start = (random.random((size, size)) * support).astype(np.float32)
    return Job(np.sqrt(intensity).astype(np.float32), far, support, start)


Run = Callable[[int], None]
Make = Callable[[Job, int], Run]


@dataclass(frozen=True)
class Loop:
    """A way to iterate: ``make(job, count)`` gives a function that iterates that many times."""

    name: str
    make: Make
    count: int = 1
    """Individuals at once."""


# ---- the loops


def notebook_loop(job: Job, count: int) -> Run:
    """What people write first: complex128, shifts, angles."""
    x = [job.start.astype(complex) for _ in range(count)]

    def run(iterations: int) -> None:
        for _ in range(iterations):
            for one in range(count):
                F = np.fft.fftshift(np.fft.fft2(x[one], norm="ortho"))
                G = job.amplitude * np.exp(1j * np.angle(F))
                F = np.where(job.measured, G, F)
                q = np.fft.ifft2(np.fft.ifftshift(F), norm="ortho").real
                inside = job.support & (q >= 0)
                x[one] = np.where(inside, q, x[one] - BETA * q)

    return run


def careful_loop(job: Job, count: int) -> Run:
    """scipy.fft on half spectra in single precision, nothing computed twice."""
    half = job.size // 2 + 1
    amplitude = np.fft.ifftshift(job.amplitude)[:, :half]
    measured = np.fft.ifftshift(job.measured)[:, :half]
    x = [job.start.copy() for _ in range(count)]

    def run(iterations: int) -> None:
        for _ in range(iterations):
            for one in range(count):
                F = fft.rfft2(x[one], norm="ortho")
                factor = amplitude / np.maximum(np.abs(F), np.float32(1e-20))
                F *= np.where(measured, factor, np.float32(1))
                q = fft.irfft2(F, s=x[one].shape, norm="ortho", overwrite_x=True)
                inside = job.support & (q >= 0)
                x[one] = np.where(inside, q, x[one] - np.float32(BETA) * q)

    return run


def cupy_expressions(job: Job, count: int) -> Run:
    """The careful loop on a GPU, batched, as array expressions."""
    import cupy

    half = job.size // 2 + 1
    amplitude = cupy.asarray(np.fft.ifftshift(job.amplitude)[:, :half].copy())
    measured = cupy.asarray(np.fft.ifftshift(job.measured)[:, :half].copy())
    support = cupy.asarray(job.support)
    x = cupy.asarray(np.repeat(job.start[None], count, axis=0))

    def run(iterations: int) -> None:
        nonlocal x
        for _ in range(iterations):
            F = cupy.fft.rfft2(x, norm="ortho")
            factor = amplitude / cupy.maximum(cupy.abs(F), np.float32(1e-20))
            F *= cupy.where(measured, factor, np.float32(1))
            q = cupy.fft.irfft2(F, s=x.shape[1:], norm="ortho")
            x = cupy.where(support & (q >= 0), q, x - np.float32(BETA) * q)
        cupy.cuda.Device().synchronize()

    return run


def backend_of(device: str) -> Backend:
    """The backend for a device, or ``reference``."""
    return ReferenceBackend() if device == "reference" else make_backend(device)


def spring(device: str, constraint: str, transforms: str = "cufft") -> Make:
    """One of our backends; on a GPU by cuFFT or in two passes."""

    def make(job: Job, count: int) -> Run:
        os.environ["SPRING_CUDA_FFT"] = transforms
        backend = backend_of(device)
        settings = Settings().set("global", "popsize", max(count, 4))
        settings.set("object", "constraint", constraint)
        is_real = constraint != "complex"
        backend.load(interval(job.pattern(), symmetric=is_real, bounded=False), settings, 1)
        kind = np.float32 if is_real else np.complex64
        population = backend.restore(
            {
                "density": np.repeat(job.start[None].astype(kind), count, axis=0),
                "support": np.repeat(job.support[None], count, axis=0),
            }
        )
        hio = rule("HIO", IA(beta_hio=BETA))

        def run(iterations: int) -> None:
            backend.iterate(population, hio, iterations)
            backend.areas(population)  # waits for the device

        return run

    return make


def pynx(job: Job, count: int) -> Run:
    """PyNX, on what it finds."""
    from pynx.cdi import CDI, HIO

    intensity = np.where(job.measured, job.amplitude**2, -1).astype(np.float32)
    cdis = [
        CDI(
            np.fft.ifftshift(intensity), support=np.fft.ifftshift(job.support),
            obj=np.fft.ifftshift(job.start.astype(np.complex64)),
        )
        for _ in range(count)
    ]  # fmt: skip

    def run(iterations: int) -> None:
        for cdi in cdis:
            HIO(beta=BETA, positivity=True, calc_llk=0) ** iterations * cdi
            cdi.get_obj()

    return run


def loops(devices: list[str], population: int) -> list[Loop]:
    """All that can run here; batched ones get that many individuals."""
    found = [Loop("notebook loop", notebook_loop), Loop("careful scipy loop", careful_loop)]
    if any(device.startswith("cuda") for device in devices):
        found.append(Loop("cupy expressions", cupy_expressions, population))
    for device in devices:
        name, count = backend_of(device).name, population if "cuda" in device else 2
        found.append(Loop(f"{name}, real", spring(device, "positive"), count))
        found.append(Loop(f"{name}, complex", spring(device, "complex"), count))
        for kind in ("positive", "complex") if device.startswith("cuda") else ():
            found.append(Loop(f"{name} two-pass, {kind}", spring(device, kind, "two-pass"), count))
    if find_spec("pynx"):
        found.append(Loop("PyNX HIO", pynx))
    return found
