"""The arrays that a calibration names, for single events; their files stay open between them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError, SourceError
from ..event import EventRef, Source
from ..geometry import Geometry
from ..specs import ArraySpec
from .calibration import Spec
from .loader import Loader

_NO_ROW = 2**62
"""A row that no array has; what is the same for all events is found there, too."""


class Arrays:
    """Reads them from files of their own, or from the event's own source.

    Parameters
    ----------
    loader
        Of the events' sources.
    geometry
        Where the pixels are; None: frames are images.
    max_open
        Most files of their own that are open at a time.
    """

    def __init__(self, loader: Loader, geometry: Geometry | None, max_open: int) -> None:
        self._loader, self._geometry = loader, geometry
        self._file_loader = Loader(max_open=max(1, max_open))
        self._stacks: dict[Spec, NDArray[Any] | None] = {}
        self._named: dict[Spec, tuple[str, str]] = {}
        self._staged: dict[ArraySpec, NDArray[Any]] = {}

    def image(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values, assembled if they are a stack, and without axes of a single place."""
        if self._geometry and self._geometry.is_stack(values.shape):
            return self._geometry.assemble(values)[0]
        return values.reshape(values.shape[-2:]) if set(values.shape[:-2]) == {1} else values

    def values(self, spec: Spec, ref: EventRef) -> NDArray[Any]:
        """The array for an event, or the whole stack of a file that holds one for all events."""
        stack = self._stack(spec, ref)
        return self._field(spec, ref) if stack is None else stack

    def is_by_row(self, spec: Spec, ref: EventRef) -> bool:
        """Whether the array is in a file of its own that has an entry for each row of a source."""
        if spec.file is None or self._stack(spec, ref) is not None:
            return False
        return not self._has_row(spec, replace(ref, row=_NO_ROW))

    def staged(self, what: str, spec: ArraySpec, ref: EventRef, count: int) -> NDArray[Any]:
        """An array for each gain stage, (stages, rows, columns) or (stages, 1, 1); kept."""
        if spec not in self._staged:
            self._staged[spec] = self._read_stages(what, spec, ref, count)
        return self._staged[spec]

    def _read_stages(self, what: str, spec: ArraySpec, ref: EventRef, count: int) -> NDArray[Any]:
        """An array in a file of its own, whose first axis is the stages, each one assembled."""
        first = self._field(spec, replace(ref, row=0))
        if first.shape == (count,):
            return first.reshape(-1, 1, 1)
        if not self._has_row(spec, replace(ref, row=count - 1)) or self._has_row(
            spec, replace(ref, row=count)
        ):
            raise PatternError(
                f"{place_of(what, spec, ref)} does not have {count} entries on its first axis, one "
                "for each gain stage"
            )
        found = (self._field(spec, replace(ref, row=stage)) for stage in range(count))
        return np.stack([_without_modules(self.image(values)) for values in found])

    def _stack(self, spec: Spec, ref: EventRef) -> NDArray[Any] | None:
        """The whole of a file whose rows are no events, but the modules of a stack; kept."""
        if spec not in self._stacks:
            self._stacks[spec] = self._read_stack(spec, ref)
        return self._stacks[spec]

    def _read_stack(self, spec: Spec, ref: EventRef) -> NDArray[Any] | None:
        modules, *shape = self._geometry.shape if self._geometry else (1,)
        if modules == 1 or spec.file is None:
            return None
        first = self._field(spec, replace(ref, row=0))
        if first.shape != tuple(shape) or self._has_row(spec, replace(ref, row=modules)):
            return None
        return np.stack([self._field(spec, replace(ref, row=row)) for row in range(modules)])

    def _has_row(self, spec: Spec, ref: EventRef) -> bool:
        try:
            self._field(spec, ref)
        except SourceError:
            return False
        return True

    def _field(self, spec: Spec, ref: EventRef) -> NDArray[Any]:
        if spec.file is None:
            return self._loader.field(ref, spec.dataset or "")
        if spec not in self._named:
            self._named[spec] = _named(spec.file, spec.dataset)
        reader, dataset = self._named[spec]
        return self._file_loader.field(replace(ref, source=Source(spec.file, reader)), dataset)


def place_of(what: str, spec: Spec, ref: EventRef) -> str:
    """The array as ``mask /path/mask.h5:/dataset``."""
    return f"{what} {':'.join(filter(None, (spec.file or ref.source.path, spec.dataset)))}"


def _named(path: str, dataset: str | None) -> tuple[str, str]:
    # Workers, which know calibrations, do without HDF5.
    from ..formats.arrays import reader_of_array

    try:
        return reader_of_array(path, dataset)
    except SourceError:
        raise
    except OSError as fault:
        raise SourceError(f"cannot read {path}: {fault.strerror or fault}") from fault


def _without_modules(values: NDArray[Any]) -> NDArray[Any]:
    """What belongs to a frame of a single module, as that of an image."""
    return values[0] if values.ndim == 3 and len(values) == 1 else values
