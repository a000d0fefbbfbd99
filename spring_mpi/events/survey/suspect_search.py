"""Raw values that mark bad pixels where no file says so.

Detectors put the largest value of so many bits into gaps and bad pixels (EIGER; many cameras hold
it where they are saturated), or -1 and -2 (Pilatus), and masks get lost. Looked for are values
that the same pixels hold in all of a few events, though nothing excludes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SpringError
from ..event import EventRef
from ..gain_stages import UndecodedError
from ..reading.calibrator import Calibrator
from ..reading.intensity import remarks
from ..reading.loader import Loader
from ..reading.suspects import Suspects
from .hidden_stages import hidden_stages

_LEAST = 2**10 - 1
"""Less is a usual number of photons."""
_ROUNDED = 2**24
"""From there on float32 has no odd numbers: 2^32 - 1 became 2^32."""
_MOST_NEGATIVE = 3
"""Different negative values that may be marks; noise about zero has more."""
_MOST_BYTES = 2**28
"""Of raw frames that are looked at."""

Marks = dict[float, NDArray[np.bool_]]
"""Raw value -> True for the pixels that hold it, (rows, columns)."""


def find_suspects(refs: Sequence[EventRef], calibrator: Calibrator, loader: Loader) -> Suspects:
    """Look at some events; those that cannot be read are left out."""
    measured: list[NDArray[Any]] = []
    found = suspects_in(_readable(refs, calibrator, loader, measured))
    told, refusal = _of_values(refs, calibrator, loader)
    stages = hidden_stages(measured, has_background=calibrator.has_background)
    satvalue = None if isinstance(calibrator.satvalue, str) else calibrator.satvalue
    return replace(found, satvalue=satvalue, remarks=told, stages=stages, refusal=refusal)


def suspects_in(frames: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]]) -> Suspects:
    """The values that the same pixels hold in all frames, given with what of each is excluded."""
    held: Marks = {}
    shape, count = None, 0
    for raw, excluded in frames:
        marks = _marks(raw, ~excluded)
        if shape is None:
            held, shape = marks, raw.shape
        elif raw.shape == shape:
            both = held.keys() & marks.keys()
            held = {value: _common(value, held[value], marks[value]) for value in both}
        else:
            continue
        count += 1
    numbers = {value: int(held[value].sum()) for value in sorted(held)}
    return Suspects({value: number for value, number in numbers.items() if number}, count)


def _readable(
    refs: Sequence[EventRef], calibrator: Calibrator, loader: Loader, measured: list[NDArray[Any]]
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
    """Frames with what is excluded; to ``measured`` go values of which no gain stage is known."""
    left = _MOST_BYTES
    for ref in refs:
        # Whoever needs the event tells what is wrong with it.
        with suppress(SpringError):
            event = loader.read(ref, calibrator.geometry)
            left -= event.data.nbytes
            excluded = calibrator.mask(ref, event)
            if calibrator.may_hide_stages(event):
                measured.append(event.data[~excluded])
            yield event.data, excluded
        if left <= 0:
            return


def _of_values(
    refs: Sequence[EventRef], calibrator: Calibrator, loader: Loader
) -> tuple[tuple[str, ...], str]:
    """Remarks and refusal, by the first event that can be read."""
    for ref in refs:
        with suppress(SpringError):
            event = loader.read(ref, calibrator.geometry)
            try:
                if bits := calibrator.gain_bits(event):
                    calibrator.stages(bits, ref, event)
            except UndecodedError as fault:
                return (), str(fault)
            return tuple(remarks(calibrator, event)), ""
    return (), ""


def _common(value: float, held: NDArray[np.bool_], now: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mark in both; none for negative values that are elsewhere most times."""
    both = held & now
    fewer = min(np.count_nonzero(held), np.count_nonzero(now))
    return both if value > 0 or 2 * np.count_nonzero(both) >= fewer else np.zeros_like(both)


def _marks(raw: NDArray[Any], valid: NDArray[np.bool_]) -> Marks:
    """What may be marks in a frame."""
    if not valid.any():
        return {}
    start = valid.reshape(-1).argmax()
    highest = np.max(raw, where=valid, initial=raw.reshape(-1)[start]).item()
    candidates = [highest] if _is_full(highest, raw.dtype) else []
    if candidates and raw.dtype.type(highest - 1) != highest:
        # EIGER's next value marks pixels, too.
        candidates.append(highest - 1)
    if raw.dtype.kind != "u":
        candidates += _few_negative(raw[valid & (raw < 0)])
    return {value: valid & (raw == value) for value in candidates}


def _is_full(value: float, kind: np.dtype[Any]) -> bool:
    """Whether a value is the largest of its type or of so many bits, or a float's nearest to it."""
    if kind.kind in "iu" and value == np.iinfo(kind).max:
        return True
    number = int(value)
    is_rounded = isinstance(value, float) and value >= _ROUNDED
    return number == value and number >= _LEAST and 0 in (
        number & (number + 1), number & (number - 1) if is_rounded else 1
    )  # fmt: skip


def _few_negative(values: NDArray[Any]) -> list[float]:
    """The different values, if they are few and whole."""
    if len(np.unique(values[:1000])) > _MOST_NEGATIVE:
        return []
    different = np.unique(values)
    is_few = len(different) <= _MOST_NEGATIVE and bool((different == np.floor(different)).all())
    return different.tolist() if is_few else []
