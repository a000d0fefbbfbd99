"""Memetic Phase Retrieval for whole runs of single-particle X-ray diffraction patterns.

Names are loaded when they are first used; importing this package loads nothing heavy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .campaign.results import Campaign as Campaign
    from .mpr import MPR as MPR
    from .pattern import Pattern as Pattern
    from .result import Result as Result
    from .settings import Settings as Settings

__all__ = ["MPR", "Campaign", "Pattern", "Result", "Settings"]

_HOMES = {
    "Campaign": ".campaign.results", "MPR": ".mpr", "Pattern": ".pattern", "Result": ".result",
    "Settings": ".settings",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    if name == "hypervisor":
        return importlib.import_module(".hypervisor", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "hypervisor"])
