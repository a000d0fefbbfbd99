"""What a frame says of its own preparation, on simulated hits whose centre and gain are known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.events.formats.simulated.diffraction import Detector, diffraction, shapes
from spring_mpi.model.centre import estimate_centre
from spring_mpi.model.pattern import Pattern
from spring_mpi.model.photon_scale import photon_scale
from spring_mpi.model.saturation import find_plateau

KINDS = ("sphere", "spheroid", "polyhedron", "aggregate", "core_shell", "branched")
DETECTOR = Detector(center=(130.3, 138.9))
OPTIONS: dict[str, Any] = {"cropsize": 256, "size": 128, "gain": 10.0}


def hit(kind: str, photons: float = 1e6, detector: Detector = DETECTOR) -> NDArray[np.float32]:
    """A frame, detector units, with a gap and a hole."""
    random = np.random.default_rng([KINDS.index(kind), 7])
    density = shapes()[kind](random.uniform(35, 55), random)
    return detector.record(diffraction(density, detector, photons), random)


def prepared(frame: NDArray[Any], detector: Detector = DETECTOR, **options: Any) -> Pattern:
    """Its pattern, with the true centre if nothing else is said."""
    given = {"center": detector.center} | OPTIONS | options
    return Pattern(frame, detector.excluded(), **given)


@pytest.mark.parametrize("binning", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_centre_is_found(kind: str, binning: int) -> None:
    """To less than 0.2 pixels of the pattern, behind a gap and a hole that lie otherwise."""
    found = estimate_centre(hit(kind), ~DETECTOR.excluded(), binning)
    assert found is not None
    assert found.is_sure
    assert math.dist(found.center, DETECTOR.center) < 0.4


def test_a_shifted_frame_has_a_shifted_centre() -> None:
    """By as many pixels as the frame."""
    frame, measured = hit("branched"), ~DETECTOR.excluded()
    before = estimate_centre(frame, measured)
    after = estimate_centre(np.roll(frame, (3, -5), (0, 1)), np.roll(measured, (3, -5), (0, 1)))
    assert before is not None
    assert after is not None
    assert np.allclose(np.subtract(after.center, before.center), (3, -5), atol=0.02)


def test_large_frames_are_searched_small_and_refined() -> None:
    """The centre is as exact as in a frame that needs no binning."""
    frame, measured = (
        np.kron(image, np.ones((4, 4))) for image in (hit("spheroid"), ~DETECTOR.excluded())
    )
    found = estimate_centre(frame, measured > 0, 1)
    small = estimate_centre(hit("spheroid"), ~DETECTOR.excluded(), 1)
    assert found is not None
    assert small is not None
    expected = np.multiply(small.center, 4) + 1.5
    assert np.allclose(found.center, expected, atol=0.5)


def test_a_prior_that_nothing_speaks_for_decides_nothing() -> None:
    """A centre that is far better than all near the prior is taken."""
    found = estimate_centre(hit("sphere"), ~DETECTOR.excluded(), 2, (60.0, 60.0))
    assert found is not None
    assert math.dist(found.center, DETECTOR.center) < 0.4


def test_the_prior_decides_between_equals() -> None:
    """Of many centres that are alike that near the prior is taken."""
    rows, columns = np.ogrid[:96, :192]
    frame = 100 * np.exp(-(((rows - 47.0) / 12) ** 2)) * (1 + np.cos(2 * np.pi * columns / 32))
    for place in (80.0, 96.0, 112.0):
        found = estimate_centre(frame, np.ones(frame.shape, bool), 1, (48.0, place + 1.5))
        assert found is not None
        assert math.dist(found.center, (47.0, place)) < 0.1


@pytest.mark.parametrize("noise", ["poisson", "normal", "none"])
def test_no_centre_without_light(noise: str) -> None:
    """Noise alone, and a frame of equal values, have no centre."""
    random = np.random.default_rng(1)
    frame = {
        "poisson": random.poisson(3.0, (96, 96)),
        "normal": random.normal(0, 2, (96, 96)),
        "none": np.full((96, 96), 3.0),
    }[noise]
    found = estimate_centre(frame, np.ones((96, 96), bool))
    assert found is None or not found.is_sure
    pattern = Pattern(np.abs(frame), center="auto")
    assert pattern.center == (47.5, 47.5)
    assert [text for text in pattern.warnings if text.startswith("center: auto finds no centre")]


def test_auto_uses_what_is_found_and_says_so() -> None:
    """Without a warning; the prior takes the place of what is not found, with one."""
    pattern = prepared(hit("polyhedron"), center="auto")
    assert math.dist(pattern.center, DETECTOR.center) < 0.3
    assert pattern.center_origin == "found by Friedel pairs"
    assert not [text for text in pattern.warnings if "cent" in text and "off the grid" not in text]
    blank = np.random.default_rng(1).poisson(3.0, (96, 96))
    unknown = Pattern(blank, center="auto", center_prior=(40.0, 50.5))
    assert unknown.center == (40.0, 50.5)
    (told,) = (text for text in unknown.warnings if text.startswith("center: auto"))
    assert told.endswith("the one expected, (40, 50.5), is used")


@pytest.mark.parametrize(("off", "is_told"), [(0.0, False), (0.5, False), (2.5, True)])
def test_a_wrong_centre_is_used_and_told(off: float, is_told: bool) -> None:
    """From 0.7 binned pixels on, for here two pixels are binned; the given one is used."""
    row, column = DETECTOR.center
    for kind in KINDS:
        pattern = prepared(hit(kind), center=(row + off, column))
        assert pattern.center == (row + off, column)
        told = [text for text in pattern.contradictions if text.startswith("centre:")]
        assert bool(told) == is_told
        assert set(pattern.contradictions) <= set(pattern.warnings)


def test_a_plateau_is_found() -> None:
    """As auto, it parts what is saturated; a satvalue above it is told, and used."""
    frame = hit("spheroid", 1e7)
    measured = ~DETECTOR.excluded()
    level = float(np.sort(frame[measured])[-200])
    clipped = np.minimum(frame, level) - np.float32(30)
    plateau = find_plateau(clipped, measured)
    assert plateau is not None
    assert plateau.top == level - 30
    found = prepared(clipped, satvalue="auto")
    assert found.satvalue == plateau.start
    assert found.saturated.any()
    assert not found.contradictions
    for given in (None, level):
        pattern = prepared(clipped, satvalue=given)
        assert pattern.satvalue == given
        assert not pattern.saturated.any()
        assert [text[:9] for text in pattern.contradictions] == ["satvalue:"]
    assert not prepared(clipped, satvalue=level - 30).contradictions


@pytest.mark.parametrize("photons", [1e3, 1e5, 1e7])
def test_light_that_ends_by_itself_is_no_plateau(photons: float) -> None:
    """Few photons have few values, and many a bright middle; neither is a plateau."""
    detector = replace(DETECTOR, hole_radius=1.0, satvalue=1e9)
    for kind in KINDS:
        frame = hit(kind, photons, detector)
        assert find_plateau(frame, ~detector.excluded(), 10.0) is None
        assert prepared(frame, detector, satvalue="auto").satvalue is None


def test_hot_pixels_are_no_plateau_and_hide_none() -> None:
    """What lies above the plateau is left out of its search, and is saturated, too."""
    frame, measured = hit("polyhedron", 1e7), ~DETECTOR.excluded()
    frame = np.minimum(frame, level := np.sort(frame[measured])[-100])
    hot = ([20, 40, 200], [30, 222, 90])
    frame[hot] = (level * 1.5, level * 3, level * 3.01)
    plateau = find_plateau(frame, measured)
    assert plateau is not None
    assert plateau.top == level
    frame[40:180:10, 30] = level * 5
    alone = find_plateau(np.where(frame < level, frame, 0) + (frame > level) * frame, measured)
    assert alone is None


@pytest.mark.parametrize("given", [10.0, 2.5, 50.0])
def test_the_gain_is_checked(given: float) -> None:
    """The factor is the true gain over the given one, and told from 2 on with the better value."""
    for kind in KINDS:
        pattern = prepared(hit(kind), gain=given)
        assert pattern.findings.scale is not None
        assert 0.7 < pattern.findings.scale.factor * given / 10.0 < 1.4
        told = [text for text in pattern.contradictions if text.startswith("gain:")]
        assert bool(told) == (given != 10.0) != pattern.findings.is_on_photon_scale


@pytest.mark.parametrize("noise", [0.0, 2.0, 10.0])
@pytest.mark.parametrize("photons", [1e3, 1e5, 1e7])
def test_noise_is_not_taken_for_photons(noise: float, photons: float) -> None:
    """Read noise, few photons and many: the right gain is never doubted."""
    detector = replace(DETECTOR, read_noise=noise)
    for kind in KINDS:
        assert prepared(hit(kind, photons, detector), detector).findings.is_on_photon_scale


def test_the_scale_is_that_of_the_values() -> None:
    """Values that are three times as large have a factor three times as large."""
    frame, measured = hit("aggregate"), ~DETECTOR.excluded()
    one, three = (photon_scale(frame * by, measured, DETECTOR.center) for by in (1, 3))
    assert one is not None
    assert three is not None
    assert three.factor == pytest.approx(3 * one.factor, rel=1e-3)
