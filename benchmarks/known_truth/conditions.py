"""Classes of patterns: what was hit, under which conditions, and what is wrong with the data.

Every class draws its conditions from ranges; photons are those in measured pixels, lengths in
binned pixels unless said otherwise, strengths of noise and background in photons and raw pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .volumes import KINDS, Generator

WITH_ROOM = ("hollow", "core_shell")
HARD = ("branched", "hollow", "core_shell")


@dataclass(frozen=True)
class Conditions:
    """All that a pattern depends on, apart from the particle's own shape and the noise."""

    kind: str
    """Of the particle, one of `KINDS`."""
    extent: float
    """Largest diameter, pixels of the density."""
    support: float
    """Start support over extent."""
    photons: float
    missing: float
    """Speckles behind the hole in the detector."""
    gain: float
    """Detector units per photon."""
    dark: float
    """Detector units without light; the pattern is told of it."""
    read_noise: float
    off_grid: tuple[float, float]
    """Of the zero frequency from the middle of a binned pixel, raw pixels."""
    gap: float
    """Width, raw pixels."""
    gap_in_rows: bool
    saturation: float = 0.8
    """Radius up to which pixels saturate, over that of the hole; at most 1: none does."""
    # What is wrong with the data:
    centre_error: float = 0.0
    plateau: float = 0.0
    """Share of the saturation value that was subtracted after clipping."""
    dead: Literal["", "gap", "module"] = ""
    """What counts nothing, and no mask has."""
    shadow: float = 1.0
    """Light that a part of the detector receives."""
    hot_pixels: int = 0
    gain_factor: float = 1.0
    """Given over true gain."""
    half_gain: float = 1.0
    """Gain of one half over that of the other."""
    gain_spread: float = 0.0
    background: float = 0.0
    """Photons per raw pixel in the middle, a third of it at the edge."""
    common_mode: float = 0.0
    coherence: float = 0.0
    """Standard deviation of the blur of intensities, raw pixels."""
    curvature: float = 0.0
    """Half the wavelength, pixels of the density."""
    clips_negatives: bool = False
    is_blank: bool = False
    wrong_polarity: bool = False
    second: Literal["", "fits", "far"] = ""
    """Another particle: both within half the field of view, or not."""
    is_complex: bool = False

    @property
    def can_be_right(self) -> bool:
        """Whether any density would explain these data and be the object."""
        return not (self.is_blank or self.wrong_polarity or self.second == "far")


Fault = Callable[[Conditions, Generator], Conditions]


def ordinary(random: Generator, kinds: tuple[str, ...] = tuple(KINDS)) -> Conditions:
    """A hit of which all is known: what the other classes start from."""
    return Conditions(
        kind=str(random.choice(kinds)),
        extent=random.uniform(26, 54),
        support=_log_uniform(random, 0.85, 1.8),
        photons=_log_uniform(random, 10**5.0, 10**6.8),
        missing=random.uniform(0.3, 1.4),
        gain=random.uniform(4, 40),
        dark=random.uniform(0, 200),
        read_noise=random.uniform(0.05, 0.2),
        off_grid=(random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5)),
        gap=random.uniform(2, 6),
        gap_in_rows=bool(random.random() < 0.5),
        saturation=random.uniform(0.7, 1.15),
    )


def _log_uniform(random: Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def standard(c: Conditions, random: Generator) -> Conditions:
    """Bright, quiet, on the grid."""
    bright = _log_uniform(random, 10**5.7, 10**7)
    return replace(c, photons=bright, read_noise=0.05, off_grid=(0.0, 0.0))


def usual(c: Conditions, random: Generator) -> Conditions:
    """10^5 to 10^6 photons and a read noise of 0.1 to 0.4 photons."""
    return replace(
        c, photons=_log_uniform(random, 1e5, 1e6), read_noise=random.uniform(0.1, 0.4)
    )  # fmt: skip


def dim(c: Conditions, random: Generator) -> Conditions:
    """10^4 to 10^5 photons."""
    return replace(c, photons=_log_uniform(random, 1e4, 1e5))


def very_dim(c: Conditions, random: Generator) -> Conditions:
    """10^2.5 to 10^4 photons."""
    return replace(c, photons=_log_uniform(random, 10**2.5, 1e4))


def missing(c: Conditions, random: Generator) -> Conditions:
    """2 to 3 speckles behind the hole."""
    return replace(c, missing=random.uniform(2, 3), saturation=0.8)


def room(c: Conditions, random: Generator) -> Conditions:
    """Hollow or with a core, 2.5 to 5 speckles behind the hole."""
    kind = str(random.choice(WITH_ROOM))
    return replace(c, kind=kind, missing=random.uniform(2.5, 5), saturation=0.8)


def thin(c: Conditions, random: Generator) -> Conditions:
    """A flat triangle with thin edges."""
    return replace(c, kind="triangle")


def complex_(c: Conditions, random: Generator) -> Conditions:
    """It absorbs, and turns the phase by up to two radians."""
    return replace(c, is_complex=True, support=_log_uniform(random, 0.9, 1.3))


def centre(c: Conditions, random: Generator) -> Conditions:
    """The given centre is wrong by 0.7 to 3 pixels."""
    return replace(c, centre_error=random.uniform(0.7, 3))


def plateau(c: Conditions, random: Generator) -> Conditions:
    """The background was subtracted after clipping: saturated values lie below ``satvalue``."""
    reach = random.uniform(1.3, 2.6)
    share = random.uniform(0.02, 0.25)
    return replace(c, saturation=reach, missing=max(c.missing, 0.6), plateau=share, dark=0.0)


def unmasked_gap(c: Conditions, random: Generator) -> Conditions:
    """The mask has no gap, or a dead module is not in it."""
    return replace(c, dead=random.choice(["gap", "module"]), gap=max(c.gap, 4.0))


def shadow(c: Conditions, random: Generator) -> Conditions:
    """A part of the detector sees less light."""
    return replace(c, shadow=random.uniform(0, 0.6))


def hot_pixels(c: Conditions, random: Generator) -> Conditions:
    """5 to 200 pixels with too much, which no mask has."""
    return replace(c, hot_pixels=round(_log_uniform(random, 5, 200)))


def gain(c: Conditions, random: Generator) -> Conditions:
    """The given gain is 2 to 4 times too high or too low."""
    factor = random.uniform(2, 4)
    return replace(c, gain_factor=float(random.choice([factor, 1 / factor])))


def half_gain(c: Conditions, random: Generator) -> Conditions:
    """One half of the detector has 1.2 to 4 times the other's gain."""
    return replace(c, half_gain=_log_uniform(random, 1.2, 4))


def gain_spread(c: Conditions, random: Generator) -> Conditions:
    """Gains of single pixels spread by 3 to 40 %."""
    return replace(c, gain_spread=_log_uniform(random, 0.03, 0.4))


def background(c: Conditions, random: Generator) -> Conditions:
    """Scattering by something else, 0.02 to 10 photons a pixel, is left in."""
    return replace(c, background=_log_uniform(random, 0.02, 10))


def common_mode(c: Conditions, random: Generator) -> Conditions:
    """Every module is shifted by itself, by 0.05 to 3 photons."""
    return replace(c, common_mode=_log_uniform(random, 0.05, 3))


def coherence(c: Conditions, random: Generator) -> Conditions:
    """The speckles are blurred by 0.4 to 3 raw pixels."""
    return replace(c, coherence=random.uniform(0.4, 3))


def ewald(c: Conditions, random: Generator) -> Conditions:
    """The wavelength is 0.04 to 0.6 pixels of the density: the Ewald sphere is not flat."""
    return replace(c, curvature=_log_uniform(random, 0.02, 0.3))


def clipped(c: Conditions, random: Generator) -> Conditions:
    """The detector writes 0 for what is negative."""
    return replace(c, clips_negatives=True, read_noise=_log_uniform(random, 0.1, 1))


def double_fit(c: Conditions, random: Generator) -> Conditions:
    """Two particles that fit half the field of view together."""
    return replace(c, second="fits", extent=random.uniform(18, 26))


def double_far(c: Conditions, random: Generator) -> Conditions:
    """Two particles too far apart."""
    return replace(c, second="far", extent=random.uniform(22, 40))


def blank(c: Conditions, random: Generator) -> Conditions:
    """No particle: scattering by something else, and noise."""
    return replace(c, is_blank=True, background=_log_uniform(random, 0.02, 5))


def polarity(c: Conditions, random: Generator) -> Conditions:
    """The mask marks what is good."""
    return replace(c, wrong_polarity=True)


MIXED: tuple[Fault, ...] = (
    missing, dim, centre, plateau, unmasked_gap, shadow, hot_pixels, gain, half_gain, gain_spread,
    background, common_mode, coherence, ewald, clipped,
)  # fmt: skip


def mixture(c: Conditions, random: Generator) -> Conditions:
    """Two to five faults at once."""
    chosen = random.choice(len(MIXED), size=random.integers(2, 6), replace=False)
    for index in sorted(chosen):
        c = MIXED[index](c, random)
    return c


CLASSES: dict[str, Fault] = {
    make.__name__.rstrip("_"): make
    for make in (
        standard, usual, dim, very_dim, missing, room, thin, complex_, centre, plateau,
        unmasked_gap, shadow, hot_pixels, gain, half_gain, gain_spread, background, common_mode,
        coherence, ewald, clipped, double_fit, double_far, blank, polarity, mixture,
    )
}  # fmt: skip
