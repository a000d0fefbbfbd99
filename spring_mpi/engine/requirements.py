"""What can be told of jobs without the engine: which settings it takes, and the revision it is."""

from __future__ import annotations

import math

from ..errors import SettingsError
from ..model.settings import Init, Settings

REVISION = 2
"""Goes up where equal patterns and settings may come out otherwise than before."""

MADE = "made"
"""Name of the array of a checkpoint that holds the generations of all runs so far."""
_ROOM = 1.6
"""Of the initial support over the extent that an autocorrelation shows."""


def can_share(settings: Settings) -> bool:
    """Whether several patterns may share a population: no pair may belong to two of them."""
    return settings.global_.popsize % 2 == 0


def check(settings: Settings, size: int) -> None:
    """Raise `SettingsError` for settings that do not go together or do not fit the grid."""
    for section, key, message in settings.conflicts():
        raise SettingsError(f"{section}.{key} {message}")
    given = settings.init.supportsize
    if not isinstance(given, str) and given * 2 > size:
        raise SettingsError(
            f"init.supportsize {given} exceeds half the pattern's size "
            f"({size}): an object that large is not sampled"
        )


def support_size(init: Init, object_size: float, size: int) -> int:
    """Linear size of the initial support of one pattern, pixels of the density.

    That of ``supportsize``; with ``auto`` a little more than the object's extent by its
    autocorrelation, which is 0.65 to 1.06 of the true one in nine of ten patterns, but not more
    than half the field of view, beyond which nothing is sampled; a quarter of it where the extent
    is not known.

    Parameters
    ----------
    object_size
        `Pattern.object_size`, 0 if unknown.
    size
        Side of the pattern.
    """
    if not isinstance(init.supportsize, str):
        return init.supportsize
    if not object_size:
        return size // 4
    return min(math.ceil(_ROOM * object_size), size // 2)
