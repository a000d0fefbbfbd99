"""Where the events are, and how to read any one of them: the index, the loader, the readers."""

from __future__ import annotations

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


def __getattr__(name: str) -> Any:
    # Late: who reads one value should not load every format's libraries.
    match name:
        case "Calibration":
            from .reading.calibration import Calibration

            return Calibration
        case "DataSource":
            from .index.datasource import DataSource

            return DataSource
        case "Event":
            from .event import Event

            return Event
        case "EventIndex":
            from .index.event_index import EventIndex

            return EventIndex
        case "EventRef":
            from .event import EventRef

            return EventRef
        case "Loader":
            from .reading.loader import Loader

            return Loader
        case "Preparer":
            from .reading.preparation import Preparer

            return Preparer
        case "Source":
            from .event import Source

            return Source
        case "build_index":
            from .index.build import build_index

            return build_index
        case "load_index":
            from .index.loading import load_index

            return load_index
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
