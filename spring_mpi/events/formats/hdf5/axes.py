"""Which axis of a dataset numbers the events, the modules, the rows and the columns.

CXI files say it in the attribute ``axes`` of a dataset: ``experiment_identifier:y:x`` (F. Maia, The
CXI file format, version 1.6, section "Axes"). Without it the order is (events, modules, rows,
columns), and what is missing is missing from the left, the modules before the events.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from .stored import hole_along, refuse_missing

_EVENTS = ("experiment_identifier", "translation", "event", "frame", "np", "nP", "numpoints")
_MODULES = ("module_identifier", "module", "panel")
_ROWS, _COLUMNS = ("y", "ss", "row", "rows"), ("x", "fs", "column", "columns")


@dataclass(frozen=True)
class Axes:
    """The meaning of a dataset's axes."""

    events: int | None
    """The axis that numbers events; None: the dataset is a single frame."""
    frame: tuple[int, ...]
    """The axes of a frame, in the order (rows, columns) or (modules, rows, columns)."""

    @property
    def is_plain(self) -> bool:
        """Whether a row of the dataset is a frame as it is."""
        return self.events == 0 and self.frame == tuple(range(1, 1 + len(self.frame)))

    def shape(self, extents: tuple[int, ...]) -> tuple[int, ...]:
        """(events, rows, columns) or (events, modules, rows, columns) of a dataset's extents."""
        count = 1 if self.events is None else extents[self.events]
        return (count, *(extents[axis] for axis in self.frame))

    def without_events(self) -> Axes:
        """Of a dataset that lacks the axis of the events and is alike otherwise."""
        gone = self.events
        if gone is None:
            return self
        return replace(self, events=None, frame=tuple(a - (a > gone) for a in self.frame))

    def turned(self, values: NDArray[Any]) -> NDArray[Any]:
        """A frame whose axes are in the dataset's order, in the order of `frame`."""
        order = np.argsort(np.argsort(self.frame))
        if order.tolist() == list(range(len(order))):
            return values
        return np.ascontiguousarray(values.transpose(order))

    def one(self, dataset: h5py.Dataset, row: int) -> NDArray[Any]:
        """The frame of that number, read through HDF5.

        Raises
        ------
        SourceError
            If values lie in files that are missing.
        """
        refuse_missing(dataset)
        place: list[Any] = [slice(None)] * dataset.ndim
        if self.events is not None:
            place[self.events] = row
        return self.turned(np.asarray(dataset[tuple(place)]))

    def hole(self, dataset: h5py.Dataset, row: int) -> NDArray[np.bool_] | None:
        """The pixels of that frame that were never written; None where there are none."""
        hole = hole_along(dataset, self.events, row)
        return None if hole is None else self.turned(hole)


def usual_axes(dimensions: int) -> Axes:
    """Of a dataset with so many axes that says nothing of them: 2, 3 or 4."""
    if dimensions == 2:
        return Axes(None, (0, 1))
    return Axes(0, tuple(range(1, dimensions)))


def axes_of(dataset: h5py.Dataset) -> Axes:
    """What a dataset of frames says of its axes, else the usual ones; errors as of `said_axes`."""
    return said_axes(dataset) or usual_axes(dataset.ndim)


def said_axes(dataset: h5py.Dataset) -> Axes | None:
    """What the dataset says itself; None where it says nothing.

    Raises
    ------
    SourceError
        If it says something that is no order of events, modules, rows and columns.
    """
    names = _names(dataset.attrs.get("axes"))
    if not names:
        return None
    places = {
        what: [place for place, name in enumerate(names) if name in known]
        for what, known in (
            ("events", _EVENTS), ("modules", _MODULES), ("rows", _ROWS), ("columns", _COLUMNS),
        )
    }  # fmt: skip
    counts = {what: len(found) for what, found in places.items()}
    is_known = sum(counts.values()) == len(names) == dataset.ndim
    if not (is_known and counts["rows"] == counts["columns"] == 1 and max(counts.values()) == 1):
        raise SourceError(
            f"{dataset.file.filename}: the attribute axes of {dataset.name} is "
            f"{':'.join(names)!r} for the shape {dataset.shape}; it must name each axis, "
            "as in experiment_identifier:module_identifier:y:x"
        )
    events = places["events"][0] if places["events"] else None
    return Axes(events, (*places["modules"], *places["rows"], *places["columns"]))


def _names(value: Any) -> list[str]:
    """The names of the axes: one text with colons or commas, or an array of texts."""
    texts = [value] if isinstance(value, str | bytes) else list(np.ravel(value))
    joined = ":".join(
        text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        for text in texts if text is not None
    )  # fmt: skip
    return [name.strip() for name in re.split(r"[:,;]", joined) if name.strip()]
