"""Laws of options: types are never bent, ranges hold, and messages say what is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.model.options import Option, Range, convert, option, options, suggest, type_name


@dataclass(frozen=True)
class Sample:
    """A section with one option of each kind."""

    needed: int = option(..., "a required one", at_least=2, below=10, example=3)
    share: float | None = option(None, "a share", above=0, at_most=1)
    moved: int = option(1, "one that a config has elsewhere", instead="other.key")
    made: dict[str, object] = option(dict, "a new object each time")


def sample(name: str) -> Option:
    """The option of that name."""
    return next(one for one in options(Sample) if one.name == name)


def fault_of(hint: object, value: object) -> str:
    """What `convert` says of a value."""
    with pytest.raises(ValueError) as caught:
        convert(hint, value)
    return str(caught.value)


@given(st.integers(-20, 20))
def test_range_is_the_conjunction_of_its_limits(number: int) -> None:
    """A number is in a range when it keeps every limit."""
    actual = number in Range(above=-5, at_least=-3, below=10, at_most=12)
    expected = number > -5 and number >= -3 and number < 10 and number <= 12
    assert actual == expected


def test_range_is_written_with_signs() -> None:
    """The text of a range shows each limit once, an integer in full."""
    assert str(Range(above=0, below=2)) == ">0 <2"
    assert str(Range(at_least=0.5, below=2**63)) == ">=0.5 <9223372036854775808"
    assert str(Range()) == ""


def test_range_has_the_keywords_of_json_schema() -> None:
    """Each limit is one keyword; no limit is none."""
    assert Range(above=0, at_most=2).keywords() == {"exclusiveMinimum": 0, "maximum": 2}
    assert Range(at_least=1, below=3).keywords() == {"minimum": 1, "exclusiveMaximum": 3}
    assert Range().keywords() == {}


def test_options_know_what_is_declared_with_them() -> None:
    """A key of a config that takes an option's place, and an example, are empty unless given."""
    assert [(one.instead, one.example) for one in options(Sample)] == [
        ("", 3), ("", None), ("other.key", None), ("", None),
    ]  # fmt: skip


def test_options_keep_the_order_and_know_what_is_required() -> None:
    """Options come as written; the one without a default is required."""
    actual = [(one.name, one.required, one.type_name) for one in options(Sample)]
    assert actual == [
        ("needed", True, "int"),
        ("share", False, "float or null"),
        ("moved", False, "int"),
        ("made", False, "dict"),
    ]


@given(st.one_of(st.booleans(), st.text(), st.floats(), st.none()))
def test_only_an_integer_is_an_int(value: object) -> None:
    """True, 1.0, "1" and null are no integers."""
    assert fault_of(int, value) == f"must be int, not {value!r}"


@given(st.integers(-(2**53), 2**53))
def test_an_int_stands_for_a_float(number: int) -> None:
    """An int given for a float becomes that float."""
    actual = convert(float, number)
    assert (actual, type(actual)) == (float(number), float)


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3)])
def test_numbers_of_numpy_become_plain(number: np.int64 | np.uint8) -> None:
    """A numpy integer is taken as the Python int of the same value."""
    actual = convert(int, number)
    assert (actual, type(actual)) == (3, int)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float32("inf")])
def test_floats_are_finite(value: float | np.float32) -> None:
    """Neither infinity nor nan is a float option's value."""
    assert fault_of(float, value) == f"must be finite, not {value!r}"


def test_a_huge_integer_is_no_float() -> None:
    """An int beyond the floats is refused, not an overflow."""
    assert fault_of(float, 10**400).startswith("must be float, not 1000")


def test_unions_take_the_first_member_that_fits() -> None:
    """A union accepts what any of its members does, and names all of them when none does."""
    hint = int | tuple[int, ...]
    assert (convert(hint, 2), convert(hint, [2, 3])) == (2, (2, 3))
    assert fault_of(hint, "2") == "must be int or list of int, not '2'"


def test_lists_of_fixed_length_keep_it() -> None:
    """A pair takes two items, no fewer and no more."""
    pair = tuple[float, float]
    assert convert(pair, [1, 2]) == (1.0, 2.0)
    assert fault_of(pair, [1]) == "must be list of 2 float, not [1]"


def test_choices_are_listed_in_the_message() -> None:
    """A literal accepts its choices and tells them otherwise."""
    assert convert(Literal["disc", "square"], "disc") == "disc"
    assert fault_of(Literal["disc", "square"], "disk") == "must be disc or square, not 'disk'"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("needed", 1, "must be >=2 <10, not 1"),
        ("needed", 10, "must be >=2 <10, not 10"),
        ("share", 0, "must be >0 <=1, not 0.0"),
    ],
)
def test_an_option_refuses_what_is_out_of_range(name: str, value: int, message: str) -> None:
    """A value of the right type outside the range is refused with the limit in the text."""
    with pytest.raises(ValueError) as caught:
        sample(name).convert(value)
    assert str(caught.value) == message


def test_null_has_no_range() -> None:
    """An option that may be null takes null whatever its range."""
    assert sample("share").convert(None) is None


def test_default_made_from_a_class_is_new_each_time() -> None:
    """Two sections never share a mutable default."""
    assert Sample(needed=3).made is not Sample(needed=3).made


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (str, "text"),
        (bool, "true or false"),
        (float | None, "float or null"),
        (tuple[int, ...], "list of int"),
        (tuple[float, float], "list of 2 float"),
    ],
)
def test_type_names_are_words_of_the_user(hint: Any, text: str) -> None:
    """Types are named as people write them in a config."""
    assert type_name(hint) == text


def test_suggestions_ignore_case_and_long_lists() -> None:
    """The nearest name whatever its case; else the known ones, when there are few."""
    assert suggest("raar", ["RAAR", "ER"]) == "; did you mean 'RAAR'?"
    assert suggest("zzz", ["b", "a"]) == "; known: b, a"
    assert suggest("zzz", [f"name{i}" for i in range(20)]) == ""
