"""Who does the work: rank 0 with its queue, the worker ranks, and their children.

To people in a notebook it is SPRING's ``hv``: ``from spring_mpi import hypervisor as hv``, then
``hv.info()`` and the other verbs of `spring_mpi.hypervisor.interactive.Interactive`.
"""

from __future__ import annotations

import atexit
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interactive import Interactive

_VERBS = (
    "append", "attach", "close", "detach", "folder", "info", "kill", "livelog", "liveplot",
    "prepend", "remove", "result", "start", "stop",
)  # fmt: skip


@cache
def _interactive() -> Interactive:
    """The one object behind the verbs, made when a verb is first used."""
    from .interactive import Interactive

    steering = Interactive()
    atexit.register(steering.close)
    return steering


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        return getattr(_interactive(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_VERBS})
