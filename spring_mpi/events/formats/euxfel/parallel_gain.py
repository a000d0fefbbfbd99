"""LPD in parallel gain: every train holds its pulses three times, in high, medium and low gain.

Only the first third of a train's frames has pulse ids, those of the rest are meaningless
(EXtra-data, ``LPD1M(parallel_gain=True)``). Which gain is meant must be said:
``dataset: FXE_DET_LPD1M-1@medium``.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError

GAINS = ("high", "medium", "low")
"""In the order of a train's frames."""


def split_gain(dataset: str | None) -> tuple[str | None, int | None]:
    """A dataset without ``@GAIN`` at its end, and the position of that gain; None: not said.

    >>> split_gain("FXE_DET_LPD1M-1@medium")
    ('FXE_DET_LPD1M-1', 1)
    """
    found = re.fullmatch(rf"(.*)@({'|'.join(GAINS)})", dataset or "")
    return (found[1] or None, GAINS.index(found[2])) if found else (dataset, None)


def stage_of(dataset: str) -> tuple[str, int | None]:
    """The path of the frames in a dataset of an index, and which gain they are of, if it says."""
    name, gain = split_gain(dataset)
    return name or dataset, gain


def is_parallel(
    train: NDArray[np.int64], place: NDArray[np.int64], pulse: NDArray[np.int64]
) -> bool:
    """Whether the pulse ids of all trains make sense in their first third, and then no more.

    Parameters
    ----------
    train, place, pulse
        (frames,): which train a frame is of, its place there, and its pulse id, train by train.
    """
    if not len(train):
        return False
    trains, counts = np.unique(train, return_counts=True)
    third = counts[np.searchsorted(trains, train)] // 3
    falls = np.flatnonzero((np.diff(pulse) <= 0) & (np.diff(train) == 0)) + 1
    return bool(
        (counts % 3 == 0).all()
        and (place[falls] >= third[falls]).all()
        and np.isin(trains, train[falls]).all()
    )


def of_gain(
    name: str, gain: int | None, train: NDArray[np.int64], place: NDArray[np.int64],
    pulse: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:  # fmt: skip
    """Which frames count, and the pulse ids of all.

    Parameters
    ----------
    name
        Of file and detector, for messages.
    gain
        As from `split_gain`.
    train, place, pulse
        As for `is_parallel`.

    Raises
    ------
    SourceError
        If the gain must be said and is not, or is said where there is no choice.
    """
    if "_LPD" not in name or not is_parallel(train, place, pulse):
        if gain is not None:
            raise SourceError(f"{name} was not recorded in parallel gain: leave @{GAINS[gain]} out")
        return np.ones(len(train), np.bool_), pulse
    if gain is None:
        raise SourceError(
            f"{name} was recorded in parallel gain: a train holds its pulses three times, in high, "
            "medium and low gain; say which are meant, by @high, @medium or @low at the end of the "
            "dataset: dataset: LPD@high"
        )
    _, start, counts = np.unique(train, return_index=True, return_counts=True)
    third = np.repeat(counts // 3, counts)
    first = np.repeat(start, counts) + place % np.maximum(third, 1)
    return place // np.maximum(third, 1) == gain, pulse[first]
