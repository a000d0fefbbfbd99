"""What turns raw frames into intensities, as a config says it: masks, background, gain, centre."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bits import has_bits
from .geometry import FileMask, GeometrySpec

Stages = tuple[float, ...]
"""A number for each gain stage, from the highest gain to the lowest."""


@dataclass(frozen=True)
class ArraySpec:
    """A number, a file, or a dataset; exactly one of ``value`` and ``file or dataset`` is given.

    ``file`` alone is an npy file, or an HDF5 file with one array; ``dataset`` alone is a dataset of
    the event's own source.
    """

    value: float | None = None
    file: str | None = None
    dataset: str | None = None


@dataclass(frozen=True)
class MaskSpec:
    """Which pixels a mask excludes; exactly one of ``bad``, ``good`` and ``bad_bits`` is given.

    Without ``file`` and ``dataset`` the raw values of the frame itself are meant.
    """

    file: str | None = None
    dataset: str | None = None
    bad: int | None = None
    good: int | None = None
    bad_bits: int | None = None

    def excluded(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """True where a pixel is excluded; same shape as ``values``."""
        if self.bad_bits is not None:
            return has_bits(values, self.bad_bits)
        if self.good is not None:
            return np.asarray(values != self.good)
        return np.asarray(values == self.bad)

    @property
    def is_of_frame(self) -> bool:
        """Whether it is about the frame's own values."""
        return self.file is None and self.dataset is None

    @property
    def meaning(self) -> str:
        """Which values are excluded, for people."""
        if self.bad_bits is not None:
            return f"what has a bit of {self.bad_bits}"
        return f"all but {self.good}" if self.good is not None else f"{self.bad}"


Spec = ArraySpec | MaskSpec | FileMask


@dataclass(frozen=True)
class Calibration:
    """What turns raw frames into intensities."""

    masks: tuple[MaskSpec, ...] = ()
    background: ArraySpec | Stages = ArraySpec(value=0.0)
    """Raw value without light."""
    gain: ArraySpec | Stages = ArraySpec(value=1.0)
    """Raw units per photon."""
    center: ArraySpec | tuple[float, float] | None = None
    """(row, column) in pixels; None: the event's own, or the middle of the frame."""
    satvalue: float | None = None
    """Raw value at and above which a pixel is saturated."""
    geometry: GeometrySpec | None = None
    """Where the pixels are; None: frames are images."""
    gain_bits: str | None = None
    """A key of `CODINGS`, or `NO_GAIN_BITS`; None: what the reader says of the frames."""


def named_files(calibration: Calibration) -> Iterator[tuple[str, str]]:
    """What each file is for, and its path, of all files that a calibration names."""
    specs: list[tuple[str, Any]] = [("mask", spec) for spec in calibration.masks]
    specs += [(name, getattr(calibration, name))
              for name in ("background", "gain", "center", "geometry")]  # fmt: skip
    for what, spec in specs:
        if isinstance(spec, Spec | GeometrySpec) and spec.file is not None:
            yield what, spec.file
