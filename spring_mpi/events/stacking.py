"""From the parts of an event to one stack of modules, and from the stack to one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError
from .formats.reader import Frame
from .formats.tiles import stacked
from .geometry import Geometry
from .source import Exclusion


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
        mask=_stacked_masks(masks, *shapes) if any(one is not None for one in masks) else None,
        center=next((frame.center for frame in frames if frame.center), None),
        info=info | {"modules": modules},
        exclusions=_summed(chain.from_iterable(frame.exclusions for frame in frames)),
        raw=frames[0].raw,
    )


def _stacked_masks(
    masks: Sequence[NDArray[Any] | None], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """The masks of modules of that shape; of a module without one all pixels are good."""
    return np.stack([np.zeros(shape, np.bool_) if one is None else one for one in masks])


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
        If the frame is not of this detector, or one of its modules has no panel.
    """
    frame = _as_stack(frame, geometry)
    if frame.raw and frame.raw.note:
        geometry = geometry.without_flags()
    modules = _panels(frame, geometry)
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


def _as_stack(frame: Frame, geometry: Geometry) -> Frame:
    """The modules of an image in which they lie side by side, if the geometry is of a stack."""
    tiles, (modules, *module) = frame.info.get("tiles", ()), geometry.shape
    if np.ndim(frame.data) != 2 or not 1 < modules == len(tiles):
        return frame
    shape = module[0], module[1]
    mask = None if frame.mask is None else stacked(frame.mask, tiles, shape)
    return frame._replace(data=stacked(frame.data, tiles, shape), mask=mask)


def _panels(frame: Frame, geometry: Geometry) -> tuple[int, ...] | None:
    """For each module of the frame the number of its panels, from 0 on; None: it has all."""
    modules = frame.info.get("modules")
    if modules is None:
        return None
    first, number = frame.info.get("first_module", 0), geometry.shape[0]
    if geometry.first_module is not None:
        first = geometry.first_module
    panels = tuple(int(module) - first for module in modules)
    if strangers := [str(first + panel) for panel in panels if not 0 <= panel < number]:
        raise PatternError(
            f"the frame has module {', '.join(strangers)}, but the geometry has the "
            f"modules {first} to {first + number - 1}; if its first one has another number in the "
            "names of the data, say so: geometry: {file: F, first_module: N}"
        )
    return panels


def _summed(exclusions: Iterable[Exclusion]) -> tuple[Exclusion, ...]:
    """One for each origin and remark, with the pixels of all of them."""
    found: dict[tuple[str, str], int] = {}
    for one in exclusions:
        key = one.origin, one.remark
        found[key] = found.get(key, 0) + one.pixels
    return tuple(Exclusion(origin, pixels, remark) for (origin, remark), pixels in found.items())
