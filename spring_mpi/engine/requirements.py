"""What can be told of jobs without the engine: which settings it takes, and the revision it is."""

from __future__ import annotations

from ..errors import SettingsError
from ..model.settings import Settings

REVISION = 2
"""Goes up where equal patterns and settings may come out otherwise than before."""


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
