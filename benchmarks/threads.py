"""What a second thread gains: iterations of the cpu backend beside a loop of arithmetic alone.

The loop of arithmetic, sines of numbers that stay in the nearest cache, shows what the machine
gives: on two threads of one core, or in a busy virtual machine, far less than twice. Rounds take
turns; a gain is the time on one thread over the time on that many, once by the medians and once by
the best rounds, in which the machine was disturbed least.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from common import seconds_of
from loops import BETA, make_job

from spring_mpi.engine.algorithms import rule
from spring_mpi.engine.backend import Problem
from spring_mpi.engine.backends import make_backend
from spring_mpi.engine.bounds import modulus_bounds
from spring_mpi.model.settings import IA, Settings

INDIVIDUALS = 8
Work = Callable[[], object]


def arithmetic(threads: int) -> Work:
    """As much of it for any number of threads."""
    pool = ThreadPoolExecutor(threads)

    def sines(seed: int) -> None:
        numbers = np.full(4096, float(seed))
        for _ in range(1000):
            np.sin(numbers, out=numbers)

    return lambda: list(pool.map(sines, range(INDIVIDUALS)))


def iterations(size: int, constraint: str, threads: int) -> Work:
    """HIO on a population."""
    backend, job = make_backend("cpu", threads=threads), make_job(size)
    settings = Settings().set("global", "popsize", INDIVIDUALS)
    settings.set("object", "constraint", constraint)
    is_real = constraint != "complex"
    backend.load(
        [Problem(modulus_bounds(job.pattern(), symmetric=is_real, bounded=False), 1)], settings
    )
    population = backend.restore(
        {
            "density": job.starts(INDIVIDUALS).astype(np.float32 if is_real else np.complex64),
            "support": np.repeat(job.support[None], INDIVIDUALS, axis=0),
        }
    )
    hio, count = rule("HIO", IA(beta_hio=BETA)), max(5, 20 * (512 // size) ** 2)
    return lambda: backend.iterate(population, hio, count)


def gains(works: dict[str, list[Work]], rounds: int) -> dict[str, tuple[float, float]]:
    """By name, median and best rounds; the first work of each is that of one thread."""
    seconds: dict[tuple[str, int], list[float]] = defaultdict(list)
    for round_ in range(rounds + 1):
        for name, each in works.items():
            for which, work in enumerate(each):
                lasted = seconds_of(work)
                if round_:  # the first one warms up
                    seconds[name, which].append(lasted)
    return {
        name: (
            statistics.median(seconds[name, 0]) / statistics.median(seconds[name, 1]),
            min(seconds[name, 0]) / min(seconds[name, 1]),
        )
        for name in works
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512, 1024])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    both = (1, arguments.threads)
    works = {"arithmetic": [arithmetic(threads) for threads in both]}
    for size in arguments.sizes:
        for constraint in ("positive", "complex"):
            name = f"{constraint} at {size}"
            works[name] = [iterations(size, constraint, threads) for threads in both]
    found = gains(works, arguments.rounds)
    print(f"{'gain, share of what arithmetic gains':<38}{'medians':>14}{'best rounds':>14}")
    for name, gained in found.items():
        pairs = zip(gained, found["arithmetic"], strict=True)
        cells = (f"{gain:.2f}x {gain / possible:.2f}" for gain, possible in pairs)
        print(f"{name:<38}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
