"""Masks, backgrounds, gains and centres: where they come from, and what they mean for an event."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError, SourceError
from ..names import pid_text
from .loader import Loader
from .readers import as_center
from .source import Event, EventRef, Source, file_digest


@dataclass(frozen=True)
class ArraySpec:
    """A number, a file, or a dataset; exactly one of ``value`` and ``file or dataset`` is given.

    ``file`` alone is an ``.npy`` file; ``dataset`` alone is a dataset of the event's own source.
    """

    value: float | None = None
    file: str | None = None
    dataset: str | None = None


@dataclass(frozen=True)
class MaskSpec:
    """Which pixels a mask excludes; exactly one of ``bad``, ``good`` and ``bad_bits`` is given."""

    file: str | None = None
    dataset: str | None = None
    bad: int | None = None
    good: int | None = None
    bad_bits: int | None = None

    def excluded(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """True where a pixel is excluded; same shape as ``values``."""
        if self.bad_bits is not None:
            return np.asarray((values.astype(np.int64) & self.bad_bits) != 0)
        if self.good is not None:
            return np.asarray(values != self.good)
        return np.asarray(values == self.bad)


@dataclass(frozen=True)
class Calibration:
    """What turns raw frames into intensities."""

    masks: tuple[MaskSpec, ...] = ()
    background: ArraySpec = ArraySpec(value=0.0)
    """Raw value without light."""
    gain: ArraySpec = ArraySpec(value=1.0)
    """Raw units per photon."""
    center: ArraySpec | tuple[float, float] | None = None
    """(row, column) in pixels; None: the event's own, or the middle of the frame."""
    satvalue: float | None = None
    """Raw value at and above which a pixel is saturated."""


class Calibrator:
    """Finds the calibration of single events; files of arrays stay open between them.

    An array of two dimensions holds for all events, of three for the event's row of its source.

    Raises
    ------
    SourceError
        If a file does not exist. The methods raise it where an array cannot be read, and
        `PatternError` where its shape is not that of the frame.
    """

    def __init__(self, calibration: Calibration, loader: Loader) -> None:
        self._calibration = calibration
        self._loader = loader
        files = tuple(_files(calibration))
        for what, path in files:
            if not os.path.isfile(path):
                raise SourceError(f"{what}: no file {path}")
        self._file_loader = Loader(max_open=max(1, len(files)))

    def mask(self, ref: EventRef, event: Event) -> NDArray[np.bool_]:
        """True = excluded by the event's own mask or by any other, (row, column)."""
        shape = event.data.shape
        union = np.zeros(shape, dtype=np.bool_) if event.mask is None else event.mask.copy()
        for spec in self._calibration.masks:
            values = self._values(spec, ref)
            _check_shape("mask", spec, ref, values.shape, shape)
            union |= spec.excluded(values)
        return union

    def background(self, ref: EventRef, event: Event | None = None) -> float | NDArray[Any]:
        """Raw values without light; a shape is checked against the event's where that is given."""
        return self._number_or_frame("background", self._calibration.background, ref, event)

    def gain(self, ref: EventRef, event: Event | None = None) -> float | NDArray[Any]:
        """Raw units per photon; a shape is checked against the event's where that is given."""
        return self._number_or_frame("gain", self._calibration.gain, ref, event)

    def center(self, ref: EventRef, event: Event) -> tuple[float, float]:
        """(row, column) in pixels: as given, else the event's own, else the frame's middle."""
        given = self._calibration.center
        if isinstance(given, ArraySpec):
            try:
                return as_center(self._values(given, ref))
            except ValueError as fault:
                place = _place("center", given, ref)
                raise PatternError(f"{place}: {fault}") from fault
        rows, columns = event.data.shape
        return given or event.center or ((rows - 1) / 2, (columns - 1) / 2)

    def _number_or_frame(
        self, what: str, spec: ArraySpec, ref: EventRef, event: Event | None
    ) -> float | NDArray[Any]:
        if spec.value is not None:
            return spec.value
        values = self._values(spec, ref)
        if values.ndim == 0:
            return float(values)
        _check_shape(what, spec, ref, values.shape, event.data.shape if event else values.shape)
        return values

    def _values(self, spec: ArraySpec | MaskSpec, ref: EventRef) -> NDArray[Any]:
        dataset = spec.dataset or ""
        if spec.file is None:
            return self._loader.field(ref, dataset)
        source = Source(spec.file, "hdf5" if dataset else "npy")
        return self._file_loader.field(replace(ref, source=source), dataset)


def calibration_digest(calibration: Calibration) -> str:
    """128-bit BLAKE2b of all that a calibration says, the content of its files included.

    Of paths only the names count, so that moved files keep their digest.

    Raises
    ------
    SourceError
        If a file cannot be read.
    """
    digests = {path: file_digest(path) for path in {path for _, path in _files(calibration)}}

    def stamped(spec: Any) -> Any:
        if not isinstance(spec, ArraySpec | MaskSpec) or spec.file is None:
            return spec
        return replace(spec, file=f"{os.path.basename(spec.file)}:{digests[spec.file]}")

    content = replace(
        calibration,
        masks=tuple(map(stamped, calibration.masks)),
        background=stamped(calibration.background),
        gain=stamped(calibration.gain),
        center=stamped(calibration.center),
    )
    text = json.dumps(asdict(content), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _files(calibration: Calibration) -> Iterator[tuple[str, str]]:
    named = [("mask", spec) for spec in calibration.masks]
    others = (calibration.background, calibration.gain, calibration.center)
    for what, spec in (*named, *zip(("background", "gain", "center"), others, strict=True)):
        if isinstance(spec, ArraySpec | MaskSpec) and spec.file is not None:
            yield what, spec.file


def _place(what: str, spec: ArraySpec | MaskSpec, ref: EventRef) -> str:
    """The array as ``mask /path/mask.h5:/dataset``."""
    return f"{what} {':'.join(filter(None, (spec.file or ref.source.path, spec.dataset)))}"


def _check_shape(
    what: str,
    spec: ArraySpec | MaskSpec,
    ref: EventRef,
    actual: tuple[int, ...],
    expected: tuple[int, ...],
) -> None:
    if actual != expected:
        raise PatternError(
            f"{_place(what, spec, ref)} has the shape {actual}, but event {pid_text(ref.pid)} "
            f"of {ref.source.path} has {expected}"
        )
