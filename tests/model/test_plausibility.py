"""Preparations that cannot be right, and events without scattering, are told; hits are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spring_mpi.events.formats.simulated.diffraction import Detector, diffraction, shapes
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.plausibility import is_even

SIZE = 64


def hit(shape: str = "sphere", photons: float = 1e5) -> tuple[Any, Detector]:
    """A recorded frame, raw units, and its detector."""
    random, detector = np.random.default_rng(3), Detector()
    light = diffraction(shapes()[shape](20.0, random), detector, photons)
    return detector.record(light, random), detector


def told(frame: Any, detector: Detector, **changes: Any) -> str:
    """The warnings of a frame that is prepared as it should be, but for these changes."""
    right: dict[str, Any] = {
        "mask": detector.excluded(), "center": detector.center, "cropsize": 256, "size": SIZE,
        "satvalue": 3e4, "gain": detector.gain,
    }  # fmt: skip
    return "\n".join(Pattern(frame, **right | changes).warnings)


@pytest.mark.parametrize("shape", shapes())
@pytest.mark.parametrize("photons", [3e3, 1e4, 1e6])
def test_nothing_is_said_of_a_hit(shape: str, photons: float) -> None:
    """Weak and strong, of every shape."""
    assert told(*hit(shape, photons)) == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"background": 30.0}, "of the measured pixels are negative: is the background too high?"),
        ({"gain": 1e7}, "photons, too few to be true: is gain, raw units per photon, too large"),
        ({"gain": 1e-9}, "photons, too many to be true: is gain, raw units per photon, too small"),
        (
            {"satvalue": -0.5, "size": 256, "background": -50.0},
            "saturated: is satvalue, a raw value",
        ),
    ],
)
def test_what_cannot_be_right(changes: dict[str, Any], message: str) -> None:
    """Background, gain or satvalue that leave most pixels negative, saturated, or without light."""
    assert message in told(*hit(photons=1e6), **changes)


@pytest.mark.parametrize("kind", ["normal", "counts", "few counts", "hot pixel"])
def test_noise_is_no_scattering(kind: str) -> None:
    """Whatever its distribution, also with a mask over half of it."""
    random = np.random.default_rng(5)
    noise = {
        "normal": random.normal(0.1, 1.0, (SIZE, SIZE)),
        "counts": random.poisson(20.0, (SIZE, SIZE)),
        "few counts": random.poisson(0.05, (SIZE, SIZE)),
        "hot pixel": random.normal(0.1, 1.0, (SIZE, SIZE)) + 1e5 * (np.arange(SIZE**2) == 77)
        .reshape(SIZE, SIZE),
    }[kind]  # fmt: skip
    everywhere = np.ones((SIZE, SIZE), bool)
    assert is_even(noise, everywhere)
    assert is_even(noise, everywhere & (np.arange(SIZE) < SIZE // 2))
    assert "without any scattering" in "\n".join(Pattern(noise, center=(32, 32)).warnings)


def test_too_little_is_no_noise() -> None:
    """Where next to nothing is measured, or all values are equal, nothing is said of noise."""
    random = np.random.default_rng(5)
    few = np.zeros((SIZE, SIZE), bool)
    few[:8, :8] = True
    assert not is_even(random.normal(size=(SIZE, SIZE)), few)
    assert not is_even(np.ones((SIZE, SIZE)), ~(few & False))


def test_one_value_everywhere() -> None:
    """A frame of one value is told as that; zeros of a weak pattern are not."""
    flat = "\n".join(Pattern(np.full((SIZE, SIZE), 5), center=(32, 32)).warnings)
    assert "100.0% of the measured pixels have the same value, 5 photons" in flat
    cut = np.where(np.hypot(*(np.indices((SIZE, SIZE)) - 32)) < 20, 90.0, 3.0)
    assert "have the same value, 3 photons" in "\n".join(Pattern(cut, center=(32, 32)).warnings)
    sparse = np.zeros((SIZE, SIZE))
    sparse[20:44, 20:44] = np.random.default_rng(1).poisson(1.0, (24, 24))
    assert Pattern(sparse, center=(32, 32)).warnings == ()
