"""The calibration of single events: what a `Calibration` names is read from files and checked.

What follows for the values of a frame is in `intensity`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import PatternError, SourceError, SpringError
from ...model.names import pid_text
from ..event import Event, EventRef, Exclusion
from ..formats.fields import as_center
from ..gain_stages import CODINGS, NO_GAIN_BITS, GainBits, UndecodedError, refusal
from ..geometry import FileMask, Geometry, read_geometry
from ..specs import ArraySpec, MaskSpec, Stages
from .arrays import Arrays, place_of
from .calibration import Calibration, Spec, named_files
from .loader import Loader

_VALUES_TOLD = 4


class Calibrator:
    """Finds the calibration of single events; files of arrays stay open between them.

    An array of two dimensions holds for all events, of three for the event's row of its source.
    With a geometry it may also be a stack, in a file of its own for all events, and is assembled as
    the frames are. For frames with gain stages backgrounds and gains have these as their first
    axis instead, in a file of their own for all events.

    Raises
    ------
    SourceError
        If a file does not exist, or the geometry cannot be read. The methods raise it where an
        array cannot be read, and `PatternError` where its shape is not that of the frame.
    """

    def __init__(self, calibration: Calibration, loader: Loader) -> None:
        self._calibration = calibration
        self._loader = loader
        files = tuple(named_files(calibration))
        _refuse_missing(files)
        spec = calibration.geometry
        self.geometry: Geometry | None = read_geometry(spec) if spec else None
        """Where the pixels are; for `Loader.read`."""
        self._masks: tuple[MaskSpec | FileMask, ...] = calibration.masks
        if self.geometry and calibration.gain_bits not in (None, NO_GAIN_BITS):
            self.geometry = self.geometry.without_flags()
        if self.geometry:
            _refuse_missing([("mask", mask.file) for mask in self.geometry.masks if mask.file])
            self._masks += self.geometry.masks
        self.satvalue = calibration.satvalue
        """Raw value at and above which a pixel is saturated."""
        self._arrays = Arrays(loader, self.geometry, len(files))

    def mask(self, ref: EventRef, event: Event) -> NDArray[np.bool_]:
        """True = excluded by the event's own mask or by any other, (row, column)."""
        return self.masked(ref, event)[0]

    def masked(
        self, ref: EventRef, event: Event
    ) -> tuple[NDArray[np.bool_], tuple[Exclusion, ...]]:
        """What `mask` gives, and what it is made of."""
        shape = event.data.shape
        union = np.zeros(shape, dtype=np.bool_) if event.mask is None else event.mask.copy()
        exclusions = list(event.exclusions)
        if event.mask is not None and not exclusions:
            exclusions.append(Exclusion("the mask in the source", int(union.sum())))
        for spec in self._masks:
            if isinstance(spec, MaskSpec) and spec.is_of_frame:
                excluded = _excluded(spec, ref, event.data)
                told = Exclusion(f"data.mask: raw values, {spec.meaning}", int(excluded.sum()))
            else:
                values = self._arrays.values(spec, ref)
                excluded = self._arrays.image(_excluded(spec, ref, values))
                _check_shape("mask", spec, ref, excluded.shape, shape)
                told = _exclusion(spec, ref, excluded, values)
            exclusions.append(told)
            union |= excluded
        if event.data.dtype.kind == "f" and (wild := ~np.isfinite(event.data) & ~union).any():
            exclusions.append(Exclusion("what is not finite (NaN, infinite)", int(wild.sum())))
            union |= wild
        if bits := self.gain_bits(event):
            for what, words in bits.excluded(event.data):
                if number := int((words & ~union).sum()):
                    exclusions.append(Exclusion(what, number))
                    union |= words
        return union, tuple(exclusions)

    def refuse_short(self, ref: EventRef) -> None:
        """Raises `SourceError` if an array has no entry for an event.

        What has an axis of gain stages is the same for all events.
        """
        for what, spec in self._named():
            try:
                self._arrays.values(spec, ref)
            except SourceError as fault:
                if what in ("background", "gain") and self._has_stages(ref):
                    continue
                raise SourceError(f"{place_of(what, spec, ref)}: {fault}") from fault

    def refuse_shared(self, first: EventRef, second: EventRef) -> None:
        """Raises `SourceError` if an array has one entry for two events.

        They lie in the same row of two sources, and entries in a file of its own are found by row.
        """
        for what, spec in self._named():
            if what in ("background", "gain") and self._has_stages(first):
                continue
            if self._arrays.is_by_row(spec, first):
                files = " and ".join(event.source.path for event in (first, second))
                raise SourceError(
                    f"{place_of(what, spec, first)} has an entry for each event of one file, but "
                    f"{pid_text(first.pid)} and {pid_text(second.pid)} are both in row "
                    f"{first.row}, of {files}: give one entry for all events, write the entries "
                    "into those files and leave out 'file', or make a campaign for each of them"
                )

    def _named(self) -> Iterator[tuple[str, Spec]]:
        """The arrays in files or datasets, and what they are."""
        calibration = self._calibration
        named: list[tuple[str, Any]] = [("mask", mask) for mask in self._masks]
        named += [("background", calibration.background), ("gain", calibration.gain),
                  ("center", calibration.center)]  # fmt: skip
        for what, spec in named:
            if isinstance(spec, Spec) and (spec.file or spec.dataset):
                yield what, spec

    def gain_bits(self, event: Event) -> GainBits | None:
        """How the event's values hold gain stages, as the user or else the reader says.

        Raises
        ------
        PatternError
            If they cannot; `UndecodedError` if they cannot be used in any way that is known here.
        """
        said = self._calibration.gain_bits
        if said is not None:
            if said != NO_GAIN_BITS and event.data.dtype != np.uint16:
                raise PatternError(
                    f"event {pid_text(event.pid)} of {event.source} holds {event.data.dtype}, but "
                    f"data.gain_bits: {said} is for unsigned integers of 16 bits; leave it out "
                    "where data are corrected, and convert them (uint16) where they are raw"
                )
            return None if said == NO_GAIN_BITS else CODINGS[said]
        if event.raw and event.raw.undecoded:
            raise UndecodedError(event.raw.undecoded)
        return event.raw.gain_bits if event.raw else None

    def may_hide_stages(self, event: Event) -> bool:
        """Whether neither the user nor the reader says if the event's values hold gain stages."""
        return self._calibration.gain_bits is None and event.raw is None

    @property
    def has_background(self) -> bool:
        """Whether anything but 0 is given for the raw value without light."""
        return self._calibration.background != ArraySpec(value=0.0)

    def stages(
        self, bits: GainBits, ref: EventRef, event: Event
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Background and gain of each gain stage, (stages, rows, columns) or (stages, 1, 1).

        Raises
        ------
        UndecodedError
            If one of them is not given for each stage.
        """
        given = {"pattern.background": self._calibration.background,
                 "pattern.gain": self._calibration.gain}  # fmt: skip
        count = len(bits.stages)
        if missing := [key for key, spec in given.items() if not _is_staged(spec, count)]:
            raise refusal(bits, missing)
        background, gain = (
            self._of_stages(key.partition(".")[2], spec, ref, event, count)
            for key, spec in given.items()
        )
        return background, gain

    def background(self, ref: EventRef, event: Event | None = None) -> float | NDArray[Any]:
        """Raw values without light; a shape is checked against the event's where that is given."""
        return self._number_or_frame("background", self._calibration.background, ref, event)

    def gain(self, ref: EventRef, event: Event | None = None) -> float | NDArray[Any]:
        """Raw units per photon; a shape is checked against the event's where that is given."""
        return self._number_or_frame("gain", self._calibration.gain, ref, event)

    def center(self, ref: EventRef, event: Event) -> tuple[float, float] | Literal["auto"] | None:
        """(row, column) in pixels: as given, else the event's own; None where neither is."""
        given = self._calibration.center
        if isinstance(given, ArraySpec):
            try:
                return as_center(self._arrays.values(given, ref))
            except ValueError as fault:
                place = place_of("center", given, ref)
                raise PatternError(f"{place}: {fault}") from fault
        return given or event.center

    def _has_stages(self, ref: EventRef) -> bool:
        if (said := self._calibration.gain_bits) is not None:
            return said != NO_GAIN_BITS
        # Whoever needs the event tells what is wrong with it.
        with contextlib.suppress(SpringError):
            raw = self._loader.frame(ref).raw
            return raw is not None and raw.gain_bits is not None
        return False

    def _of_stages(
        self, what: str, given: ArraySpec | Stages, ref: EventRef, event: Event, count: int
    ) -> NDArray[Any]:
        if not isinstance(given, ArraySpec):
            return np.array(given).reshape(-1, 1, 1)
        values = self._arrays.staged(what, given, ref, count)
        if values.shape[1:] != (1, 1):
            _check_shape(what, given, ref, values.shape[1:], event.data.shape)
        return values

    def _number_or_frame(
        self, what: str, spec: ArraySpec | Stages, ref: EventRef, event: Event | None
    ) -> float | NDArray[Any]:
        if not isinstance(spec, ArraySpec):
            raise PatternError(
                f"pattern.{what} has a number for each gain stage, but the frames of "
                f"{ref.source.path} are not known to have any; if they do, name the kind of their "
                f"detector, as in data.gain_bits: {next(iter(CODINGS))}"
            )
        if spec.value is not None:
            return spec.value
        values = self._arrays.image(self._arrays.values(spec, ref))
        if values.ndim == 0:
            return float(values)
        _check_shape(what, spec, ref, values.shape, event.data.shape if event else values.shape)
        return values


def _is_staged(given: ArraySpec | Stages, count: int) -> bool:
    """Whether something is given for each of so many gain stages."""
    return given.file is not None if isinstance(given, ArraySpec) else len(given) == count


def _refuse_missing(files: Iterable[tuple[str, str]]) -> None:
    for what, path in files:
        if not os.path.isfile(path):
            raise SourceError(f"{what}: no file {path}")


def _excluded(spec: MaskSpec | FileMask, ref: EventRef, values: NDArray[Any]) -> NDArray[np.bool_]:
    try:
        return spec.excluded(values)
    except PatternError as fault:
        raise PatternError(f"{place_of('mask', spec, ref)}: {fault}") from fault


def _exclusion(
    spec: MaskSpec | FileMask, ref: EventRef, excluded: NDArray[np.bool_], values: NDArray[Any]
) -> Exclusion:
    """What a mask excludes, with its values where it excludes nothing."""
    pixels, remark = int(excluded.sum()), ""
    if not pixels:
        present = [f"{value:g}" for value in np.unique(values)[: _VALUES_TOLD + 1].tolist()]
        more = ", ..." if len(present) > _VALUES_TOLD else ""
        remark = (
            f"its values are {', '.join(present[:_VALUES_TOLD])}{more}, and {spec.meaning} is to "
            "be excluded"
        )
    # Of a dataset in the source the path is left out: a run has many sources.
    place = place_of("mask", spec, ref) if spec.file else f"the source's mask {spec.dataset}"
    return Exclusion(place, pixels, remark)


def _check_shape(
    what: str,
    spec: Spec,
    ref: EventRef,
    actual: tuple[int, ...],
    expected: tuple[int, ...],
) -> None:
    if actual != expected:
        raise PatternError(
            f"{place_of(what, spec, ref)} has the shape {actual}, but event {pid_text(ref.pid)} "
            f"of {ref.source.path} has {expected}"
        )
