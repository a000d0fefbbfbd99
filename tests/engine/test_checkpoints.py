"""Checkpoints: a reconstruction that goes on from a saved state gives the bits of a whole one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.physics import bounds_of, lumps, noise, pattern_of, settings_of
from helpers.results import Memory, arrays_of

from spring_mpi.engine.backend import Arrays, Problem
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.bounds import ModulusBounds
from spring_mpi.engine.case import Progress
from spring_mpi.engine.evolution import Evolution
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.model.result import Result

SIZE = 32
SMALL = {
    "global__generations": 5, "global__popsize": 8, "init__supportsize": 16, "IA__it": 6,
    "SW__sigma_start": 1.0,
}  # fmt: skip
MODES: dict[str, dict[str, Any]] = {
    "threshold": {},
    "without elitism": {"SW__elitism": False},
    "area": {"SW__mode": "area", "SW__area": 100.0},
    "complex": {"object__constraint": "complex"},
    "two islands": {"global__islands": 2},
    "late crossover": {"DE__start": 3},
}


def result_of(
    memory: Memory, report: Callable[[Progress], None] = lambda progress: None, **changes: Any
) -> Result:
    """A reconstruction on a new backend."""
    density = lumps(SIZE) + 0.02 * np.abs(noise(SIZE, 9))
    return reconstruct(
        pattern_of(density),
        settings_of(**SMALL | changes),
        backend=reference_backend(),
        report=report,
        checkpoints=memory,
    )


@pytest.mark.parametrize("mode", MODES)
def test_continued_from_any_generation(mode: str) -> None:
    """From the state after any generation, a new backend gives the bits of the whole run."""
    whole = Memory()
    expected = result_of(whole, **MODES[mode])
    assert len(whole.saved) == 4
    assert whole.last is not None
    for offered in (*whole.saved, whole.last):
        result = result_of(Memory(0, offered), **MODES[mode])
        assert arrays_of(result) == arrays_of(expected)
        assert (result.error, result.members) == (expected.error, expected.members)


def test_every_array_of_a_state_is_kept() -> None:
    """Whatever a state holds, saving, restoring and saving it again gives the same arrays.

    Only the errors of its population have to be those of the pattern.
    """
    whole = Memory(3)
    result_of(whole)
    random = np.random.default_rng(1)
    arrays = {name: shuffled(array, random) for name, array in whole.saved[0].items()}
    backend, settings = reference_backend(), settings_of(**SMALL)
    backend.load([Problem(bounds_of(lumps(SIZE)), 1)], settings)
    evolution = Evolution(backend, settings, [1], SIZE)
    parts = ("density", "support")
    population = backend.restore({part: arrays[f"population.{part}"] for part in parts})
    arrays["population.errors"] = backend.errors(population)
    (saved,) = evolution.save(evolution.restore([arrays]))
    # The rest is of the job, of which this is one stage.
    assert bits(saved) == bits({name: arrays[name] for name in saved})
    assert arrays.keys() - saved.keys() == {"made", "searched"}


def test_a_state_of_another_pattern_is_refused() -> None:
    """A few pixels that are excluded by now are another pattern: no result is of two."""
    whole = Memory(3)
    result_of(whole)
    density = lumps(SIZE) + 0.02 * np.abs(noise(SIZE, 9))
    mask = np.zeros((SIZE, SIZE), bool)
    mask[SIZE // 2 + 2, SIZE // 2 : SIZE // 2 + 3] = True
    mask |= np.roll(np.flip(mask), 1, (0, 1))  # a pixel and its Friedel partner
    evolution_on(bounds_of(density)).restore([whole.saved[0]])
    with pytest.raises(ValueError, match="the event is prepared otherwise now"):
        evolution_on(bounds_of(density, mask)).restore([whole.saved[0]])


def evolution_on(data: ModulusBounds) -> Evolution:
    """An evolution on a new backend."""
    backend, settings = reference_backend(), settings_of(**SMALL)
    backend.load([Problem(data, 1)], settings)
    return Evolution(backend, settings, [1], SIZE)


def shuffled(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Other values, of the same type and shape."""
    values = np.asarray(random.random(array.shape) * 100)
    return values > 50 if array.dtype == bool else values.astype(array.dtype)


def bits(arrays: Arrays) -> dict[str, tuple[np.dtype, tuple[int, ...], bytes]]:
    """Types, shapes and values."""
    return {name: (one.dtype, one.shape, one.tobytes()) for name, one in arrays.items()}


def test_a_continued_run_saves_the_same_states() -> None:
    """A checkpoint of a continued run is that of the whole one: it may be cut again and again."""
    whole = Memory()
    result_of(whole)
    again = Memory(1, whole.saved[1])
    result_of(again)
    for one, other in zip(again.saved, whole.saved[2:], strict=True):
        assert bits(one) == bits(other)


@pytest.mark.parametrize(
    ("every", "generations"), [(0, []), (1, [1, 2, 3, 4]), (2, [2, 4]), (5, []), (6, [])]
)
def test_states_are_kept_at_intervals(every: int, generations: list[int]) -> None:
    """Every so many generations, never after the last one, never with an interval of 0."""
    memory = Memory(every)
    result_of(memory)
    assert [len(arrays["history"]) for arrays in memory.saved] == generations


def test_progress_starts_where_the_state_was_saved() -> None:
    """The generation of the checkpoint is reported first, then every further one."""
    whole = Memory()
    result_of(whole)
    reports: list[Progress] = []
    result_of(Memory(1, whole.saved[2]), reports.append)
    assert [one.generation for one in reports] == [3, 4, 5]


@pytest.mark.parametrize(
    "changes",
    [{"global__popsize": 12}, {"global__generations": 2}],
)
def test_states_of_other_evolutions_are_refused(changes: dict[str, Any]) -> None:
    """A state that has not the shape of this evolution's is a ValueError."""
    whole = Memory()
    result_of(whole)
    with pytest.raises(ValueError, match=r"it has 3 generations|it has no "):
        result_of(Memory(1, whole.saved[2]), **changes)


@pytest.mark.parametrize("size", [31, 64])
def test_states_of_other_grids_are_refused(size: int) -> None:
    """So is one of another grid."""
    whole = Memory()
    result_of(whole)
    backend, settings = reference_backend(), settings_of(**SMALL)
    backend.load([Problem(bounds_of(lumps(size)), 1)], settings)
    with pytest.raises(ValueError, match=r"it has no population\.density of the shape"):
        Evolution(backend, settings, [1], size).restore([whole.saved[0]])


@pytest.mark.parametrize(
    "name", ["population.support", "archive.scores", "archive.area", "history"]
)
def test_incomplete_states_are_refused(name: str) -> None:
    """So is one without one of its arrays."""
    whole = Memory()
    result_of(whole)
    rest = {key: array for key, array in whole.saved[0].items() if key != name}
    with pytest.raises(ValueError, match=f"it has no {name}|it has 0 generations"):
        result_of(Memory(1, rest))
