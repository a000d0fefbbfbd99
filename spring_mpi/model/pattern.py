"""A pattern: one recorded frame, cropped and rescaled, ready for the engine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..drawing import figure_of
from ..errors import PatternError
from .names import pid_text
from .plausibility import doubts
from .rings import object_extent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frame = NDArray[np.float32]
Flags = NDArray[np.bool_]
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
        (row, column) of the zero frequency in pixels, 0.0 = centre of the first pixel; default:
        the middle of the frame, which is warned about.
    pid
        Numbers that identify the event; the first is the run.
    cropsize
        Side of the square cut about the centre, detector pixels; default: the shorter side.
    size
        Side after binning; ``cropsize / size`` must be an integer. Default: ``cropsize``.
    satvalue
        Raw value at and above which a pixel is saturated; None: no pixel is.
    background, gain
        Number or array of the frame's shape; gain in raw units per photon. A pixel without a
        finite background is masked; masked pixels need no gain.

    Attributes
    ----------
    intensity
        (size, size) float32, photons, zero frequency at [size // 2, size // 2].
    masked, saturated, measured
        (size, size) bool; a measured pixel is neither masked nor saturated.
    is_centered
        Whether the centre was given.
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
        center: Iterable[float] | None = None,
        pid: Iterable[int] = (0,),
        cropsize: int | None = None,
        size: int | None = None,
        satvalue: float | None = None,
        background: ArrayLike = 0.0,
        gain: ArrayLike = 1.0,
    ) -> None:
        self.raw = _frame(pattern)
        self.excluded = _excluded(mask, self.raw.shape)
        self.pid = _pid(pid)
        self.is_centered = center is not None
        self.center = _center(center, self.raw.shape)
        self.cropsize = min(self.raw.shape) if cropsize is None else int(cropsize)
        self.size = self.cropsize if size is None else int(size)
        self.satvalue = satvalue
        self.background, self.gain = background, gain
        binning = check_binning(self.cropsize, self.size)

        photons = _photons(self.raw, self.excluded, background, gain)
        usable = np.isfinite(photons) & ~self.excluded
        clipped = np.zeros_like(usable) if satvalue is None else usable & (self.raw >= satvalue)

        start, self.offset = crop_start(self.center, self.size, binning)
        counts = _crop(np.where(usable, photons, 0), start, self.cropsize)
        valid, full = (_crop(flags, start, self.cropsize) for flags in (usable, clipped))
        self.intensity, self.masked, self.saturated = _bin(counts, valid, full, binning)
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

    def plot(self) -> Figure:
        """A figure of the prepared pattern, logarithmic, with masked and saturated pixels."""
        return figure_of(self)

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
        if not self.is_centered:
            row, column = self.center
            yield (
                f"no center is given: the middle of the frame, ({row:g}, {column:g}), is used; "
                "give center, (row, column) in pixels"
            )
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


def check_binning(cropsize: int, size: int) -> int:
    """The binning factor; raises `PatternError` naming the nearest legal cropsizes."""
    if size < 8 or cropsize < size:
        raise PatternError(f"size {size} must be at least 8 and at most cropsize {cropsize}")
    if cropsize % size:
        below = cropsize // size * size
        raise PatternError(
            f"cropsize {cropsize} is not a multiple of size {size}; "
            f"nearest legal: {below} and {below + size}"
        )
    return cropsize // size


def crop_start(
    center: tuple[float, float], size: int, binning: int
) -> tuple[tuple[int, int], tuple[float, float]]:
    """First (row, column) of the crop, and how far the centre is off the grid in binned pixels.

    Binned pixel ``size // 2`` covers raw pixels from ``start + binning * (size // 2)``, so its
    centre lies ``(binning - 1) / 2`` further on: that is where the zero frequency belongs.
    """
    middle = binning * (size // 2) + (binning - 1) / 2
    start = [math.floor(coordinate - middle + 0.5) for coordinate in center]
    offset = [
        (coordinate - middle - first) / binning
        for coordinate, first in zip(center, start, strict=True)
    ]
    return (start[0], start[1]), (offset[0], offset[1])


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


def _center(center: Iterable[float] | None, shape: tuple[int, ...]) -> tuple[float, float]:
    if center is None:
        return ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    try:
        row, column = (float(coordinate) for coordinate in center)
    except (TypeError, ValueError):
        row = column = math.nan
    if not (math.isfinite(row) and math.isfinite(column)):
        raise PatternError(f"center must be two finite numbers (row, column), not {center}")
    return (row, column)


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


def _crop(array: NDArray[Any], start: tuple[int, int], side: int) -> NDArray[Any]:
    """The square window; what lies outside the frame is 0 (False: not valid)."""
    window = np.zeros((side, side), array.dtype)
    rows, columns = (first + np.arange(side) for first in start)
    in_rows, in_columns = (
        (index >= 0) & (index < length)
        for index, length in zip((rows, columns), array.shape, strict=True)
    )
    window[np.ix_(in_rows, in_columns)] = array[np.ix_(rows[in_rows], columns[in_columns])]
    return window


def _bin(
    counts: NDArray[np.float64], valid: Flags, full: Flags, binning: int
) -> tuple[Frame, Flags, Flags]:
    """Intensity, masked and saturated pixels after binning."""
    size = len(counts) // binning
    blocks = (size, binning, size, binning)
    number = valid.reshape(blocks).sum(axis=(1, 3))
    total = np.where(valid, counts, 0).reshape(blocks).sum(axis=(1, 3))
    masked = number * 2 < binning**2
    mean = total / np.maximum(number, 1)
    with np.errstate(over="ignore"):
        intensity = np.where(masked, 0, mean * binning**2).astype(np.float32)
    return intensity, masked, full.reshape(blocks).any(axis=(1, 3)) & ~masked
