"""A pattern: one recorded frame, cropped and rescaled, ready for the engine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..drawing import figure_of
from ..errors import PatternError
from .binning import Flags, Frame, binned, check_binning, crop, crop_start
from .centre import LEAST_SURENESS, Place
from .findings import AUTO, contradictions, look
from .names import pid_text
from .plausibility import doubts
from .rings import object_extent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OFF_CENTER = 0.25
_LEAST_SPECKLE = 2.0
_LEAST_MEASURED = 0.4
"""Of the pixels; half a detector, with its gaps, still has more."""


class Pattern:
    """One diffraction pattern, prepared.

    Preparation, in this order: masked = mask or not finite; saturated = raw >= ``satvalue``;
    intensity = (raw - background) / gain, negative values kept; crop about the centre; bin by
    summation. A binned pixel is b^2 times the mean of its valid pixels, masked when fewer than
    half of them are valid, saturated when any of them is.

    Parameters
    ----------
    pattern
        The raw frame, (row, column), any real type, detector units.
    mask
        Same shape; non-zero excludes a pixel.
    center
        (row, column) of the zero frequency in pixels, 0.0 = centre of the first pixel; ``auto``:
        where Friedel pairs say it is, see `spring_mpi.model.centre`, else the prior; default: the
        middle of the frame. What is neither given nor found is warned about.
    pid
        Numbers that identify the event; the first is the run.
    cropsize
        Side of the square cut about the centre, detector pixels; default: the shorter side.
    size
        Side after binning; ``cropsize / size`` must be an integer. Default: ``cropsize``.
    satvalue
        Raw value at and above which a pixel is saturated; ``auto``: where the values have a
        plateau, see `spring_mpi.model.saturation`; None: no pixel is.
    background, gain
        Number or array of the frame's shape; gain in raw units per photon. A pixel without a
        finite background is masked; masked pixels need no gain.
    center_prior
        (row, column) where the centre is expected, as that of other events, for ``center="auto"``.

    Attributes
    ----------
    intensity
        (size, size) float32, photons, zero frequency at [size // 2, size // 2].
    masked, saturated, measured
        (size, size) bool; a measured pixel is neither masked nor saturated.
    center, satvalue
        What is used.
    center_origin
        How the centre was found: ``given``, or in words.
    is_centered
        Whether the centre was given.
    findings
        What the frame itself says of centre, saturation and gain.
    estimated_gain
        Raw units per photon, as the noise of Friedel pairs says; None where it does not tell.
    contradictions
        Where it says otherwise than what is used, a sentence each; among the warnings, too. They
        begin with ``centre:``, ``satvalue:`` or ``gain:``.
    offset
        (row, column) of the true zero frequency relative to pixel [size // 2, size // 2], in
        binned pixels.
    object_size
        Extent of the object in pixels of the density, see
        `spring_mpi.model.rings.object_extent`; 0 if unknown.
    warnings
        What a person should know of this pattern, a sentence each.

    Raises
    ------
    PatternError
        For a frame that is not 2-D, a mask of another shape, a binning that is not an integer, a
        gain that is not positive, intensities beyond float32, or a pattern without a measured pixel
        or without light.
    """

    def __init__(
        self,
        pattern: ArrayLike,
        mask: ArrayLike | None = None,
        center: Iterable[float] | Literal["auto"] | None = None,
        pid: Iterable[int] = (0,),
        cropsize: int | None = None,
        size: int | None = None,
        satvalue: float | Literal["auto"] | None = None,
        background: ArrayLike = 0.0,
        gain: ArrayLike = 1.0,
        center_prior: tuple[float, float] | None = None,
    ) -> None:
        self.raw = _frame(pattern)
        self.excluded = _excluded(mask, self.raw.shape)
        self.pid = _pid(pid)
        self.is_auto_center, self.is_auto_satvalue = _is_auto(center), _is_auto(satvalue)
        self.is_centered = center is not None and not self.is_auto_center
        self.cropsize = min(self.raw.shape) if cropsize is None else int(cropsize)
        self.size = self.cropsize if size is None else int(size)
        self.background, self.gain = background, gain
        binning = check_binning(self.cropsize, self.size)

        photons = _photons(self.raw, self.excluded, background, gain)
        usable = np.isfinite(photons) & ~self.excluded
        scale = _typical(gain, usable)
        self.findings = look(
            self.raw, photons, usable, binning=binning, prior=center_prior, photon=scale
        )
        said = self.findings.scale
        self.estimated_gain = None if said is None else said.factor * scale
        self.center, self.center_origin = self._used_center(center, center_prior)
        self.satvalue = self._used_satvalue(satvalue)
        self.contradictions = tuple(
            contradictions(
                self.findings, self.raw, photons, usable, center=self.center,
                is_given=self.is_centered, binning=binning, satvalue=self.satvalue, gain=scale,
            )
        )  # fmt: skip
        clipped = np.zeros_like(usable)
        if self.satvalue is not None:
            clipped = usable & (self.raw >= self.satvalue)

        start, self.offset = crop_start(self.center, self.size, binning)
        counts = crop(np.where(usable, photons, 0), start, self.cropsize)
        valid, full = (crop(flags, start, self.cropsize) for flags in (usable, clipped))
        self.intensity, self.masked, self.saturated = binned(counts, valid, full, binning)
        self.measured = ~(self.masked | self.saturated)
        self._check_content()
        self.object_size = object_extent(counts, valid & ~full)
        self.warnings = tuple(self._warnings())

    @property
    def name(self) -> str:
        """The pid as text, numbers joined by ``-``."""
        return pid_text(self.pid)

    @property
    def amplitude(self) -> Frame:
        """sqrt(max(intensity, 0)), (size, size) float32, sqrt(photons); 0 where masked."""
        return np.sqrt(np.maximum(self.intensity, 0))

    @property
    def photons(self) -> float:
        """Sum over the measured pixels."""
        return float(self.intensity[self.measured].sum(dtype=np.float64))

    @property
    def has_center(self) -> bool:
        """Whether the centre is more than the middle of the frame: given, or found."""
        return self.is_centered or (self.is_auto_center and self.findings.center is not None)

    def plot(self) -> Figure:
        """A figure of the prepared pattern, logarithmic, with masked and saturated pixels."""
        return figure_of(self)

    def _used_center(self, center: Any, prior: Place | None) -> tuple[Place, str]:
        if self.is_centered:
            return _center(center), "given"
        if self.is_auto_center and (found := self.findings.center):
            return found, "found by Friedel pairs"
        if self.is_auto_center and prior is not None:
            return prior, "the one expected"
        rows, columns = self.raw.shape
        return ((rows - 1) / 2, (columns - 1) / 2), "the middle of the frame"

    def _used_satvalue(self, satvalue: Any) -> float | None:
        if not self.is_auto_satvalue:
            return None if satvalue is None else float(satvalue)
        return self.findings.plateau.start if self.findings.plateau else None

    def _check_content(self) -> None:
        if not self.measured.any():
            raise PatternError(
                f"pattern {self.name} has no measured pixel: {self.masked.sum()} of "
                f"{self.masked.size} are masked, {self.saturated.sum()} saturated; "
                "check mask, center, cropsize and satvalue"
            )
        if not np.isfinite(self.intensity).all():
            raise PatternError(
                f"pattern {self.name} has intensities beyond {np.finfo(np.float32).max:.0e} "
                "photons; check gain, raw units per photon, and background"
            )
        if self.photons <= 0:
            raise PatternError(
                f"pattern {self.name} is empty: its measured pixels sum to {self.photons:g} "
                "photons; leave this event out, or check background, gain and satvalue"
            )

    def _warnings(self) -> Iterator[str]:
        yield from self._doubtful_center()
        yield from self.contradictions
        if (share := self.measured.mean()) < _LEAST_MEASURED:
            yield (
                f"only {share:.0%} of the pattern is measured, so that wrong objects explain it as "
                "well; look at center, cropsize, and mask: is what it marks bad or good?"
            )
        if max(map(abs, self.offset)) >= _OFF_CENTER:
            row, column = self.offset
            yield f"the centre is ({row:+.2f}, {column:+.2f}) binned pixels off the grid"
        if self.object_size * _LEAST_SPECKLE > self.size:
            yield (
                f"speckles are about {self.size / self.object_size:.1f} pixels wide, less than "
                f"{_LEAST_SPECKLE:g}: the object (about {self.object_size:.0f} px) is larger than "
                "half the field of view; bin less"
            )
        yield from doubts(self.intensity, self.masked, self.saturated)

    def _doubtful_center(self) -> Iterator[str]:
        """What there is to say where the centre is neither given nor found."""
        if self.has_center:
            return
        row, column = self.center
        used = f"{self.center_origin}, ({row:g}, {column:g}), is used"
        if self.is_auto_center:
            estimate = self.findings.centre
            yield (
                "center: auto finds no centre, for Friedel pairs correlate by "
                f"{estimate.sureness if estimate else 0:.2f} at most, less than "
                f"{LEAST_SURENESS:g}: {used}"
            )
        else:
            yield f"no center is given: {used}; give center, (row, column) in pixels, or auto"


def _frame(pattern: ArrayLike) -> NDArray[Any]:
    frame = np.asarray(pattern)
    if frame.ndim != 2 or frame.dtype.kind not in "biuf":
        raise PatternError(
            f"a pattern is a 2-D array of real numbers, not {frame.ndim}-D {frame.dtype} "
            f"of shape {frame.shape}"
        )
    return frame


def _pid(pid: Iterable[int]) -> tuple[int, ...]:
    try:
        given = tuple(pid)
        numbers = tuple(int(number) for number in given)
    except (TypeError, ValueError, OverflowError):
        raise PatternError(f"pid must be a list of integers, not {pid!r}") from None
    if not numbers or numbers != given:
        raise PatternError(f"pid must be a list of integers, not {given}")
    return numbers


def _excluded(mask: ArrayLike | None, shape: tuple[int, ...]) -> Flags:
    if mask is None:
        return np.zeros(shape, bool)
    excluded: Flags = np.asarray(mask) != 0
    if excluded.shape != shape:
        raise PatternError(f"the mask has shape {excluded.shape}, the pattern {shape}")
    return excluded


def _is_auto(value: object) -> bool:
    return isinstance(value, str) and value == AUTO


def _center(center: Any) -> Place:
    try:
        row, column = (float(coordinate) for coordinate in center)
    except (TypeError, ValueError):
        row = column = math.nan
    if not (math.isfinite(row) and math.isfinite(column)):
        raise PatternError(f"center must be two finite numbers (row, column), or auto: {center!r}")
    return (row, column)


def _typical(gain: ArrayLike, usable: Flags) -> float:
    """The gain of most pixels."""
    values = np.asarray(gain, np.float64)
    values = values[usable] if values.ndim and usable.any() else values
    return float(np.median(values))


def _photons(
    raw: NDArray[Any], excluded: Flags, background: ArrayLike, gain: ArrayLike
) -> NDArray[np.float64]:
    """Photons per pixel; anything where the pixel is excluded."""
    dark = _calibration("background", background, raw.shape)
    scale = _calibration("gain", gain, raw.shape)
    if not np.all(excluded | ((scale > 0) & np.isfinite(scale))):
        raise PatternError(
            "gain must be positive, raw units per photon, wherever the mask excludes no pixel"
        )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return (raw - dark) / scale


def _calibration(name: str, value: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    values = np.asarray(value, np.float64)
    if values.ndim and values.shape != shape:
        raise PatternError(f"{name} has shape {values.shape}, the pattern {shape}")
    return values
