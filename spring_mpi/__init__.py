"""Memetic Phase Retrieval for whole runs of single-particle X-ray diffraction patterns.

Names are loaded when they are first used; importing this package loads nothing heavy. Beside the
classes there is SPRING's ``hv``: ``from spring_mpi import hypervisor as hv``, then ``hv.info()``
and the other verbs of `spring_mpi.client.interactive.Interactive`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client.interactive import Interactive
    from .interface import MPR as MPR
    from .model.pattern import Pattern as Pattern
    from .model.result import Result as Result
    from .model.settings import Settings as Settings
    from .rundir.campaign import Campaign as Campaign

    hypervisor: Interactive

__all__ = ["MPR", "Campaign", "Pattern", "Result", "Settings", "hypervisor"]


def __getattr__(name: str) -> Any:
    # A thousand ranks import the package, and few of them need a class of it.
    match name:
        case "MPR":
            from .interface import MPR

            return MPR
        case "Campaign":
            from .rundir.campaign import Campaign

            return Campaign
        case "Pattern":
            from .model.pattern import Pattern

            return Pattern
        case "Result":
            from .model.result import Result

            return Result
        case "Settings":
            from .model.settings import Settings

            return Settings
        case "hypervisor":
            from .client.interactive import shared

            return shared()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
