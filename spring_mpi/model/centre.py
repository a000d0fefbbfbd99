"""Where the centre of a frame is by Friedel's law: real densities scatter alike in p and c - p.

The frame is turned by half a turn about every centre, and the centre is that of the highest
correlation of what is measured on both sides. All centres are tried at once: sums over the pairs
are auto-convolutions of the frame, of its square and of its mask, as in D. Padfield, "Masked object
registration in the Fourier domain", IEEE Trans. Image Process. 21 (2012) 2706.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Flags = NDArray[np.bool_]
Place = tuple[float, float]

LEAST_SURENESS = 0.7
"""Correlation below which no centre is known."""
_BLUR = 1.0
"""Pixels; tames the noise of single pixels, and keeps the speckles."""
_LEAST_OVERLAP = 0.5
"""Of the measured pixels, that must have a measured partner."""
_LARGEST = 320
"""Side up to which all centres are tried; larger frames are binned for that."""
_FINEST = 560
"""Side up to which the centre is refined without binning."""
_SLACK = 8
"""Half pixels about a centre known roughly, among which it is refined."""
_WORTH_REFINING = 0.5
_LEAST_CONTRAST, _LEAST_VARIANCE = 1e-4, 1e-6
"""Of the mean, and of the whole frame's variance: with less, rounding would decide."""
_NEAR = 0.06
"""Of the frame's shorter side: how far the centre moves between the events of a run, and more."""
_BEATS = 0.1
"""By so much must a far correlation be higher than the best one near the prior."""


@dataclass(frozen=True)
class CentreEstimate:
    """Where Friedel pairs say that the centre of a frame is."""

    center: Place
    """(row, column) in pixels of the frame, the centre of the first pixel is 0.0."""
    sureness: float
    """Correlation of the frame with itself, turned by 180 degrees about the centre, at most 1."""

    @property
    def is_sure(self) -> bool:
        """Whether it may be used."""
        return self.sureness >= LEAST_SURENESS


def estimate_centre(
    photons: NDArray[np.floating], measured: Flags, binning: int = 1, prior: Place | None = None
) -> CentreEstimate | None:
    """The centre of a frame; None where too few pixels have a partner anywhere.

    Parameters
    ----------
    photons, measured
        (rows, columns); what is not measured may have any value.
    binning
        Pixels that are summed along a side before all else, as in the pattern.
    prior
        (row, column) where other events of the run have it; a centre near it is preferred to one
        that is little better.
    """
    largest = max(photons.shape)
    coarse = binning * max(1, math.ceil(largest / binning / _LARGEST))
    fine = math.ceil(largest / _FINEST)
    found = _search(*_binned(photons, measured, coarse), prior and _to_binned(prior, coarse))
    if found is None:
        return None
    place, sureness = _to_frame(found[0], coarse), found[1]
    if fine < coarse and sureness >= _WORTH_REFINING:
        refined = _refined(*_binned(photons, measured, fine), _to_binned(place, fine))
        place = _to_frame(refined, fine) if refined else place
    return CentreEstimate(place, sureness)


def unlikeness(
    photons: NDArray[np.floating], measured: Flags, center: Place, binning: int = 1
) -> float:
    """1 less the correlation of a frame with itself, turned about a centre; parameters as above.

    The centre is taken to half a binned pixel.
    """
    step = binning * max(1, math.ceil(max(photons.shape) / binning / _LARGEST))
    image, known = _binned(photons, measured, step)
    spans = []
    for coordinate, length in zip(_to_binned(center, step), image.shape, strict=True):
        total = round(2 * coordinate)
        spans.append(slice(max(0, total - length + 1), max(0, min(length - 1, total) + 1)))
    part, inside = image[tuple(spans)], known[tuple(spans)]
    both = inside & inside[::-1, ::-1]
    one, other = part[both], part[::-1, ::-1][both]
    if len(one) < 2 or one.std() == 0:
        return 1.0
    return 1 - float(np.corrcoef(one, other)[0, 1])


def _to_frame(place: Place, step: int) -> Place:
    return (place[0] * step + (step - 1) / 2, place[1] * step + (step - 1) / 2)


def _to_binned(place: Place, step: int) -> Place:
    return ((place[0] - (step - 1) / 2) / step, (place[1] - (step - 1) / 2) / step)


def _binned(photons: NDArray[np.floating], measured: Flags, step: int) -> tuple[Values, Flags]:
    """Blurred amplitudes, and what is measured of them, summed over blocks of ``step`` pixels."""
    from scipy import ndimage

    rows, columns = (length // step * step for length in photons.shape)
    blocks = (rows // step, step, columns // step, step)
    valid = measured[:rows, :columns]
    values = np.where(valid, photons[:rows, :columns], 0).astype(np.float32)
    weights = valid.astype(np.float32)
    if step > 1:
        values, weights = (image.reshape(blocks).sum(axis=(1, 3)) for image in (values, weights))
    known = 2 * weights >= step**2
    values, weights = values * known, weights * known
    light, share = (ndimage.gaussian_filter(image, _BLUR, mode="constant", truncate=3.0)
                    for image in (values, weights))  # fmt: skip
    mean = np.divide(light, share, out=np.zeros_like(light), where=known)
    return np.sqrt(np.maximum(mean, 0)), known


def _search(image: Values, known: Flags, prior: Place | None) -> tuple[Place, float] | None:
    """The centre in a whole frame, and its correlation."""
    from scipy import fft

    shape = tuple(fft.next_fast_len(2 * length - 1, real=True) for length in image.shape)
    correlation = _correlations(image, known, shape)
    if not np.isfinite(correlation).any():
        return None
    if prior is not None:
        sums = [np.arange(length) / 2 for length in shape]
        far = np.hypot(sums[0][:, None] - prior[0], sums[1] - prior[1])
        near = np.where(far <= _NEAR * min(image.shape), correlation, -np.inf)
        if near.max() >= max(LEAST_SURENESS, correlation.max() - _BEATS):
            correlation = near
    peak = np.unravel_index(int(correlation.argmax()), shape)
    row, column = _vertex(correlation, (int(peak[0]), int(peak[1])))
    return (row / 2, column / 2), float(correlation[peak])


def _refined(image: Values, known: Flags, about: Place) -> Place | None:
    """The centre, known to `_SLACK` pixels: without padding, for nothing then wraps around."""
    from scipy import fft

    reach = int(min(min(about[axis], image.shape[axis] - 1 - about[axis]) for axis in (0, 1)))
    if reach < 4 * _SLACK:
        return None
    side = 2 * reach
    while fft.next_fast_len(side, real=True) > side:
        side -= 1
    window = tuple(slice(first := round(place - (side - 1) / 2), first + side) for place in about)
    part, inside = image[window], known[window].copy()
    inside[:_SLACK], inside[-_SLACK:], inside[:, :_SLACK], inside[:, -_SLACK:] = (False,) * 4
    part = part * inside
    # The sum of two places of a pair is about side - 1, or -1 where it wraps: rolled to the middle.
    correlation = np.roll(_correlations(part, inside, part.shape), (_SLACK + 1,) * 2, (0, 1))
    correlation = correlation[: 2 * _SLACK + 1, : 2 * _SLACK + 1]
    if not np.isfinite(correlation).any():
        return None
    peak = np.unravel_index(int(correlation.argmax()), correlation.shape)
    place = _vertex(correlation, (int(peak[0]), int(peak[1])))
    row, column = (
        first.start + (length - 1) / 2 + (at - _SLACK) / 2
        for first, length, at in zip(window, part.shape, place, strict=True)
    )
    return row, column


def _correlations(image: Values, known: Flags, shape: tuple[int, ...]) -> Values:
    """Correlation of the image with itself turned, by the sum of two places of a pair; -inf where
    too few pixels overlap.

    As the turned image is the image itself, both have one mean and one variance.
    """
    from scipy import fft

    correlation: Values = np.full(shape, -np.inf, np.float32)
    level = image[known].mean() if known.any() else 0
    centred = np.where(known, image - level, 0).astype(np.float32)
    if centred.std() <= _LEAST_CONTRAST * level:
        return correlation
    values, squares, flags = (
        fft.rfft2(part, shape) for part in (centred, centred**2, known.astype(np.float32))
    )
    products, sums, powers, count = (
        fft.irfft2(part, shape)
        for part in (values * values, values * flags, squares * flags, flags * flags)
    )
    enough = count >= max(_LEAST_OVERLAP * known.sum(), 16)
    count = np.maximum(count, 1)
    mean = sums / count
    variance = powers / count - mean**2
    enough &= variance > _LEAST_VARIANCE * centred.var()
    np.divide(products / count - mean**2, variance, out=correlation, where=enough)
    return correlation


def _vertex(values: Values, peak: tuple[int, int]) -> Place:
    """The place of a peak between the pixels, by a parabola along each axis."""
    return (_between(values[:, peak[1]], peak[0]), _between(values[peak[0]], peak[1]))


def _between(line: Values, top: int) -> float:
    if not 0 < top < len(line) - 1 or not np.isfinite(line[top - 1 : top + 2]).all():
        return float(top)
    before, at, after = (float(value) for value in line[top - 1 : top + 2])
    bend = before - 2 * at + after
    return top + (0.5 * (before - after) / bend if bend < 0 else 0.0)
