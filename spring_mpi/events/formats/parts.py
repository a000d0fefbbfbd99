"""From the parts of an event to one stack of modules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError
from ..event import Exclusion
from .reader import Frame


def joined(frames: Sequence[Frame]) -> Frame:
    """The parts of one event as one stack, in the order of their modules.

    Numbers of modules are ``info["modules"]`` of every part.

    Raises
    ------
    PatternError
        If a part does not say which module it is, two hold the same one or count their modules
        from different numbers, or modules have different shapes.
    """
    if len(frames) == 1:
        return frames[0]
    _refuse_unnumbered(frames)
    planes: dict[int, tuple[NDArray[Any], NDArray[Any] | None]] = {}
    for frame in frames:
        data = frame.data if frame.data.ndim == 3 else frame.data[None]
        own: Iterable[NDArray[Any] | None] = (
            [None] * len(data) if frame.mask is None else frame.mask.reshape(data.shape)
        )
        for number, plane, mask in zip(frame.info["modules"], data, own, strict=True):
            if number in planes:
                raise PatternError(f"two parts of the event hold module {number}")
            planes[number] = (plane, mask)
    modules = tuple(sorted(planes))
    shapes = {planes[number][0].shape for number in modules}
    if len(shapes) > 1:
        raise PatternError(f"the modules of the event have different shapes {sorted(shapes)}")
    masks = [planes[number][1] for number in modules]
    info = {key: value for frame in reversed(frames) for key, value in frame.info.items()}
    return Frame(
        data=np.stack([planes[number][0] for number in modules]),
        mask=_stacked_masks(masks, *shapes) if any(mask is not None for mask in masks) else None,
        center=next((frame.center for frame in frames if frame.center), None),
        info=info | {"modules": modules},
        exclusions=_summed(chain.from_iterable(frame.exclusions for frame in frames)),
        raw=frames[0].raw,
    )


def _stacked_masks(
    masks: Sequence[NDArray[Any] | None], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """The masks of modules of that shape; of a module without one all pixels are good."""
    return np.stack([np.zeros(shape, np.bool_) if mask is None else mask for mask in masks])


def _refuse_unnumbered(frames: Sequence[Frame]) -> None:
    """Raises `PatternError` where it cannot be known which module is whose."""
    if unnumbered := sum("modules" not in frame.info for frame in frames):
        raise PatternError(
            f"the event has {len(frames)} parts, of which {unnumbered} do not say which module of "
            "the detector they are; name one detector (dataset)"
        )
    firsts = sorted({frame.info.get("first_module", 0) for frame in frames})
    if len(firsts) > 1:
        raise PatternError(
            f"the parts of the event count their modules from {' and '.join(map(str, firsts))}: "
            "they are of different detectors; name one (dataset)"
        )


def _summed(exclusions: Iterable[Exclusion]) -> tuple[Exclusion, ...]:
    """One for each origin and remark, with the pixels of all of them."""
    found: dict[tuple[str, str], int] = {}
    for exclusion in exclusions:
        key = exclusion.origin, exclusion.remark
        found[key] = found.get(key, 0) + exclusion.pixels
    return tuple(Exclusion(origin, pixels, remark) for (origin, remark), pixels in found.items())
