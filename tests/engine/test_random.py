"""Random numbers are Philox4x32-10, the same whatever else is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.engine.random import Purpose, job_key, philox, uniforms

ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ONES,) * 4, (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    """The generator gives the published known-answer vectors."""
    words = philox(np.array(counter, np.uint64), key[0] | key[1] << 32)
    assert words.tolist() == list(expected)


@given(key=st.integers(0, 2**64 - 1), count=st.integers(0, 50), generation=st.integers(0, 1000))
def test_uniforms_lie_in_the_unit_interval_and_do_not_depend_on_their_number(
    key: int, count: int, generation: int
) -> None:
    """Uniforms are multiples of 2^-24 in [0, 1); fewer of them are a prefix of more."""
    more = uniforms(key, Purpose.START, generation, 3, 50)
    steps = more.astype(np.float64) * 2**24
    assert np.array_equal(steps, np.floor(steps))
    assert more.min() >= 0
    assert more.max() < 1
    assert np.array_equal(uniforms(key, Purpose.START, generation, 3, count), more[:count])


def test_uniforms_are_uniform() -> None:
    """Mean, variance and neighbour correlation of many uniforms are those of independent ones."""
    numbers = uniforms(7, Purpose.MIXING, 0, 0, 100_000).astype(np.float64) - 0.5
    error = 1 / np.sqrt(len(numbers))
    assert abs(numbers.mean()) < 4 * error * np.sqrt(1 / 12)
    assert numbers.var() == pytest.approx(1 / 12, rel=4 * error)
    assert abs((numbers[1:] * numbers[:-1]).mean() * 12) < 4 * error


def test_no_two_uses_share_numbers() -> None:
    """Key, purpose, generation and individual each change the numbers."""
    uses = [
        (1, Purpose.START, 0, 0), (2, Purpose.START, 0, 0), (1, Purpose.DONORS, 0, 0),
        (1, Purpose.START, 1, 0), (1, Purpose.START, 0, 1), (1 << 32, Purpose.START, 0, 0),
    ]  # fmt: skip
    drawn = {tuple(uniforms(*use, 8).tolist()) for use in uses}
    assert len(drawn) == len(uses)


def test_the_key_is_of_seed_and_name() -> None:
    """The key of a job is fixed for all time, and changes with seed and name."""
    assert job_key(1, "1-2") == 0x40E54BD8069F7016
    assert len({job_key(1, "1-2"), job_key(2, "1-2"), job_key(1, "1-3")}) == 3
