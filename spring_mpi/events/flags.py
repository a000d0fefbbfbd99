"""What there is to tell of the events that their sources flag."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..names import pid_text
from .condition import FLAGS
from .index import EventIndex


def flagged(index: EventIndex, positions: NDArray[np.int64]) -> str:
    """How many of the events at these positions are flagged, and as what; empty if none is.

    ``2 of 6 events are flagged: 1 damaged (34-5), 2 incomplete (34-5, ...)``; one event may have
    several flags.
    """
    flags = index.flags[positions]
    if not flags.any():
        return ""
    kinds = ", ".join(_kinds(index, positions, flags))
    return f"{np.count_nonzero(flags)} of {len(flags)} events are flagged: {kinds}"


def _kinds(
    index: EventIndex, positions: NDArray[np.int64], flags: NDArray[np.uint32]
) -> Iterator[str]:
    for word, flag in FLAGS.items():
        found = positions[flags & flag != 0]
        if len(found):
            more = ", ..." if len(found) > 1 else ""
            yield f"{len(found)} {word} ({pid_text(index.pid(int(found[0])))}{more})"
