"""What became of a job: how it is said, and sorted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from helpers.pictures import made_result
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict, counts_by_key, counts_from_keys, tally_of_verdicts

DONE = Outcome("a", state=State.DONE, verdict=Verdict.GOOD, score=0.875, error=0.03124,
               resolution_px=2.41)  # fmt: skip

verdicts = st.sampled_from([*Verdict, None])
scores = st.one_of(st.none(), st.floats(0, 1), st.just(math.nan))
errors = st.one_of(st.none(), st.floats(0, 1), st.just(math.nan))


@pytest.mark.parametrize(
    ("outcome", "caption"),
    [
        (DONE, "good 0.88, error 0.0312, resolution 2.41 px"),
        (replace(DONE, resolution_px=None), "good 0.88, error 0.0312, no resolution"),
        (replace(DONE, verdict=Verdict.DOUBTFUL), "doubtful 0.88, error 0.0312"),
        (replace(DONE, verdict=Verdict.BAD, score=None), "bad, error 0.0312"),
        (Outcome("a", state=State.DONE, error=0.03), "not judged, error 0.0300"),
        (Outcome("a", state=State.DONE), "not judged, error unknown"),
    ],
)
def test_caption(outcome: Outcome, caption: str) -> None:
    """Verdict with its score, error; a resolution where the verdict lets one be told."""
    assert outcome.caption == caption


def test_first_reason() -> None:
    """Of several, the first with the number of the others."""
    reasons = ("not centrosymmetric", "two parts", "too few photons")
    told = [replace(DONE, reasons=reasons[:number]).first_reason for number in range(4)]
    assert told == [
        "", "not centrosymmetric", "not centrosymmetric; and 1 more",
        "not centrosymmetric; and 2 more",
    ]  # fmt: skip


def test_a_result_that_nobody_judged_has_no_resolution() -> None:
    """What a version claimed that did not judge is not handed on."""
    result = replace(made_result(), verdict=None, score=math.nan, resolution_px=2.0)
    outcome = Outcome.of(result)
    assert (outcome.verdict, outcome.score, outcome.resolution_px) == (None, None, None)
    line = {"job": "a", "state": "done", "error": 0.1, "resolution_px": 2.0}
    assert Outcome.from_line(line).resolution_px is None
    assert Outcome.from_line(line | {"verdict": "good"}).resolution_px == 2.0


@given(st.lists(st.tuples(verdicts, scores, errors), max_size=9))
def test_trust_is_an_order(given: list[tuple[Verdict | None, float | None, float | None]]) -> None:
    """By verdict, then by score, then by error; what is not known comes last of its kind."""
    jobs = [
        Outcome(str(number), state=State.DONE, verdict=verdict, score=score, error=error)
        for number, (verdict, score, error) in enumerate(given)
    ]
    ranked = sorted(jobs, key=lambda job: job.trust)
    order = [*Verdict, None]
    places = [order.index(job.verdict) for job in ranked]
    assert places == sorted(places)
    for verdict in order:
        known = [
            -1.0 if job.score is None or math.isnan(job.score) else job.score
            for job in ranked
            if job.verdict == verdict
        ]
        assert known == sorted(known, reverse=True)


@given(st.dictionaries(verdicts, st.integers(0, 99)))
def test_counts_of_verdicts(counts: dict[Verdict | None, int]) -> None:
    """For programs every verdict has a number, for people those that there are."""
    assert counts_from_keys(counts_by_key(counts)) == {
        verdict: counts.get(verdict, 0) for verdict in (*Verdict, None)
    }
    told = [part.split(" ", 1) for part in tally_of_verdicts(counts).split(", ") if part]
    assert {word: int(number) for number, word in told} == {
        str(verdict or "not judged"): number for verdict, number in counts.items() if number
    }
