"""Raw values of detectors that switch their gain: which bits are the value, which the gain stage.

A pixel of such a detector lowers its gain when much light falls on it, and writes the stage that it
was in beside its value into the same 16 bits. As numbers these words mean nothing: each stage has a
pedestal and a gain of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PatternError

NO_GAIN_BITS = "none"
"""What a user writes who knows that there are no gain bits, whatever the detector."""
_LOST = 2**16 - 1
"""What receivers write where data did not arrive."""


@dataclass(frozen=True)
class GainBits:
    """How a kind of detector writes value and gain stage into one unsigned integer."""

    detector: str
    value_bits: tuple[int, int]
    """First and last bit of the value, 0 = the lowest one."""
    stage_bits: tuple[int, int]
    """First and last bit of the code of the gain stage."""
    codes: tuple[int, ...]
    """The code of each stage, from the highest gain to the lowest."""
    stages: tuple[str, ...]
    """What the stages are called."""
    full: int
    """Value in the last stage at which a pixel can hold no more."""

    def values(self, raw: NDArray[Any]) -> NDArray[Any]:
        """The values without their stages; same shape and type."""
        return _field(raw, self.value_bits)

    def places(self, raw: NDArray[Any]) -> NDArray[np.int8]:
        """The number of each pixel's stage, 0 = the highest gain, -1 = no stage; same shape."""
        first, last = self.stage_bits
        table = np.full(2 ** (last - first + 1), -1, np.int8)
        table[list(self.codes)] = np.arange(len(self.codes))
        return np.asarray(table[_field(raw, self.stage_bits)])

    def word(self, values: NDArray[Any], stage: int) -> NDArray[np.uint16]:
        """Values as they are written in a stage; same shape."""
        first, last = self.value_bits
        held = (values.astype(np.uint16) & 2 ** (last - first + 1) - 1) << first
        return np.asarray(held | np.uint16(self.codes[stage] << self.stage_bits[0]))

    def excluded(self, raw: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Why words mean no light, and where; same shape."""
        is_last = self.places(raw) == len(self.codes) - 1
        yield f"{_LOST} in the raw values of {self.detector} (no data)", raw == _LOST
        yield f"no gain stage in {self}", self.places(raw) < 0
        yield (
            f"the end of the last gain stage of {self.detector} (saturated)",
            np.asarray(is_last & (self.values(raw) == self.full)),
        )

    def decode(
        self,
        raw: NDArray[Any],
        pedestals: NDArray[Any],
        gains: NDArray[Any],
    ) -> NDArray[np.float64]:
        """Photons: (value - pedestal) / gain, both those of the pixel's stage.

        Parameters
        ----------
        raw
            (rows, columns), unsigned integers with gain bits.
        pedestals, gains
            (stages, rows, columns) or (stages, 1, 1); raw units, and raw units per photon, which
            are negative where values fall as light increases.

        Returns
        -------
        array
            (rows, columns); NaN where there is no such stage, or no gain.
        """
        places, values = self.places(raw), self.values(raw).astype(np.float64)
        photons = np.full(raw.shape, np.nan)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for stage, (pedestal, gain) in enumerate(zip(pedestals, gains, strict=True)):
                scale = np.where(gain == 0, np.nan, gain)
                np.copyto(photons, (values - pedestal) / scale, where=places == stage)
        return photons

    def __str__(self) -> str:
        first, last = self.stage_bits
        bits = f"bits {first} and {last}" if last > first else f"bit {first}"
        return f"{bits} of the raw values of {self.detector}"


@dataclass(frozen=True)
class RawForm:
    """What the values of a frame are that nobody has corrected yet."""

    gain_bits: GainBits | None = None
    """None where a value is a number like any other, with an offset."""
    is_joined: bool = False
    """Whether the bits were put there by the reader: the file has values and stages apart."""
    has_cells: bool = False
    """Whether events come from several memory cells, each with pedestals of its own."""
    undecoded: str = ""
    """Why values cannot be used as they are, though they have no gain bits; what to do."""

    @property
    def note(self) -> str:
        """Why the values mean nothing as they are; empty where they do."""
        if self.gain_bits:
            return f"the gain stage of a pixel is in {self.gain_bits}"
        return self.undecoded

    def of_stage(
        self, values: NDArray[Any], stage: int
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Values without gain bits, and which pixels are in other stages; None: that is not known.

        Raises
        ------
        UndecodedError
            If there is no such stage.
        """
        if self.gain_bits is None:
            return values, None
        names = self.gain_bits.stages
        if stage >= len(names):
            known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
            raise UndecodedError(f"{self.gain_bits.detector} has no stage {stage}, but {known}")
        return self.gain_bits.values(values), self.gain_bits.places(values) != stage


class UndecodedError(PatternError):
    """Frames hold gain stages, and the config does not say what each stage is worth."""


def undecodable(why: str) -> RawForm:
    """Of raw frames whose gain stages are not known from their values."""
    return RawForm(
        undecoded=f"{why}: take corrected data; or, if all pixels were in one stage, write "
        f"data.gain_bits: {NO_GAIN_BITS}, and give the raw values of that stage without light "
        "(pattern.background)"
    )


CODINGS = MappingProxyType(
    {
        coding.detector: coding
        for coding in (
            GainBits("jungfrau", (0, 13), (14, 15), (0, 1, 3), ("G0", "G1", "G2"), 0),
            GainBits("epix10ka", (0, 13), (14, 14), (0, 1), ("high or medium", "low"), 2**14 - 1),
            GainBits("epixhr", (0, 14), (15, 15), (0, 1), ("high or medium", "low"), 2**15 - 1),
            GainBits("epixm", (0, 14), (15, 15), (0, 1), ("high", "low"), 2**15 - 1),
            GainBits("epixuhr", (1, 11), (0, 0), (0, 1), ("high or medium", "low"), 2**11 - 1),
            GainBits("lpd", (0, 11), (12, 13), (0, 1, 2), ("high", "medium", "low"), 2**12 - 1),
        )
    }
)
"""By the name of the kind. After the packages that read them at their facilities: jungfrau_utils,
psana (``epix_base``, ``UtilsEpix10ka``, ``epixhr2x2``, ``epixm320``, ``UtilsEpixUHR``), EXtra-data.
Jungfrau's G1 and G2 count downwards, so that G2 is full at 0."""

_KINDS = (
    (r"jungfrau|jngfr|_jungf|_jf|\bjf\d\dt\d\d", "jungfrau"), (r"epix10k|epixquad", "epix10ka"),
    (r"epixhr", "epixhr"), (r"epixm", "epixm"), (r"epixuhr", "epixuhr"), (r"\blpd|_lpd", "lpd"),
)  # fmt: skip
"""What is in the names of detectors, their types or their datasets, in small letters."""


def coding_of(detector: str, dtype: np.dtype[Any]) -> GainBits | None:
    """How frames of that type are coded, by the name of a detector, its type or its dataset.

    None where the detector is of no kind with gain bits, or its frames are no unsigned 16-bit
    integers, as corrected ones are not.
    """
    if dtype.kind != "u" or dtype.itemsize != 2:
        return None
    name = detector.lower()
    return next((CODINGS[kind] for text, kind in _KINDS if re.search(text, name)), None)


def coded_form(detector: str, dtype: np.dtype[Any]) -> RawForm | None:
    """The form of frames that have gain bits; arguments, and None, as in `coding_of`."""
    bits = coding_of(detector, dtype)
    return RawForm(bits) if bits else None


def refusal(bits: GainBits, missing: Sequence[str]) -> UndecodedError:
    """Why frames cannot be used, and what to give."""
    count = len(bits.stages)
    return UndecodedError(
        f"the gain stage of a pixel is in {bits}, and {' and '.join(missing)} "
        f"{'is' if len(missing) == 1 else 'are'} not given for each of the {count} stages "
        f"({', '.join(bits.stages)}): name a file with the axes ({count}, rows, columns) or "
        f"({count}, modules, rows, columns), or a list of {count} numbers; or take corrected data; "
        f"or, if the values have no such bits, write data.gain_bits: {NO_GAIN_BITS}"
    )


def _field(raw: NDArray[Any], bits: tuple[int, int]) -> NDArray[Any]:
    first, last = bits
    return np.asarray(raw >> first & 2 ** (last - first + 1) - 1)
