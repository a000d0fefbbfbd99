"""Lines of a geometry file that exclude pixels of a panel by their raw values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..limits import Limit

Place = tuple[int, slice, slice]
"""A panel in a stack: module, rows, columns."""


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
