"""The sequence language: what is written is what runs, and faults are pointed at."""

from __future__ import annotations

import contextlib

import pytest
from helpers.physics import settings_of
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.engine.algorithms import ALGORITHMS
from spring_mpi.engine.sequence import (
    SHRINKWRAP,
    Step,
    check_sequence,
    improvement_steps,
    iterations,
    parse,
)
from spring_mpi.errors import SettingsError

NAMES = (*ALGORITHMS, SHRINKWRAP)
STEPS = st.lists(st.builds(Step, st.sampled_from(NAMES), st.integers(1, 200)), min_size=1)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("ER", [("ER", 1)]),
        ("RAAR*38 + ER*12 + SW", [("RAAR", 38), ("ER", 12), ("SW", 1)]),
        ("38*RAAR+12 * ER", [("RAAR", 38), ("ER", 12)]),
        ("2*(ER*2 + SW)", [("ER", 2), ("SW", 1), ("ER", 2), ("SW", 1)]),
        ("(ER + SW)*2", [("ER", 1), ("SW", 1), ("ER", 1), ("SW", 1)]),
        ("2*ER*3", [("ER", 6)]),
        ("ER + (ER + 2*(ER))", [("ER", 4)]),
        ("HIO*007\n+\tDM", [("HIO", 7), ("DM", 1)]),
    ],
)
def test_what_is_written_is_what_runs(text: str, steps: list[tuple[str, int]]) -> None:
    """Counts stand on either side, groups repeat, equal neighbours are joined."""
    assert parse(text) == tuple(Step(*step) for step in steps)


@given(STEPS)
def test_steps_survive_being_written(steps: list[Step]) -> None:
    """What parsing gives is written and parsed again to the same."""
    first = parse(" + ".join(f"{step.algorithm}*{step.count}" for step in steps))
    again = parse("+".join(f"{step.count}*({step.algorithm})" for step in first))
    assert again == first
    assert iterations(first) == sum(step.count for step in steps if step.algorithm != "SW")


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("RAAR*38 + EE*12", 10, "unknown algorithm 'EE'"),
        ("er", 0, f"known: {', '.join(NAMES)}"),
        ("", 0, "expected one of"),
        ("ER + ", 5, "expected one of"),
        ("ER ER", 3, "expected + or the end"),
        ("2 ER", 2, "expected *"),
        ("(ER + SW", 8, "expected )"),
        ("ER*0", 3, "expected a number from 1 to 100000"),
        ("ER*100001", 3, "expected a number"),
        ("ER*" + "9" * 5000, 3, "expected a number"),
        ("100*(ER + 2000*HIO)", 0, "more than 100000 steps"),
        ("ER\n+\n%", 5, "expected one of"),
        ("(" * 30 + "ER" + ")" * 30, 20, "more than 20 groups"),
    ],
)
def test_faults_are_pointed_at(text: str, position: int, message: str) -> None:
    """The caret stands under the fault, and the first line says what was expected."""
    with pytest.raises(SettingsError) as caught:
        parse(text)
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    assert message in lines[0]
    assert lines[2] == " " * (position + 2) + "^"


TOKENS = st.lists(st.sampled_from([*NAMES, "2", "99999", "*", "+", "(", ")", " "])).map("".join)


@given(st.text() | TOKENS | st.integers(0, 5000).map(lambda depth: "(" * depth))
def test_any_text_parses_or_is_refused(text: str) -> None:
    """No text does anything but parse or raise SettingsError."""
    with contextlib.suppress(SettingsError):
        assert all(step.count > 0 for step in parse(text))


@given(st.integers(1, 1000))
def test_auto_has_as_many_iterations_as_asked(it: int) -> None:
    """The automatic sequence has `it` iterations, 76 % of them RAAR, and ends in shrink-wrap."""
    steps = improvement_steps(settings_of(IA__it=it))
    assert iterations(steps) == it
    assert abs(steps[0].count - 0.76 * it) <= 0.5
    assert steps[-1] == Step("SW", 1)


def test_sequence_and_it_must_agree() -> None:
    """A given `it` is compared with the sequence; a default one is not."""
    assert check_sequence(settings_of(IA__sequence="ER*10 + SW")) is None
    assert check_sequence(settings_of(IA__sequence="ER*10 + SW", IA__it=10)) is None
    fault = check_sequence(settings_of(IA__sequence="ER*10 + SW", IA__it=50))
    assert fault == "IA.sequence has 10 iterations, IA.it says 50: leave one of them out"


def test_a_sequence_must_iterate() -> None:
    """Shrink-wrap alone improves nothing."""
    assert "has no iteration" in str(check_sequence(settings_of(IA__sequence="SW*3")))
