"""Who does the work: rank 0 with its queue, the worker ranks, and their children.

To people in a notebook it is SPRING's ``hv``: ``from spring_mpi import hypervisor as hv``, then
``hv.info()`` and the other verbs of `spring_mpi.hypervisor.interactive.Interactive`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def __getattr__(name: str) -> Any:
    # Modules are looked for here first; they do without the object behind the verbs.
    if name.startswith("_") or find_spec(f"{__name__}.{name}"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_shared(), name)


def __dir__() -> list[str]:
    return dir(_shared())


def _shared() -> Any:
    """The object behind the verbs, made when it is first asked for something."""
    return import_module(".interactive", __name__).shared()
