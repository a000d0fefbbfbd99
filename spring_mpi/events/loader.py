"""Reading of single events in any order, from a few files that stay open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError, SourceError, StaleIndexError
from ..names import pid_text
from .geometry import Geometry
from .readers import READ_FAULTS, Frame, Handle, Reader, find_reader
from .source import Event, EventRef, Source, change_of

Value = TypeVar("Value")


class Loader:
    """Reads events; keeps up to ``max_open`` files open, those that were used last."""

    def __init__(self, max_open: int = 32) -> None:
        self._max_open = max_open
        self._readers: dict[str, Reader] = {}
        self._handles: OrderedDict[Source, Handle] = OrderedDict()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, ref: EventRef, geometry: Geometry | None = None) -> Event:
        """The event, its frame (row, column) as the source has it, or assembled by a geometry.

        Raises
        ------
        SourceError
            If the data cannot be read; `StaleIndexError` if the file changed since it was indexed.
        PatternError
            If the frame is no array of numbers that is two-dimensional or a stack that the geometry
            describes, or its mask has another shape.
        """
        frame = Frame(*self._attempt(ref, lambda handle: handle.event(ref.dataset, ref.row)))
        _check(ref, frame, (2, 3) if geometry else (2,))
        if geometry:
            try:
                frame = assembled(frame, geometry)
            except PatternError as fault:
                raise PatternError(f"{_place(ref)}: {fault}") from fault
        return Event(ref.pid, ref.source.path, *frame)

    def field(self, ref: EventRef, dataset: str) -> NDArray[Any]:
        """The event's values of another dataset of its source; errors as in `read`."""
        return self._attempt(ref, lambda handle: handle.field(dataset, ref.row))

    def close(self) -> None:
        """Close all files; the loader can still be used."""
        while self._handles:
            self._handles.popitem()[1].close()

    def _attempt(self, ref: EventRef, action: Callable[[Handle], Value]) -> Value:
        try:
            return action(self._handle(ref.source))
        except StaleIndexError:
            raise
        except READ_FAULTS as fault:
            place = f"event {pid_text(ref.pid)} (row {ref.row} of {ref.source.path})"
            reason = str(fault) or type(fault).__name__
            raise SourceError(f"{place} cannot be read: {reason}") from fault

    def _handle(self, source: Source) -> Handle:
        if source not in self._handles:
            while len(self._handles) >= self._max_open:
                self._handles.popitem(last=False)[1].close()
            self._handles[source] = self._open(source)
        self._handles.move_to_end(source)
        return self._handles[source]

    def _open(self, source: Source) -> Handle:
        if change := change_of(source):
            raise StaleIndexError(
                f"{source.path} {change}; build the event index again: spring-index build"
            )
        if source.reader not in self._readers:
            self._readers[source.reader] = find_reader(source.reader)
        return self._readers[source.reader].open(source.path)


def assembled(frame: Frame, geometry: Geometry) -> Frame:
    """The frame whose modules are put together to one image, with the beam as its centre.

    The numbers of the modules in a stack are ``frame.info["modules"]``; all, where that is missing.

    Raises
    ------
    PatternError
        If the frame is not of this detector.
    """
    modules = frame.info.get("modules")
    image, excluded = geometry.assemble(frame.data, modules)
    if frame.mask is not None:
        excluded = excluded | geometry.assemble(frame.mask, modules)[0]
    return frame._replace(data=image, mask=excluded, center=geometry.center)


def _place(ref: EventRef) -> str:
    return f"event {pid_text(ref.pid)} of {ref.source.path}"


def _check(ref: EventRef, frame: Frame, axes: tuple[int, ...]) -> None:
    shape, dtype = np.shape(frame.data), frame.data.dtype
    if len(shape) not in axes or dtype.kind not in "iuf":
        hint = "; a stack of modules needs a geometry" if len(shape) == 3 else ""
        raise PatternError(
            f"{_place(ref)} is {shape} {dtype}; a frame is numbers, (rows, columns){hint}"
        )
    if frame.mask is not None and np.shape(frame.mask) != shape:
        mask = np.shape(frame.mask)
        raise PatternError(f"{_place(ref)} has the shape {shape}, but its mask {mask}")
