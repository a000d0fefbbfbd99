"""Frames of the European XFEL's detectors: what values are, their masks and gain stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...event import Exclusion
from ...gain_stages import RawForm, coding_of, undecodable
from ..hdf5.frames import holes_told, modules_of
from ..hdf5.stored import union
from ..reader import Frame
from .modules import module_of

_MOST_PLANES = 2

WITHOUT_GAIN = undecodable(
    "the raw frames (adc) of this detector have no gain beside them, which says in which stage a "
    "pixel was"
)
"""What is known of raw frames of a Jungfrau without the dataset of their gain stages."""


def with_gain(raw: RawForm, cells: int) -> RawForm:
    """The form of frames that `with_codes` gives, of so many memory cells."""
    return replace(raw, is_joined=True, has_cells=cells > 1)


def with_codes(values: NDArray[Any], codes: NDArray[Any]) -> NDArray[np.uint16]:
    """Frames of a Jungfrau as it sends them: the codes of the gain stages in the two top bits."""
    return np.asarray(values & 0x3FFF | codes.astype(np.uint16) << 14, np.uint16)


def raw_form(name: str, dtype: np.dtype[Any], planes: int, *, has_mask: bool) -> RawForm | None:
    """What the values of a detector's frames are; None where they are corrected.

    Parameters
    ----------
    name
        The source, or the path of the dataset.
    planes
        Length of the second axis of data and gain; 0 or 1 where there is no such pair.
    has_mask
        Whether a mask is beside the frames, as corrected data have.
    """
    module = module_of(name)
    if dtype.kind not in "iu" or has_mask or "/CORR/" in name or module is None:
        return None
    if planes == 2:
        return undecodable(
            "raw frames of this detector are pairs of data and gain, and the gain, from which "
            "follows in which stage a pixel was, is not decoded"
        )
    return RawForm(coding_of(name, dtype), has_cells=":xtdf" in name)


def planes_of(shape: tuple[int, ...], dtype: np.dtype[Any], mask: tuple[int, ...]) -> int:
    """Of entries (planes, rows, columns) the number of planes, values and perhaps their gain.

    0 where the first axis is none of planes: in corrected data, and where it is longer, it numbers
    modules that share a source (LPD Mini), as it does where the mask has it, too.

    Parameters
    ----------
    shape, mask
        Of an entry and of its mask; () where there is no mask.
    """
    is_raw = len(shape) == 3 and dtype.kind in "iu" and shape != mask
    return shape[0] if is_raw and shape[0] <= _MOST_PLANES else 0


def module_frame(
    data: NDArray[Any],
    mask: NDArray[Any] | None,
    hole: NDArray[np.bool_] | None = None,
    *,
    info: Mapping[str, Any],
    raw: RawForm | None,
) -> Frame:
    """The frame of a module, or of modules that share a source and are numbered from 0 there.

    Parameters
    ----------
    data
        (rows, columns), or (modules, rows, columns).
    mask
        That of corrected data, of the same shape; in files of 2017 with an axis more.
    hole
        True where a value was never written.
    info
        What the name of the source says of a single module.
    """
    bad = None if mask is None else np.asarray(mask != 0)
    if bad is not None and bad.ndim > data.ndim:
        # In files of 2017 the last axis is the gain stage.
        bad = np.asarray(bad.any(axis=-1))
    if data.ndim == 3 and len(data) == 1:
        data = data[0]
        bad, hole = (None if mask is None else mask.reshape(data.shape) for mask in (bad, hole))
    told = () if bad is None else (Exclusion("the files' mask", int(bad.sum())),)
    return Frame(
        data, union(bad, hole), info=modules_of(data) or dict(info),
        exclusions=(*told, *holes_told(hole)), raw=raw,
    )  # fmt: skip
