"""Several patterns as one population: each has the result, bit by bit, that it has alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from helpers.hostmachine import HostMachine, SmallMachine
from helpers.physics import Around, disc, lumps, noise, pattern_of, settings_of
from helpers.results import Memory, arrays_of
from numpy.typing import NDArray

from spring_mpi.engine.backend import Backend
from spring_mpi.engine.backends.gpu.backend import GpuBackend
from spring_mpi.engine.backends.host import HostBackend, Population
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.case import Case, Progress
from spring_mpi.engine.mpr import reconstruct, reconstruct_together
from spring_mpi.errors import PatternError, SettingsError
from spring_mpi.model.pattern import Pattern

SIZE = 64
SMALL = {
    "global__generations": 3, "global__popsize": 4, "init__supportsize": 20, "IA__it": 2,
    "SW__sigma_start": 1.0,
}  # fmt: skip
MODES: dict[str, dict[str, Any]] = {
    "threshold": {},
    "area": {"SW__mode": "area", "SW__area": 100.0},
    "complex": {"object__constraint": "complex"},
    "two islands": {"global__islands": 2, "global__popsize": 8},
}
# The emulated kernels are slow: not every mode for each.
CHOICES = [
    *((backend, mode) for backend in ("reference", "cpu") for mode in MODES),
    ("gpu", "area"), ("gpu", "two islands"), ("short of memory", "complex"),
    ("two-pass", "threshold"), ("two-pass", "complex"),
]  # fmt: skip
Make = Callable[[], Backend]


@pytest.fixture
def make(backend: str, host_machine: HostMachine, native: Callable[..., HostBackend]) -> Make:
    """Makes the backend."""
    small = SmallMachine(host_machine.builder, 6)
    makers: dict[str, Make] = {
        "reference": reference_backend,
        "cpu": lambda: native(threads=2),
        "gpu": lambda: GpuBackend(host_machine, print),
        "two-pass": lambda: GpuBackend(host_machine, print, two_pass=True),
        "short of memory": lambda: GpuBackend(small, lambda text: None),
    }
    return makers[backend]


def pattern(number: int, hole: float) -> Pattern:
    """A pattern of its own brightness and mask."""
    density = 1e3 * number * lumps(SIZE, row=number) + 5 * np.abs(noise(SIZE, number))
    return pattern_of(density, disc(SIZE, hole), pid=(number,), cropsize=SIZE, size=SIZE)


PATTERNS = [pattern(1, 2), pattern(2, 4), pattern(3, 1)]


@pytest.mark.parametrize(("backend", "mode"), CHOICES)
def test_each_has_its_own_numbers(make: Make, mode: str) -> None:
    settings = settings_of(**SMALL | MODES[mode])
    cases = [Case(one, seed=number) for number, one in enumerate(PATTERNS)]
    together = reconstruct_together(cases, settings, backend=make())
    for case, outcome in zip(cases, together, strict=True):
        alone = reconstruct(case.pattern, settings, backend=make(), seed=case.seed)
        assert not isinstance(outcome, PatternError)
        assert arrays_of(outcome) == arrays_of(alone)
        assert (outcome.name, outcome.error) == (alone.name, alone.error)
        assert outcome.provenance.seed == case.seed


class LosesTheSecond(Around):
    """Loses the light of the second pattern's individuals."""

    def save(self, population: Population) -> Mapping[str, NDArray[Any]]:
        arrays = self.reference.save(population)
        density = arrays["density"].copy()
        density[4:8] = 0
        return {**arrays, "density": density}


def test_one_without_light_does_not_harm_the_others() -> None:
    settings = settings_of(**SMALL)
    cases = [Case(one) for one in PATTERNS]
    first, dark, last = reconstruct_together(cases, settings, backend=LosesTheSecond())
    assert isinstance(dark, PatternError)
    assert "pattern 2: no individual kept any density" in str(dark)
    for outcome, one in ((first, PATTERNS[0]), (last, PATTERNS[2])):
        alone = reconstruct(one, settings, backend=reference_backend())
        assert not isinstance(outcome, PatternError)
        assert arrays_of(outcome) == arrays_of(alone)


def test_runs_end_one_by_one(host_machine: HostMachine) -> None:
    """Also the emulated device takes cases out of a population, and goes on with the others."""
    settings = settings_of(**SMALL | {
        "global__generations": 10, "global__popsize": 4, "SW__area_power": 0.0,
        "init__supportsize": 12, "SW__sigma_start": 1.0,
    })  # fmt: skip
    made = [small(number) for number in (1, 2)]
    together = reconstruct_together([Case(one) for one in made], settings,
                                    backend=GpuBackend(host_machine, print))  # fmt: skip
    for one, outcome in zip(made, together, strict=True):
        alone = reconstruct(one, settings, backend=GpuBackend(host_machine, print))
        assert not isinstance(outcome, PatternError)
        assert arrays_of(outcome) == arrays_of(alone)
        assert outcome.generations_run == alone.generations_run


def small(number: int) -> Pattern:
    """A pattern on a smaller grid, which the emulated kernels are quicker on."""
    density = 1e3 * number * lumps(32) + 5 * np.abs(noise(32, number))
    return pattern_of(density, disc(32, number), pid=(number,), cropsize=32, size=32)


def test_reports_are_those_of_each_alone() -> None:
    def reports(patterns: list[Pattern]) -> list[list[Progress]]:
        heard: list[list[Progress]] = [[] for _ in patterns]
        cases = [Case(one, report=each.append) for one, each in zip(patterns, heard, strict=True)]
        reconstruct_together(cases, settings_of(**SMALL), backend=reference_backend())
        return heard

    assert reports(PATTERNS) == [reports([one])[0] for one in PATTERNS]


def test_each_continues_alone_from_what_was_kept_of_it() -> None:
    """States are kept where they are due, each as it would be alone."""
    settings, kept = settings_of(**SMALL), [Memory(1), Memory(0), Memory(2)]
    cases = [Case(one, checkpoints=memory) for one, memory in zip(PATTERNS, kept, strict=True)]
    outcomes = reconstruct_together(cases, settings, backend=reference_backend())
    assert [len(memory.saved) for memory in kept] == [2, 0, 1]
    for number in (0, 2):
        again: Any = reconstruct(
            PATTERNS[number], settings, backend=reference_backend(),
            checkpoints=Memory(0, kept[number].saved[0]),
        )  # fmt: skip
        outcome = outcomes[number]
        assert not isinstance(outcome, PatternError)
        assert arrays_of(again) == arrays_of(outcome)


def test_an_odd_number_of_individuals_cannot_be_shared() -> None:
    settings = settings_of(**SMALL | {"global__popsize": 5})
    with pytest.raises(SettingsError, match=r"global\.popsize must be even"):
        reconstruct_together([Case(one) for one in PATTERNS], settings, backend=reference_backend())
