"""What a person should know of an index: told where it is built, shown, checked and used."""

from __future__ import annotations

from .index import EventIndex
from .left_out import left_out
from .mixed import several


def remarks(index: EventIndex) -> list[str]:
    """Sentences on frames of different datasets, and on events that are left out; maybe none."""
    return [*several(index), *left_out(index)]
