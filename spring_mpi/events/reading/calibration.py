"""What a config says of masks, background, gain and centre, for all events; no file is read.

`calibrator` looks up what that means for one event, `intensity` what the event's values are then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..geometry import FileMask
from ..specs import ArraySpec, GeometrySpec, MaskSpec, Stages

Spec = ArraySpec | MaskSpec | FileMask


@dataclass(frozen=True)
class Calibration:
    """What turns raw frames into intensities, as the config says it."""

    masks: tuple[MaskSpec, ...] = ()
    background: ArraySpec | Stages = ArraySpec(value=0.0)
    """Raw value without light."""
    gain: ArraySpec | Stages = ArraySpec(value=1.0)
    """Raw units per photon."""
    center: ArraySpec | tuple[float, float] | Literal["auto"] | None = None
    """(row, column) in pixels; None: the event's own, or the middle of the frame."""
    satvalue: float | Literal["auto"] | None = None
    """Raw value at and above which a pixel is saturated."""
    geometry: GeometrySpec | None = None
    """Where the pixels are; None: frames are images."""
    center_prior: tuple[float, float] | None = None
    """(row, column) where other events have the centre, for ``auto``; no config says it."""
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
