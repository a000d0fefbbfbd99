"""Where the events are, and how to read any one of them: the index, the loader, the readers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .build import build_index
    from .calibration import Calibration
    from .datasource import DataSource
    from .index import EventIndex
    from .loader import Loader
    from .preparation import Preparer
    from .source import Event, EventRef, Source
    from .storage import load_index

__all__ = [
    "Calibration", "DataSource", "Event", "EventIndex", "EventRef", "Loader", "Preparer", "Source",
    "build_index", "load_index",
]  # fmt: skip

_HOMES = {
    "build_index": "build", "load_index": "storage", "EventIndex": "index",
    "Event": "source", "EventRef": "source", "Source": "source", "Loader": "loader",
    "DataSource": "datasource", "Calibration": "calibration", "Preparer": "preparation",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
