"""Where the events are, and how to read any one of them: the index, the loader, the readers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .event import Event, EventRef, Source
    from .index.build import build_index
    from .index.datasource import DataSource
    from .index.event_index import EventIndex
    from .index.loading import load_index
    from .reading.calibration import Calibration
    from .reading.loader import Loader
    from .reading.preparation import Preparer

__all__ = [
    "Calibration", "DataSource", "Event", "EventIndex", "EventRef", "Loader", "Preparer", "Source",
    "build_index", "load_index",
]  # fmt: skip

_HOMES = {
    "build_index": "index.build", "load_index": "index.loading", "EventIndex": "index.event_index",
    "Event": "event", "EventRef": "event", "Source": "event", "Loader": "reading.loader",
    "DataSource": "index.datasource", "Calibration": "reading.calibration",
    "Preparer": "reading.preparation",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
