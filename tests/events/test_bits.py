"""Bits of masks: every width and sign, and what has no bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.errors import PatternError
from spring_mpi.events.formats.bits import has_bits, lacks_bits
from spring_mpi.events.specs import MaskSpec

WHOLE = [f"{order}{kind}{width}" for order in "<>" for kind in "iu" for width in (1, 2, 4, 8)]


@given(st.sampled_from(WHOLE), st.integers(0, 2**64 - 1), st.data())
def test_bits_of_any_integers(name: str, bits: int, data: st.DataObject) -> None:
    """As Python's integers of that width have them, up to the 64th bit."""
    dtype = np.dtype(name)
    limits = np.iinfo(dtype)
    values = data.draw(st.lists(st.integers(limits.min, limits.max), max_size=9))
    array = np.array(values, dtype=dtype)
    patterns = [value % 2 ** (8 * dtype.itemsize) for value in values]
    assert has_bits(array, bits).tolist() == [one & bits != 0 for one in patterns]
    assert lacks_bits(array, bits).tolist() == [one & bits != bits for one in patterns]


def test_bits_of_flags_and_whole_numbers() -> None:
    """Masks of bools, and of floats that are whole, have bits, too."""
    assert has_bits(np.array([[True, False]]), 1).tolist() == [[True, False]]
    assert has_bits(np.array([0.0, 1.0, 2.0, 2.0**63]), 2**63 | 2).tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "values",
    [np.array([0.5]), np.array([np.nan]), np.array([-1.0]), np.array([2.0**64]), np.array(["a"])],
)
def test_what_has_no_bits(values: np.ndarray) -> None:
    """It is refused, never rounded."""
    with pytest.raises(PatternError, match="is made of whole numbers"):
        has_bits(values, 1)


@given(st.sampled_from(WHOLE), st.integers(-(2**70), 2**70))
def test_single_values_of_any_size(name: str, number: int) -> None:
    """A value that the mask's type cannot hold is none of its values."""
    limits = np.iinfo(np.dtype(name))
    array = np.array([limits.min, 0, limits.max], dtype=name)
    equal = [value == number for value in array.tolist()]
    assert MaskSpec(bad=number).excluded(array).tolist() == equal
    assert MaskSpec(good=number).excluded(array).tolist() == [not one for one in equal]
