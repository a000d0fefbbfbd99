"""When searches end, and what is left for the next run: decisions on errors alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.physics import settings_of
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.engine.stopping import FINISHING, Budget, has_converged, has_settled


def history(best: list[float], median: float = 1.0) -> np.ndarray:
    """Errors of five individuals with that lowest error, and a median so many times as high."""
    return np.array([[low, low * median, low * median, low * median, 9.0] for low in best])


@pytest.mark.parametrize(
    ("best", "median", "expected"),
    [
        ([0.5, 0.2, 0.2, 0.2], 1.0, True),
        ([0.5, 0.2, 0.2, 0.2], 1.04, True),
        ([0.5, 0.2, 0.2, 0.2], 1.06, False),
        ([0.202, 0.201, 0.2], 1.0, True),
        ([0.203, 0.201, 0.2], 1.0, False),
        ([0.2, 0.2], 1.0, False),
        ([0.2, 0.21, 0.22], 1.0, True),
        ([0.0, 0.0, 0.0], 1.0, True),
    ],
)
def test_a_search_has_converged(best: list[float], median: float, expected: bool) -> None:
    """When half of the population is as good as the best, and the best gets no better."""
    assert has_converged(history(best, median)) == expected


def test_a_run_settles_when_its_lowest_error_does() -> None:
    """Two generations at least, and less than 1 % in the last one."""
    assert not has_settled(history([0.2]))
    assert has_settled(history([0.2, 0.199]))
    assert not has_settled(history([0.2, 0.19]))


def test_a_whole_schedule_needs_no_finishing() -> None:
    """A search that never converges ends with the last generation, and so does the job."""
    budget = Budget(generations=5, runs=3, stops=True)
    falling = history([0.5, 0.4, 0.3, 0.2, 0.1], 2.0)
    assert [budget.ends_search(falling[:made]) for made in range(6)] == [False] * 5 + [True]
    assert not budget.must_finish(5)
    assert not budget.after(5).has_another


def test_nothing_stops_that_may_not() -> None:
    """With ``stop: never`` the first run takes all generations."""
    settings = settings_of(global__generations=6, global__stop="never", global__runs=3)
    budget = Budget.of(settings)
    flat = history([0.2] * 6)
    assert [budget.ends_search(flat[:made]) for made in range(7)] == [False] * 6 + [True]


def test_no_search_stops_that_could_not_be_finished() -> None:
    """One generation before the end of the schedule there is no room for finishing."""
    budget = Budget(generations=5, runs=3, stops=True)
    flat = history([0.2] * 5)
    assert [budget.ends_search(flat[:made]) for made in (3, 4, 5)] == [True, False, True]


def test_later_runs_leave_room_to_finish() -> None:
    """A run that the budget cuts short has finishing generations, too; none begins without room."""
    budget = Budget(generations=14, runs=3, stops=True).after(6)
    falling = history([1 / made for made in range(1, 9)], 2.0)
    assert [budget.ends_search(falling[:made]) for made in (5, 6)] == [False, True]
    assert budget.after(6).has_another is False
    assert budget.must_finish(6)


@st.composite
def jobs(draw: st.DrawFn) -> tuple[Budget, list[tuple[int, int]]]:
    """A budget, and for each run how long it would search and finish if it could."""
    budget = Budget(draw(st.integers(1, 60)), draw(st.integers(1, 3)), stops=draw(st.booleans()))
    lengths = st.tuples(st.integers(3, 70), st.integers(FINISHING, 6))
    return budget, draw(st.lists(lengths, min_size=3, max_size=3))


def walk(budget: Budget, lengths: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(done, expected) after every generation of a whole job, as `CaseState.progress` has it."""
    shares = []
    for wanted, finishing in lengths:
        if not budget.has_another:
            break
        made, is_converged = 0, False
        done = sum(budget.used)
        while True:
            made += 1
            is_converged = budget.stops and made >= wanted
            errors = (
                history([0.2] * made)
                if is_converged
                else history([1.0 / n for n in range(1, made + 1)], 2.0)
            )
            if budget.ends_search(errors):
                break
            shares.append((done + made, budget.expected(made + FINISHING)))
        if budget.must_finish(made):
            shares.append((done + made, budget.expected(made + FINISHING, is_over=True)))
            searched = made
            for step in range(1, finishing + 1):
                made += 1
                is_last = step == finishing or made >= budget.left
                left = 0 if is_last else max(FINISHING - step, 1)
                shares.append((done + made, budget.expected(made + left, is_over=True)))
                if is_last:
                    break
            assert made > searched
        else:
            shares.append((done + made, budget.expected(made, is_over=True)))
        budget = budget.after(made)
    assert sum(budget.used) <= budget.generations
    assert not budget.has_another or len(budget.used) == len(lengths)
    return shares


@given(jobs())
def test_progress_never_falls_and_ends_at_one(job: tuple[Budget, list[tuple[int, int]]]) -> None:
    """Whatever the runs take, the budget holds, and what is done over what is expected grows."""
    shares = walk(*job)
    quotients = [done / expected for done, expected in shares]
    assert quotients == sorted(quotients)
    assert shares[-1][0] == shares[-1][1]


def test_runs_are_left_out_where_the_first_took_most() -> None:
    """A run begins only where as many generations are left as the first one took."""
    budget = Budget(generations=10, runs=3, stops=True)
    assert budget.after(5).has_another
    assert not budget.after(6).has_another
    assert not replace(budget, runs=1).after(5).has_another
