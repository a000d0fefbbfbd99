"""Raw values that look like marks of bad pixels, as `suspect_search` finds them: what is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Suspects:
    """What was found in some events."""

    pixels: Mapping[float, int] = field(default_factory=dict)
    """Raw value -> number of pixels that hold it in all of them."""
    events: int = 0
    """How many were looked at."""
    satvalue: float | None = None
    """Raw value at and above which pixels are saturated."""
    remarks: tuple[str, ...] = ()
    """What else a person should know of their raw values."""
    stages: str = ""
    """That their values look as if they had gain bits, of which nothing tells."""
    refusal: str = ""
    """Why no pattern can be made of such values; empty where it can be."""

    def sentences(self) -> list[str]:
        """What a person should know of these events."""
        marks = (self._sentence(value, pixels) for value, pixels in self.pixels.items())
        return [*self.remarks, *filter(None, [self.stages]), *marks]

    def told(self, raw: NDArray[Any], excluded: NDArray[np.bool_]) -> list[str]:
        """What a person should know of any event: with the pixels that hold the values there.

        Parameters
        ----------
        raw, excluded
            (rows, columns): its raw values, and True where these do not count.
        """
        found = ((value, int(((raw == value) & ~excluded).sum())) for value in self.pixels)
        marks = (self._sentence(value, pixels) for value, pixels in found if pixels)
        return [*filter(None, [self.stages]), *marks]

    def _sentence(self, value: float, pixels: int) -> str:
        bits = "" if value < 0 else f", {_in_bits(value)},"
        is_saturated = self.satvalue is not None and value >= self.satvalue
        taken = "bright, as saturated ones" if is_saturated else "measured"
        events = f"all {self.events} events" if self.events > 1 else "the only event"
        were = "were" if self.events > 1 else "was"
        return (
            f"{pixels} pixels hold {int(value)}{bits} in {events} that {were} looked at, and "
            f"nothing excludes them, so that they are taken for {taken}; if they are gaps, bad or "
            f"saturated, add {{bad: {int(value)}}} to data.mask"
        )


def _in_bits(value: float) -> str:
    bits = round(math.log2(value + 1))
    place = "" if value >= 2**bits - 1 else "next to "
    return f"{place}the largest value of {bits} bits"


NOTHING_SUSPECT = Suspects()
