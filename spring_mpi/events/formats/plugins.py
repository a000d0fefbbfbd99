"""Readers that other packages bring: entry points of the group ``spring_mpi.readers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import SourceError
from .reader import Reader
from .wording import in_one_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

GROUP = "spring_mpi.readers"


def plugin_names() -> tuple[str, ...]:
    """The names of all plug-ins; none is loaded."""
    return tuple(sorted(_points().names))


def load_plugin(name: str) -> Reader:
    """A reader of the class that the entry point of that name gives.

    Raises
    ------
    KeyError
        If there is no such entry point.
    SourceError
        If it cannot be loaded, or gives no reader.
    """
    point = _points()[name]
    try:
        reader = point.load()()
    except Exception as fault:  # whatever a foreign package does wrong
        raise SourceError(
            f"reader {name!r} ({_place(point)}) cannot be loaded: {in_one_line(fault)}"
        ) from fault
    if not isinstance(reader, Reader):
        raise SourceError(
            f"reader {name!r} ({_place(point)}) is no reader: it needs needs_file, sniff, scan "
            "and open"
        )
    return reader


def _place(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}, " if point.dist else ""
    return f"{package}{point.value}"


def _points() -> EntryPoints:
    # Every worker imports the registry, and hardly any needs this, which takes 15 ms.
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
