"""Bits of masks, whatever integers hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError

MOST_BITS = 2**64
"""Above the largest pattern of bits that a mask can hold."""


def has_bits(values: NDArray[Any], bits: int) -> NDArray[np.bool_]:
    """True where a value shares a bit with ``bits``, 0 to 2^64 - 1; same shape.

    A negative value has the bits of its own type: -1 of int16 has the lowest sixteen.

    Raises
    ------
    PatternError
        If the values have no bits: texts, or numbers that are not whole.
    """
    return np.asarray((_pattern(values) & np.uint64(bits)) != 0)


def lacks_bits(values: NDArray[Any], bits: int) -> NDArray[np.bool_]:
    """True where a value does not have all of these bits; else as `has_bits`."""
    return np.asarray((_pattern(values) & np.uint64(bits)) != np.uint64(bits))


def _pattern(values: NDArray[Any]) -> NDArray[np.uint64]:
    kind = values.dtype.kind
    if kind == "i":
        return values.view(f"{values.dtype.byteorder}u{values.dtype.itemsize}").astype(np.uint64)
    if kind in "bu":
        return values.astype(np.uint64)
    if kind == "f" and ((values >= 0) & (values < MOST_BITS) & (values == np.floor(values))).all():
        return values.astype(np.uint64)
    what = "numbers that are not whole, or negative" if kind == "f" else f"values of {values.dtype}"
    raise PatternError(f"a mask of bits is made of whole numbers; it holds {what}")
