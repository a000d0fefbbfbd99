"""The runs of a job: independent, cut anywhere, alone or together, to the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.physics import bounds_of, disc, lumps, noise, pattern_of, settings_of
from helpers.results import Memory, arrays_of

from spring_mpi.engine.average import average
from spring_mpi.engine.backend import Problem
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.case import Case, Progress
from spring_mpi.engine.case_state import CaseState
from spring_mpi.engine.evolution import Evolution
from spring_mpi.engine.mpr import reconstruct, reconstruct_together
from spring_mpi.engine.random import job_key
from spring_mpi.errors import PatternError
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.result import Result

SIZE = 48
SMALL = {
    "global__generations": 24, "global__popsize": 8, "init__supportsize": 14, "IA__it": 12,
    "SW__sigma_start": 1.5, "SW__sigma_end": 0.8,
}  # fmt: skip


def pattern(number: int = 1, hole: float = 0) -> Pattern:
    density = 30.0 * number * lumps(SIZE) + 0.3 * np.abs(noise(SIZE, number))
    return pattern_of(density, disc(SIZE, hole) if hole else None, pid=(number,))


def solved(pattern: Pattern, memory: Memory | None = None, **changes: Any) -> Result:
    return reconstruct(
        pattern, settings_of(**SMALL | changes), backend=reference_backend(),
        checkpoints=memory or Memory(0),
    )  # fmt: skip


def test_what_is_saved_by_stopping_goes_into_runs() -> None:
    """Runs end before all generations are used up, and the result says how many each took."""
    result = solved(pattern())
    assert len(result.generations_run) == 3
    assert sum(result.generations_run) <= 24
    assert len(result.error_history) == result.generations_run[0]
    assert len(result.agreement) == SIZE // 2


@pytest.mark.parametrize(("runs", "expected"), [(1, 1), (2, 2), (3, 3)])
def test_further_runs_do_not_change_the_first(runs: int, expected: int) -> None:
    """The result is that of the first run, however many follow."""
    one, more = solved(pattern(), global__runs=1), solved(pattern(), global__runs=runs)
    assert len(more.generations_run) == expected
    for name in ("data", "support", "best", "std", "error_history"):
        assert np.array_equal(getattr(one, name), getattr(more, name)), name
    assert (one.resolution_px is None) or runs > 1


def test_without_a_second_run_there_is_no_resolution() -> None:
    """The reason is said: the settings, or generations that were used up."""
    assert "global.runs is 1" in solved(pattern(), global__runs=1).resolution_reason
    assert "used up" in solved(pattern(), global__stop="never").resolution_reason


def test_a_run_without_stops_is_the_whole_schedule() -> None:
    """``stop: never, runs: 1`` is what versions before 0.2.0 did: generation after generation, then
    the average of the best individuals."""
    settings = settings_of(**SMALL, global__stop="never", global__runs=1)
    backend, made = reference_backend(), pattern()
    key = job_key(1, "1")
    case = Case(made)
    assert case.key() == key
    backend.load([Problem(CaseState.of(case, settings).bounds, key)], settings)
    evolution = Evolution(backend, settings, [key], SIZE)
    state = evolution.start()
    for _ in range(24):
        state = evolution.step(state)
    archive, rating = backend.save(state.archive), state.archive_rating
    final = average(archive["density"], archive["support"], rating.fitness, made, settings)
    result = solved(made, global__stop="never", global__runs=1)
    for name, value in vars(final).items():
        assert np.array_equal(value, getattr(result, name), equal_nan=True), name
    assert result.generations_run == (24,)


def test_runs_have_their_own_numbers_and_supports() -> None:
    """Another seed each; the third starts from a support 1.35 times as large, at most half the
    grid."""
    settings = settings_of(**SMALL)
    case_state = CaseState.of(Case(pattern()), settings)
    problems = []
    backend = reference_backend()
    for size in (14, 14, 19):
        problem = case_state.problem
        problems.append(problem.key)
        assert problem.supportsize == size
        evolution = Evolution(backend, settings, [problem.key], SIZE)
        backend.load([problem], settings)
        (arrays,) = evolution.save(evolution.step(evolution.start()))
        case_state = case_state.after(arrays)
    assert len(set(problems)) == 3


def test_a_job_may_be_cut_anywhere() -> None:
    """From any state, in any stage of any run, the job ends with the same bits."""
    whole = Memory(1)
    expected = solved(pattern(), whole)
    assert len(whole.saved) == sum(expected.generations_run) - 1
    assert whole.last is not None
    for kept in (*whole.saved[::3], whole.saved[-1], whole.last):
        result = solved(pattern(), Memory(0, kept))
        assert arrays_of(result) == arrays_of(expected)
        assert (result.verdict, result.score, result.figures, result.generations_run) == (
            expected.verdict, expected.score, expected.figures, expected.generations_run,
        )  # fmt: skip


@pytest.mark.parametrize("mode", [{}, {"SW__mode": "area", "SW__area": 60.0}])
def test_together_each_stops_for_itself(mode: dict[str, Any]) -> None:
    """Cases that converge at different generations have the bits that they have alone."""
    made = [pattern(1), pattern(2, 2), pattern(3, 1)]
    settings = settings_of(**SMALL | mode)
    together = reconstruct_together([Case(one) for one in made], settings,
                                    backend=reference_backend())  # fmt: skip
    alone = [solved(one, **mode) for one in made]
    assert len({one.generations_run for one in alone}) > 1
    for first, second in zip(together, alone, strict=True):
        assert not isinstance(first, PatternError)
        assert arrays_of(first) == arrays_of(second)
        assert (first.generations_run, first.figures) == (second.generations_run, second.figures)


def test_progress_is_of_all_runs() -> None:
    """Every generation of every run is reported, the share never falls and ends at one."""
    reports: list[Progress] = []
    result = reconstruct(pattern(), settings_of(**SMALL), backend=reference_backend(),
                         report=reports.append)  # fmt: skip
    assert [one.generation for one in reports] == list(range(1, sum(result.generations_run) + 1))
    shares = [one.generation / one.generations for one in reports]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_state_of_an_earlier_version_goes_on() -> None:
    """It knew one run and no stages: its states are those of a first run's search."""
    whole = Memory(1)
    solved(pattern(), whole)
    former = {
        name: array for name, array in whole.saved[1].items()
        if name.startswith(("population.", "archive.", "history"))
    }  # fmt: skip
    assert former.keys() < whole.saved[1].keys()
    assert arrays_of(solved(pattern(), Memory(0, former))) == arrays_of(solved(pattern()))


def test_the_support_of_a_problem_is_its_own() -> None:
    """Where a problem has a start support, ``init.supportsize`` is not asked."""
    backend, settings = reference_backend(), settings_of(**SMALL)
    bounds = bounds_of(lumps(SIZE))
    backend.load([Problem(bounds, 1), Problem(bounds, 1, 6)], settings)
    areas = backend.areas(backend.create(0))
    assert len(set(areas[:8])) == len(set(areas[8:])) == 1
    assert areas[8] < areas[0] / 4
