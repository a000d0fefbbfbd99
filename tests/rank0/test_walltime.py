"""Walltime: nothing is started that could not be saved before the allocation ends."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from helpers.campaigns import Campaign

from spring_mpi.rank0.overview import Pace
from spring_mpi.rank0.walltime import Walltime, end_of_allocation, words_of_end
from spring_mpi.worker.messages import Progressed


def pace(first: int, latest: int, each: float) -> Pace:
    """Of a job of 100 generations, first heard of 10 s after its start at 0 s."""
    words = [Progressed("a", number, 100, 0.1, 0.2) for number in (first, latest)]
    return Pace.begun(words[0], 10.0).advanced(words[1], 10.0 + (latest - first) * each)


@pytest.mark.parametrize(
    ("environment", "end"),
    [
        ({}, None),
        ({"SLURM_JOB_END_TIME": "1700000000"}, 1.7e9),
        ({"SLURM_JOB_END_TIME": "1700000000", "SPRING_END_TIME": "1600000000"}, 1.6e9),
        ({"SPRING_END_TIME": "soon"}, None),
        ({"SPRING_END_TIME": "soon", "SLURM_JOB_END_TIME": "1700000000"}, 1.7e9),
        ({"SPRING_END_TIME": "2023-11-14T22:13:20+00:00"}, 1.7e9),
        ({"SPRING_END_TIME": "1700000000.5"}, 1.7e9 + 0.5),
        ({"SPRING_END_TIME": "0"}, None),
        ({"SPRING_END_TIME": "", "SLURM_JOB_END_TIME": "Unknown"}, None),
        ({"SPRING_END_TIME": "1e300"}, None),
    ],
)
def test_the_end(environment: dict[str, str], end: float | None) -> None:
    assert end_of_allocation(environment) == end


def test_an_end_that_cannot_be_read_is_told() -> None:
    told = list(words_of_end({"SPRING_END_TIME": "soon", "SLURM_JOB_END_TIME": "1700000000"}))
    assert told[0].startswith("SPRING_END_TIME=soon is neither seconds since 1970 nor a date")
    assert told[1].startswith("This allocation ends at 2023-11-1")
    assert list(words_of_end({"SPRING_END_TIME": "", "SLURM_JOB_END_TIME": "N/A"})) == []


def test_a_job_has_to_reach_its_first_checkpoint() -> None:
    """At 2 s a generation: 10 s to begin with, 5 generations, 120 s of notice."""
    clock = [0.0]
    walltime = Walltime(end=1000.0, checkpoint=5, now=lambda: clock[0])
    walltime.learn(pace(1, 4, each=2.0), started=0.0)
    assert walltime.needed == pytest.approx(20.0)
    for seconds, is_too_short in ((859.9, False), (860.1, True)):
        clock[0] = seconds
        assert walltime.is_too_short is is_too_short
        assert not walltime.is_over
    clock[0] = 941.0
    assert walltime.is_over


def test_the_slowest_counts() -> None:
    walltime = Walltime(checkpoint=5)
    for each in (3.0, 1.0):
        walltime.learn(pace(1, 2, each), started=0.0)
    assert walltime.needed == pytest.approx(25.0)
    walltime.learn(pace(7, 7, each=9.0), started=0.0)
    assert walltime.needed == pytest.approx(25.0)


def test_without_an_end_there_is_always_time() -> None:
    walltime = Walltime()
    walltime.learn(pace(1, 2, 1e9), started=0.0)
    assert not walltime.is_too_short
    assert not walltime.is_over


def test_a_campaign_that_comes_too_late(
    small: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts no job, says so, and ends in order before its allocation does; exit 3."""
    monkeypatch.setenv("SPRING_END_TIME", str(int(time.time()) + 68))
    campaign = small(workers={"device": "cpu"})
    code, output = campaign.run()
    assert code == 3, output
    assert "too few to start another job" in output
    assert "Interrupted by the end of its allocation" in output
    assert campaign.in_state("running") == []
