"""Gain stages in the top bits of raw values where neither the file nor the config tells of them.

The brightness of a real frame goes through all values. Values with a stage in bits 14 and 15 fall
into bands of 2 ** 14 instead: a Jungfrau leaves the third one empty (the bits are 0, 1 or 3), its
second stage counts down from the end of the second band, and that of an ePix10ka begins in the
lower part of it, while its first stage leaves the upper half of the first band empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BAND = 2**14
_STEPS = 4
"""Of a band, in which values are counted."""
_HIGHEST = 2**16 - 2
"""Larger values are marks, as 65535 is."""
_LEAST, _LEAST_IN_LAST = 40, 4
"""Values, of fewer nothing can be said."""
_FEW = 0.05
"""A part of others that is next to none."""
_MOST_EQUAL = 0.5
"""Where more than this part of values is the same, that is a mark, or where pixels saturate."""


def hidden_stages(frames: Iterable[NDArray[Any]], *, has_background: bool) -> str:
    """What a person should know of integers that look as if they had gain bits; empty if not.

    Parameters
    ----------
    frames
        The values that count as measured, each (pixels,).
    has_background
        Whether anything is given for the raw value without light, such as a common offset.
    """
    counts = np.zeros(2**16, np.int64)
    for values in frames:
        if values.dtype.kind not in "iu":
            return ""
        known = values[(values >= 0) & (values <= _HIGHEST)]
        counts += np.bincount(known.astype(np.int64), minlength=2**16)
    high, total = int(counts[_BAND:].sum()), int(counts.sum())
    if high < _LEAST or counts[_BAND:].max() > _MOST_EQUAL * high:
        return ""
    reason = _reason(counts.reshape(4, _STEPS, -1).sum(axis=2))
    if not reason and not has_background and high >= (1 - _FEW) * total:
        reason = "hardly any is less, as where that bit is set everywhere"
    return reason and (
        f"{high} of {total} values in the events that were looked at are {_BAND} (bit 14) or more, "
        f"and {reason}: they look like raw values of a Jungfrau or ePix10ka, with the gain stage "
        "of a pixel in bits 14 and 15, but are taken for intensities; if they are, give data."
        "gain_bits: jungfrau (or epix10ka), with background and gain of each stage, or take "
        "corrected data; if not, write data.gain_bits: none"
    )


def _reason(bands: NDArray[np.int64]) -> str:
    """Why values look like stages, by their numbers in the steps of the four bands, (4, 4)."""
    first, second, third, fourth = bands
    if not third.sum() and fourth.sum() >= _LEAST_IN_LAST and second.sum() >= _LEAST_IN_LAST:
        return f"none is between {2 * _BAND} and {3 * _BAND - 1}, while others are more"
    if second.sum() < _LEAST or (third.sum() + fourth.sum()) > _FEW * second.sum():
        return ""
    # Where hardly anything is in the first band, all values may have an offset.
    if first[2:].sum() < _FEW * second.sum() < first.sum():
        return f"hardly any is between {_BAND // 2} and {_BAND - 1}"
    if second[0] < second[-1] / 4:
        return f"most of them are close to {2 * _BAND - 1}"
    return ""
