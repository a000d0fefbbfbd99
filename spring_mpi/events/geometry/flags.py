"""Lines of a geometry file that exclude pixels of a panel by their raw values."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError
from ..formats.limits import Limit

Place = tuple[int, slice, slice]
"""A panel in a stack: module, rows, columns."""
Extents = tuple[int, int, int, int, int]
"""The same in numbers, which can be compared and hashed: module, first and last rows, columns."""


def extents(place: Place) -> Extents:
    """A place in numbers; the last ones are the first that do not belong to it."""
    module, rows, columns = place
    return module, rows.start, rows.stop, columns.start, columns.stop


def only_in(places: tuple[Extents, ...], marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What is marked in these places of a stack, or of a single module (rows, columns).

    Raises
    ------
    PatternError
        If the stack has no such place.
    """
    stack = marked if marked.ndim == 3 else marked[np.newaxis]
    left = np.zeros_like(stack)
    for module, top, bottom, start, end in places:
        if any(map(operator.gt, (module + 1, bottom, end), stack.shape)):
            raise PatternError(f"it is {marked.shape}, too small for the panels of the geometry")
        place = module, slice(top, bottom), slice(start, end)
        left[place] = stack[place]
    return left.reshape(marked.shape)


@dataclass(frozen=True)
class ValueFlag:
    """All lines of one key, such as ``flag_morethan``."""

    key: str
    rules: tuple[tuple[Place, Limit], ...]
    """Which values are excluded, and in which panel."""

    def __str__(self) -> str:
        said = list(dict.fromkeys(str(limit) for _, limit in self.rules))
        each = f", {len(said)} different ones" if len(said) > 1 else ""
        return f"the geometry's {self.key} ({said[0]}{each})"

    def marked(self, stack: NDArray[Any]) -> NDArray[np.bool_]:
        """True where a raw value is excluded; (modules, rows, columns) as ``stack``."""
        marked = np.zeros(stack.shape, np.bool_)
        for place, limit in self.rules:
            marked[place] |= limit.excluded(stack[place])
        return marked
