"""From the parts of an event to one stack of modules, and from the stack to one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError
from .geometry import Geometry
from .readers import Frame
from .source import Exclusion


def joined(frames: Sequence[Frame]) -> Frame:
    """The parts of one event as one stack, in the order of their modules.

    Numbers of modules are ``info["modules"]`` of every part; parts that tell none are counted.

    Raises
    ------
    PatternError
        If two parts hold the same module, or modules have different shapes.
    """
    if len(frames) == 1:
        return frames[0]
    planes: dict[int, tuple[NDArray[Any], NDArray[Any] | None]] = {}
    for frame in frames:
        data = frame.data if frame.data.ndim == 3 else frame.data[None]
        masks: Iterable[NDArray[Any] | None] = (
            [None] * len(data) if frame.mask is None else frame.mask.reshape(data.shape)
        )
        numbers = frame.info.get("modules", range(len(planes), len(planes) + len(data)))
        for number, plane, mask in zip(numbers, data, masks, strict=True):
            if number in planes:
                raise PatternError(f"two parts of the event hold module {number}")
            planes[number] = (plane, mask)
    modules = tuple(sorted(planes))
    shapes = {planes[number][0].shape for number in modules}
    if len(shapes) > 1:
        raise PatternError(f"the modules of the event have different shapes {sorted(shapes)}")
    present = [mask for number in modules if (mask := planes[number][1]) is not None]
    info = {key: value for frame in reversed(frames) for key, value in frame.info.items()}
    return Frame(
        data=np.stack([planes[number][0] for number in modules]),
        mask=np.stack(present) if len(present) == len(modules) else None,
        center=next((frame.center for frame in frames if frame.center), None),
        info=info | {"modules": modules},
        exclusions=_summed(chain.from_iterable(frame.exclusions for frame in frames)),
    )


def without_modules(frame: Frame) -> Frame:
    """The frame of a detector of one module, as an image; any other frame as it is."""
    if np.ndim(frame.data) != 3 or len(frame.data) != 1:
        return frame
    mask = None if frame.mask is None else frame.mask.reshape(frame.data.shape[1:])
    return frame._replace(data=frame.data[0], mask=mask)


def assembled(frame: Frame, geometry: Geometry) -> Frame:
    """The frame whose modules are put together to one image, with the beam as its centre.

    The numbers of the modules in a stack are ``frame.info["modules"]``; all, where that is missing.

    Raises
    ------
    PatternError
        If the frame is not of this detector.
    """
    modules = frame.info.get("modules")
    image, excluded = geometry.assemble(frame.data, modules)
    told = [Exclusion("the geometry (gaps, missing modules, bad regions)", int(excluded.sum()))]
    if frame.mask is not None:
        excluded = excluded | geometry.assemble(frame.mask, modules)[0]
    for flag, marked in geometry.flagged(frame.data, modules):
        told.append(Exclusion(str(flag), int(marked.sum())))
        excluded = excluded | marked
    told += [Exclusion(text, 0, remedy) for text, remedy in geometry.unread]
    return frame._replace(
        data=image, mask=excluded, center=geometry.center, exclusions=(*frame.exclusions, *told)
    )


def _summed(exclusions: Iterable[Exclusion]) -> tuple[Exclusion, ...]:
    """One for each origin, with the pixels of all of them."""
    pixels: dict[str, int] = {}
    for one in exclusions:
        pixels[one.origin] = pixels.get(one.origin, 0) + one.pixels
    return tuple(Exclusion(origin, number) for origin, number in pixels.items())
