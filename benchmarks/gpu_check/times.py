"""What every operation and kernel takes on a GPU, the host's work between them, and whole jobs."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial as bound
from typing import Any

import numpy as np
from device import gpu_backend, partial, pattern, settings_for

from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.average import average
from spring_mpi.engine.backend import Problem, ShrinkWrap
from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.bounds import modulus_bounds
from spring_mpi.engine.crossover import best_of_islands, crossover_plan, forced_pixel
from spring_mpi.engine.mpr import Case, reconstruct, reconstruct_together
from spring_mpi.engine.start import spheres
from spring_mpi.model.settings import IA

Action = Callable[[], Any]
_KEY = 12345
_WARM, _REPEATS = 2, 5
"""Runs before those whose time counts: kernels are compiled, and graphs recorded, in the first."""
_RAAR = rule("RAAR", IA())
_SHAPES = ((128, 16), (256, 16), (256, 64), (256, 128), (512, 64), (1024, 16), (1024, 64))
_HOST_SHAPES = ((128, 16), (256, 16), (256, 128))
_JOBS = (
    (128, 16, 20, False), (256, 16, 20, False), (256, 16, 20, True), (256, 128, 100, False),
    (256, 128, 100, True),
)  # fmt: skip
_FAKE_SHAPES, _FAKE_JOBS = ((64, 4),), ((64, 4, 2, False),)


def step_times(arguments: argparse.Namespace) -> dict[str, Any]:
    """All tables, as far as the time goes."""
    times = Times(arguments)
    for part in (times.copies, times.operations, times.host, times.jobs, times.packs, times.cpu):
        part()
    jobs = [
        f"{job['size']}^2 x {job['popsize']} x {job['generations']}: {job['seconds']} s"
        for job in times.found["jobs"]
    ]
    return {**times.found, "told": "; ".join(jobs)[:380]}


class Times:
    """The tables, kept after each row."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments, self._began = arguments, time.monotonic()
        self._is_fake = arguments.fake
        self.found: dict[str, Any] = {
            "operations": [], "kernels": [], "host": [], "jobs": [], "packs": [],
        }  # fmt: skip

    def copies(self) -> None:
        """What the device's memory gives at best, GB/s."""
        if self._is_fake:
            return
        machine = gpu_backend()._machine
        source, target = (machine.xp.empty(2**30, np.uint8) for _ in range(2))
        seconds = device_seconds(machine, lambda: machine.xp.copyto(target, source))
        self.found["copy_GB_per_s"] = round(2 * 2**30 / seconds / 1e9)

    def operations(self) -> None:
        for size, popsize in _FAKE_SHAPES if self._is_fake else _SHAPES:
            for two_pass in (False, True):
                if self._has(25):
                    loaded = Loaded(size, popsize, two_pass, 4 if self._is_fake else 38)
                    self._add("operations", loaded.operations())
                    if not two_pass:
                        self._add("kernels", loaded.kernels())
                    loaded.backend._machine.release()

    def host(self) -> None:
        for size, popsize in _FAKE_SHAPES if self._is_fake else _HOST_SHAPES:
            if self._has(15):
                self._add("host", host_times(size, popsize))

    def jobs(self) -> None:
        for size, popsize, generations, two_pass in _FAKE_JOBS if self._is_fake else _JOBS:
            if self._has(12):
                backend, made = gpu_backend(two_pass), pattern(size)
                reconstruct(made, settings_for(size, popsize, 3), backend=backend)
                settings = settings_for(size, popsize, generations)
                seconds = wall_seconds(bound(reconstruct, made, settings, backend=backend))
                self._add("jobs", {
                    "size": size, "popsize": popsize, "generations": generations,
                    "two_pass": two_pass, "seconds": round(seconds, 3),
                    "events_per_hour": round(3600 / seconds),
                })  # fmt: skip

    def packs(self) -> None:
        """Jobs an hour where several share a population."""
        size, popsize, generations = (64, 4, 2) if self._is_fake else (256, 16, 20)
        quick = {"IA__it": 4} if self._is_fake else {}
        for two_pass in (False, True):
            for count in (1, 2) if self._is_fake else (1, 4, 16):
                if self._has(12):
                    cases = [Case(pattern(size, seed), name=f"{seed}") for seed in range(count)]
                    settings = settings_for(size, popsize, generations, **quick)
                    run = bound(
                        reconstruct_together, cases, settings, backend=gpu_backend(two_pass)
                    )
                    run()
                    jobs = round(3600 * count / wall_seconds(run))
                    self._add("packs", {"two_pass": two_pass, "at once": count, "jobs/h": jobs})

    def cpu(self) -> None:
        """The same small job on the processor."""
        for threads in () if self._is_fake else (1, os.cpu_count() or 1):
            if self._has(20):
                backend = make_backend("cpu", print, threads=threads)
                run = bound(reconstruct, pattern(256), settings_for(256, 16, 5), backend=backend)
                self._add("jobs", {
                    "backend": backend.name, "threads": threads, "size": 256, "popsize": 16,
                    "generations": 5, "seconds": round(wall_seconds(run), 3),
                })  # fmt: skip

    def _has(self, seconds: float) -> bool:
        """Whether so much time is left."""
        return bool(self._arguments.budget - (time.monotonic() - self._began) > seconds)

    def _add(self, table: str, row: dict[str, Any]) -> None:
        self.found[table].append(row)
        print(table, json.dumps(row), flush=True)
        text = json.dumps(self.found, indent=1, default=float)
        (self._arguments.out / "times.json").write_text(text + "\n")
        partial(self.found)


class Loaded:
    """A backend with a problem and two populations."""

    def __init__(self, size: int, popsize: int, two_pass: bool, count: int) -> None:
        self._size, self._popsize, self._two_pass, self._count = size, popsize, two_pass, count
        self.backend: Any = gpu_backend(two_pass)
        self._settings = settings_for(size, popsize, 20)
        bounds = modulus_bounds(pattern(size), symmetric=True, bounded=False)
        self._load = lambda: self.backend.load([Problem(bounds, _KEY)], self._settings)
        self._loading = self._waited(self._load)
        self._population, self._others = self.backend.create(0), self.backend.create(1)

    def operations(self) -> dict[str, Any]:
        """Microseconds of each operation."""
        backend, population, others = self.backend, self._population, self._others
        size, popsize, count = self._size, self._popsize, self._count
        iterate = bound(backend.iterate, population, _RAAR, count)
        first, second = self._waited(iterate), self._waited(iterate)
        again = self._seconds(iterate) / count
        step = backend._iteration.prepared(population.density, population.support, _RAAR, 0)
        by_threshold = ShrinkWrap(2.0, 0.2, 0, 4, size**2 // 4)
        by_area = ShrinkWrap(2.0, None, size**2 // 40, 4, size**2 // 4)
        plan = crossover_plan(self._settings, [_KEY], 3)
        targets = best_of_islands(self._settings, np.arange(popsize, dtype=float))
        dark = backend.copy(population)
        dark.density[...] = 0
        actions: dict[str, Action] = {
            "shrinkwrap by threshold": bound(backend.shrinkwrap, population, by_threshold),
            "shrinkwrap by area": bound(backend.shrinkwrap, population, by_area),
            "shrinkwrap by area, darkness (ties)": bound(backend.shrinkwrap, dark, by_area),
            "errors": bound(backend.errors, population),
            "areas": bound(backend.areas, population),
            "register": bound(backend.register, population, targets),
            "crossover": bound(backend.crossover, population, plan),
            "copy": bound(backend.copy, population),
            "replace half": bound(backend.replace, population, others, np.arange(popsize) % 2 > 0),
            "save": bound(backend.save, population),
            "create": bound(backend.create, 3),
        }
        seconds = {
            "iteration, from a graph": again,
            "iteration, one by one": self._seconds(bound(step, count)) / count,
            "iteration and individual": again / popsize,
            "first block (plans, loading)": first,
            "second block (recording)": second,
            "load": self._loading,
        } | {name: self._seconds(action) for name, action in actions.items()}
        # An iteration moves 52 bytes per pixel and individual, by two passes 24.
        moved = (24 if self._two_pass else 52) * size**2 * popsize
        return {
            "size": size, "popsize": popsize, "two_pass": self._two_pass,
            "us": {name: round(1e6 * value, 2) for name, value in seconds.items()},
            "iteration_GB_per_s": round(moved / again / 1e9),
        }  # fmt: skip

    def kernels(self) -> dict[str, Any]:
        """Each kernel alone: microseconds, and GB/s by the bytes that it must move."""
        backend, machine, size, count = (
            self.backend,
            self.backend._machine,
            self._size,
            self._popsize,
        )
        pixels, half = count * size**2, count * size * (size // 2 + 1)
        density, support = self._population.density, self._population.support
        spectrum, projected = backend._workspace.spectra(count)
        sums, cut = machine.xp.empty((count, 16, 3)), density.copy()
        noise = np.random.default_rng(1).random((1, size, size), dtype=np.float32)
        image = machine.xp.abs(density) + machine.xp.asarray(noise)
        compare = (
            "compare", (16, count), spectrum, backend._lower, backend._upper, sums, np.int32(0),
            np.int32(count), np.int64(backend._lower[0].size), np.int32(backend._lower.shape[2]),
            np.int32(size), np.int32(1), np.float32(1 / size),
        )  # fmt: skip
        keep = ("keep_strongest", (1, count), image, cut, support, np.int64(size**2), np.int32(1))
        least, most = np.int64(4), np.int64(size**2)
        by_area = (np.float32(-1), np.int64(size**2 // 40), least, most)
        by_threshold = (np.float32(0.3), np.int64(0), least, most)
        iteration = backend._iteration
        actions: dict[str, tuple[Action, int]] = {
            "R2C": (bound(machine.forward, density, spectrum), 4 * pixels + 8 * half),
            "project": (bound(iteration._project, spectrum, 0), 16 * half + 8 * half // count),
            "C2R": (bound(machine.backward, spectrum, projected), 4 * pixels + 8 * half),
            "update": (bound(iteration._update, density, projected, support, _RAAR), 13 * pixels),
            "compare": (bound(backend._kernels, *compare), 8 * half),
            "keep by threshold": (bound(backend._kernels, *keep, *by_threshold), 12 * pixels),
            "keep by area": (bound(backend._kernels, *keep, *by_area), 12 * pixels),
        }
        rows = {}
        for name, (action, moved) in actions.items():
            seconds = self._seconds(action)
            rows[name] = {"us": round(1e6 * seconds, 2), "GB_per_s": round(moved / seconds / 1e9)}
        return {"size": size, "popsize": count, "kernels": rows}

    def _seconds(self, action: Action) -> float:
        return device_seconds(self.backend._machine, action)

    def _waited(self, action: Action) -> float:
        """Seconds until the device is done with it."""

        def act() -> None:
            action()
            self.backend._machine._stream.synchronize()

        return wall_seconds(act)


def host_times(size: int, popsize: int) -> dict[str, Any]:
    """Milliseconds of what the processor does for a job."""
    settings, made = settings_for(size, popsize, 20), pattern(size)
    densities = np.random.default_rng(1).random((popsize, size, size), dtype=np.float32)
    members, fitness = range(popsize), np.ones(popsize)
    actions: dict[str, Action] = {
        "plan": lambda: crossover_plan(settings, [1], 3),
        "forced pixels": lambda: [forced_pixel(1, 3, own, size**2) for own in members],
        "spheres": lambda: [spheres(settings.init, 1, 0, own, is_real=True) for own in members],
        "bounds": lambda: modulus_bounds(made, symmetric=True, bounded=False),
        "average": lambda: average(densities, densities > 0.5, fitness, made, settings),
    }
    ms = {name: round(1e3 * wall_seconds(action), 3) for name, action in actions.items()}
    return {"size": size, "popsize": popsize, "ms": ms}


def wall_seconds(action: Action) -> float:
    """By the clock on the wall."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def device_seconds(machine: Any, action: Action) -> float:
    """The median of the device's own time, where it has events; else by the clock on the wall."""
    cuda, stream = machine.xp.cuda, machine._stream

    def by_events() -> float:
        start, stop = cuda.Event(), cuda.Event()
        start.record(stream)
        action()
        stop.record(stream)
        stop.synchronize()
        return float(cuda.get_elapsed_time(start, stop)) / 1e3

    seconds = []
    for _ in range(_WARM + _REPEATS):
        stream.synchronize()
        seconds.append(by_events() if hasattr(cuda, "Event") else wall_seconds(action))
    return statistics.median(seconds[_WARM:])
