"""From a stack of modules to one image."""

from __future__ import annotations

import numpy as np

from ...errors import PatternError
from ..event import Exclusion
from ..formats.reader import Frame
from ..formats.tiles import stacked
from ..geometry import Geometry


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
