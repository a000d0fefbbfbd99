"""What a config says of masks, calibration and geometry: values that name files and datasets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.options import option
from .formats.bits import has_bits

Stages = tuple[float, ...]
"""A number for each gain stage, from the highest gain to the lowest."""


@dataclass(frozen=True)
class ArraySpec:
    """A number, a file, or a dataset; exactly one of ``value`` and ``file or dataset`` is given.

    ``file`` alone is an npy file, or an HDF5 file with one array; ``dataset`` alone is a dataset of
    the event's own source.
    """

    value: float | None = option(None, "one number for all pixels")
    file: str | None = option(None, "npy or HDF5 file, from data.root; null: the event's own")
    dataset: str | None = option(None, "dataset of the file; null: npy, or its one array")


@dataclass(frozen=True)
class MaskSpec:
    """Which pixels a mask excludes; exactly one of ``bad``, ``good`` and ``bad_bits`` is given.

    Without ``file`` and ``dataset`` the raw values of the frame itself are meant.
    """

    file: str | None = option(None, "npy or HDF5 file, from data.root; null: the event's own")
    dataset: str | None = option(
        None, "dataset of the file; null: npy, or its one array; without file: the frame's values"
    )
    bad: int | None = option(None, "value of the pixels that are excluded")
    good: int | None = option(None, "value of the pixels that count; all others are excluded")
    bad_bits: int | None = option(None, "sum of the bits of which any one excludes a pixel")

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


@dataclass(frozen=True)
class GeometrySpec:
    """Which geometry is meant."""

    file: str = option(..., "path of the geometry file", example="detector.geom")
    quadrants: tuple[tuple[float, float], ...] | None = option(
        None, "[x, y] of the four quadrants in mm, for HDF5 files without them"
    )
    first_module: int | None = option(
        None, "number in the data of the module of the first panel; null: as the reader knows"
    )
