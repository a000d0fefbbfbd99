"""Conditions on the columns of an index: what they select, and what they are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.errors import SourceError
from spring_mpi.events import EventIndex, Source
from spring_mpi.events.formats.reader import DAMAGED, INCOMPLETE, STEP
from spring_mpi.events.index.columns import TRANSITIONS, Frames, Statistics
from spring_mpi.events.index.condition import parse_condition

SUM = [5.0, 1e6, -3.0, 0.0, 7.0, np.nan]
LIT = [0, 9, 2, 4, 7, 0]
FLAGS = [0, DAMAGED, INCOMPLETE, DAMAGED | INCOMPLETE, 0, 0]


def index(*, measured: bool = True) -> EventIndex:
    """Six events at the times 0 to 5, the last unreadable; steps begin at 2 and 4."""
    steps = np.zeros(2, TRANSITIONS)
    steps["time"], steps["kind"] = [2, 4], STEP
    return EventIndex(
        part_pids=np.arange(6).reshape(6, 1),
        source=np.zeros(6, np.uint32),
        row=np.arange(6, dtype=np.uint64),
        part_flags=np.array(FLAGS, np.uint32),
        pid_names=("time",),
        sources=(Source("nowhere", "npy"),),
        frames=(Frames("", (2, 2), "uint8"),),
        transitions=steps,
        statistics=Statistics(np.array(SUM), np.array(LIT, np.uint32), 3.0) if measured else None,
        file="/run.h5",
    )


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("sum > 1e5", [1]),
        ("sum > 4 and lit < 8", [0, 4]),
        ("sum > 1e5 or sum < 0 and lit == 2", [1, 2]),
        ("(sum > 1e5 or sum < 0) and lit == 9", [1]),
        ("0 <= sum < 7", [0, 3]),
        ("not sum > 0", [2, 3]),
        ("sum != 5", [1, 2, 3, 4]),
        ("-sum >= lit + 1", [2]),
        ("lit - 3 < 0", [0, 2]),
        ("sum / lit > 1e4", [0, 1]),
        ("damaged", [1, 3]),
        ("not damaged and not incomplete", [0, 4, 5]),
        ("duplicate", []),
        ("step == 1", [4, 5]),
        (" step < 0\n or step >= 1 ", [0, 1, 4, 5]),
        ("2 > 1", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_selection(text: str, chosen: list[int]) -> None:
    """The events are those of which it is true; one that could not be measured has no sum."""
    assert np.flatnonzero(parse_condition(text).select(index())).tolist() == chosen


numbers = st.recursive(
    st.sampled_from(["sum", "lit", "step", "3", "-2.5"]),
    lambda one: st.tuples(one, st.sampled_from("+-*"), one).map(lambda t: f"({' '.join(t)})"),
    max_leaves=4,
)
conditions = st.recursive(
    st.tuples(numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers).map(" ".join)
    | st.sampled_from(["damaged", "incomplete"]),
    lambda one: (
        st.tuples(one, st.sampled_from(["and", "or"]), one).map(lambda t: f"({' '.join(t)})")
        | one.map(lambda text: f"(not {text})")
    ),
    max_leaves=5,
)


@given(conditions)
def test_means_what_python_means(text: str) -> None:
    """Of every event it says what Python says of that event's numbers."""
    own, found = index(), parse_condition(text).select(index())
    for place in range(5):
        names = {
            "sum": SUM[place], "lit": LIT[place], "step": int(own.steps[place]),
            "damaged": bool(FLAGS[place] & DAMAGED), "incomplete": bool(FLAGS[place] & INCOMPLETE),
        }  # fmt: skip
        assert found[place] == eval(text, {}, names)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "character 1: cannot be read"),
        ("sum >", "character 6: cannot be read"),
        ("sum > 1e5 and", "character 14: cannot be read"),
        ("sum > 1; lit", "character 8: cannot be read"),
        ("total > 1", "character 1: no column 'total'; known: sum, lit, step, damaged"),
        ("lit > 1 and smu > 2", "character 13: no column 'smu'; did you mean 'sum'"),
        ("sum", "character 1: a number is no condition"),
        ("sum > 1 and lit", "character 13: a condition is needed here"),
        ("not 3", "character 5: a condition is needed here"),
        ("damaged == 1", "character 1: a number is needed here"),
        ("1 < (sum > 2)", "character 6: a number is needed here"),
        ("sum ** 2 > 1", "character 1: only names, numbers"),
        ("sum is 1", "character 1: only names, numbers"),
        ("abs(sum) > 1", "character 1: only names, numbers"),
        ("sum.real > 1", "character 1: only names, numbers"),
        ("'a' < sum", "character 1: only names, numbers"),
        ("True", "character 1: only names, numbers"),
        ("1j < sum", "character 1: only names, numbers"),
        ("__import__('os').system('true')", "character 1: only names, numbers"),
        ("sum > 1" + "0" * 400, "character 7: only names, numbers"),
        ("sum\0 > 1", "character"),
        ("(" * 900 + "1" + ")" * 90, "character|has too many brackets or signs"),
        ("  smu > 2", "character 3: no column 'smu'"),
        ("sum > > 3", "character 7: cannot be read"),
        ("-" * 990 + "1 < sum", "character|has too many brackets or signs inside each other"),
        ("sum > 1 or " * 100, "has 1100 characters"),
    ],
)
def test_other_texts_are_refused(text: str, told: str) -> None:
    """What is no condition is told with its place; nothing of it is carried out."""
    with pytest.raises(ValueError, match=f"^({told})"):
        parse_condition(text)


def test_names() -> None:
    """The columns that it asks for."""
    assert parse_condition("sum > 1 and not damaged").names == {"sum", "damaged"}


def test_without_statistics() -> None:
    """Flags and steps are always known; for the others the error names the command."""
    found = parse_condition("damaged and step < 0").select(index(measured=False))
    assert np.flatnonzero(found).tolist() == [1]
    with pytest.raises(SourceError, match=r"'lit' is not known: run spring-index stats /run\.h5$"):
        parse_condition("damaged or lit > 3").select(index(measured=False))
