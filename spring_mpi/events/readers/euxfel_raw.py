"""Raw frames of the European XFEL's detectors: what values are, and gain stages beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gain_stages import RawForm, coding_of, undecodable
from .modules import module_of

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
