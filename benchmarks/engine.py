"""Iterations of all engines side by side, what a whole job adds to them, and events per hour.

The job of the first two tables: a real positive object, its diffraction with 1e8 photons and a
central hole, the support two pixels wider than the object. First the speed of HIO: engines take
turns, round by round; a figure is the median over the rounds, in microseconds per iteration and
individual. Then what they arrive at from a number of starts by 150 HIO and 50 ER: the median
relative distance to the truth. Then one MPR job on each backend, split by operation; last what
several such jobs as one population bring. Peers run where installed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import seconds_of
from loops import Loop, backend_of, loops, make_job
from numpy.typing import NDArray
from peers import peers

from spring_mpi.engine.mpr import Case, reconstruct, reconstruct_together
from spring_mpi.errors import SpringError
from spring_mpi.model.alignment import register
from spring_mpi.model.settings import Settings

OPERATIONS = (
    "load", "create", "copy", "iterate", "shrinkwrap", "errors", "areas", "register", "crossover",
    "replace", "save",
)  # fmt: skip


def usable(devices: list[str]) -> Iterator[str]:
    """The devices that work here."""
    for device in devices:
        try:
            backend_of(device)
        except SpringError as fault:
            print(f"{device}: {fault}")
        else:
            yield device


def iterations_table(arguments: argparse.Namespace, ways: list[Loop]) -> dict[str, Any]:
    """Microseconds per iteration and individual, by loop and size: (median, least)."""
    table: dict[str, Any] = defaultdict(dict)
    for size in arguments.sizes:
        for name, figures in interleaved(size, arguments, ways).items():
            table[name][size] = (statistics.median(figures), min(figures))
    return table


def interleaved(
    size: int, arguments: argparse.Namespace, ways: list[Loop]
) -> dict[str, list[float]]:
    """Figures of all rounds, the loops taking turns; the first round warms up.

    What a processor does is measured by its time, a GPU by the clock on the wall.
    """
    job, figures = make_job(size), defaultdict(list)
    ready = [(loop, loop.make(job, loop.count)) for loop in ways]
    iterations = max(2, int(arguments.effort * (256 / size) ** 2))
    for round_ in range(arguments.rounds + 1):
        for loop, engine in ready:
            clock = time.perf_counter if loop.on_gpu else time.process_time
            began = clock()
            engine.iterate("HIO", iterations)
            if round_:
                figures[loop.name].append(1e6 * (clock() - began) / iterations / loop.count)
    return figures


def distances(loop: Loop, size: int, starts: int) -> list[float]:
    """Relative L2 distances to the truth, after shift, twin and scale, of all starts."""
    job = make_job(size)
    engine = loop.make(job, starts)
    engine.iterate("HIO", 150)
    engine.iterate("ER", 50)
    return [distance(density, job.truth) for density in engine.densities()]


def distance(density: NDArray[np.inexact], truth: NDArray[np.float32]) -> float:
    """The least one over motions and scales."""
    moved = register(density, truth).move(density)
    scale = np.vdot(moved, truth).real / np.vdot(moved, moved).real
    return float(np.linalg.norm(scale * moved - truth) / np.linalg.norm(truth))


class Meter:
    """A backend that notes how long its operations take; a device is waited for after each."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.name, self.device = backend.name, backend.device
        self.seconds: dict[str, float] = dict.fromkeys(OPERATIONS, 0.0)
        self.iterations = 0
        self._population: Any = None

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._backend, name)

        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            result = operation(*arguments)
            if name in ("create", "copy", "crossover", "restore"):
                self._population = result
            if name not in ("areas", "load") and self._population is not None:
                self._backend.areas(self._population)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
            if name == "iterate":
                self.iterations += arguments[2]
            return result

        return timed


def job_split(device: str, size: int, settings: Settings) -> dict[str, Any]:
    """One MPR job: seconds by operation, and the share that iterations have of it."""
    pattern = make_job(size).pattern()
    backend = backend_of(device)
    quick = settings.copy().set("global", "generations", 2)
    reconstruct(pattern, quick, backend=backend)  # plans and kernels are loaded
    whole = seconds_of(partial(reconstruct, pattern, settings, backend=backend))
    meter = Meter(backend_of(device))
    reconstruct(pattern, settings, backend=meter)  # type: ignore[arg-type]
    parts = {name: seconds for name, seconds in meter.seconds.items() if seconds}
    total = sum(parts.values())
    return {
        "size": size,
        "popsize": settings.global_.popsize,
        "generations": settings.global_.generations,
        "seconds": whole,
        "events_per_hour": 3600 / whole,
        "us_per_iteration_and_individual": 1e6 * parts["iterate"]
        / (meter.iterations * settings.global_.popsize),
        "share": {name: seconds / total for name, seconds in parts.items()},
        "share_of_iterations_in_job": parts["iterate"] / whole,
    }  # fmt: skip


def packed(device: str, size: int, settings: Settings, counts: list[int]) -> dict[int, float]:
    """Events per hour, that many of them as one population."""
    pattern, backend, found = make_job(size).pattern(), backend_of(device), {}
    for count in counts:
        cases = [Case(pattern, name=f"{number}") for number in range(count)]
        quick = settings.copy().set("global", "generations", 2)
        reconstruct_together(cases, quick, backend=backend)  # plans and kernels are loaded
        seconds = seconds_of(partial(reconstruct_together, cases, settings, backend=backend))
        found[count] = 3600 * count / seconds
    return found


def campaign_settings(size: int, popsize: int, generations: int) -> Settings:
    """SPRING's defaults but for the size of the search."""
    settings = Settings().set("global", "popsize", popsize)
    settings.set("init", "supportsize", min(60, size // 4))
    return settings.set("global", "generations", generations)


def machine(devices: list[str]) -> dict[str, Any]:
    """What the figures belong to."""
    model = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": model[0].partition(":")[2].strip() if model else platform.machine(),
        "devices": [backend_of(device).device for device in devices],
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def main() -> None:
    """Measure, print, and write the JSON that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", nargs="+", default=["reference", "cpu", "cuda"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--effort", type=float, default=20, help="iterations of a round at 256")
    parser.add_argument("--population", type=int, default=64, help="individuals on a GPU")
    parser.add_argument("--job", nargs=3, type=int, default=(256, 16, 20),
                        metavar=("SIZE", "POPSIZE", "GENERATIONS"))  # fmt: skip
    parser.add_argument("--pack", nargs="*", type=int, default=[1, 4, 16], help="jobs at once")
    parser.add_argument("--starts", type=int, default=11, help="for the distance to the truth")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    devices = list(usable(arguments.devices))
    about = machine(devices)
    print(json.dumps(about))
    ways = [*loops(devices, arguments.population), *peers()]
    table = iterations_table(arguments, ways)
    print_iterations(table, arguments.sizes)
    reached = {way.name: distances(way, arguments.sizes[0], arguments.starts) for way in ways}
    print_distances(reached, arguments.sizes[0])
    size, popsize, generations = arguments.job
    settings = campaign_settings(size, popsize, generations)
    jobs = {backend_of(device).name: job_split(device, size, settings) for device in devices}
    for name, split in jobs.items():
        print_job(name, split)
    packs = {
        backend_of(device).name: packed(device, size, settings, arguments.pack)
        for device in devices
    }
    for name, found in packs.items():
        cells = ", ".join(f"{count} at once: {figure:.0f}" for count, figure in found.items())
        print(f"\n{name}, events/h: {cells}")
    if arguments.json:
        report = {
            "machine": about,
            "iterations": table,
            "distances": reached,
            "jobs": jobs,
            "packs": packs,
        }
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def print_iterations(table: dict[str, Any], sizes: list[int]) -> None:
    """Medians, least values in brackets, and ratios to the notebook loop."""
    print(f"\n{'us per iteration and individual':<34}" + "".join(f"{n:>24}" for n in sizes))
    for name, row in table.items():
        cells = [
            f"{row[n][0]:10.1f} ({row[n][1]:.1f}) {table['notebook loop'][n][0] / row[n][0]:6.1f}x"
            for n in sizes
        ]
        print(f"{name:<34}" + "".join(f"{cell:>24}" for cell in cells))


def print_distances(reached: dict[str, list[float]], size: int) -> None:
    """Median and extremes over the starts."""
    print(f"\nrelative distance to the truth at {size}: median, least, largest of the starts")
    for name, figures in reached.items():
        print(
            f"{name:<34}{statistics.median(figures):8.3f} {min(figures):8.3f} {max(figures):8.3f}"
        )


def print_job(name: str, split: dict[str, Any]) -> None:
    """One MPR job."""
    shares = ", ".join(f"{part} {100 * share:.1f}%" for part, share in split["share"].items())
    print(
        f"\n{name}: {split['popsize']} individuals, {split['generations']} generations at "
        f"{split['size']}: {split['seconds']:.2f} s, {split['events_per_hour']:.0f} events/h, "
        f"iterations {100 * split['share_of_iterations_in_job']:.0f}% of it\n  {shares}"
    )


if __name__ == "__main__":
    main()
