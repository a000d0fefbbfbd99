"""A pattern is what its frame says, binned pixel by binned pixel, with the centre in its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.physics import disc, lumps, pattern_of
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import PatternError
from spring_mpi.events.formats.simulated.diffraction import Detector, diffraction, shapes
from spring_mpi.model.binning import check_binning, crop_start
from spring_mpi.model.pattern import Pattern

SIDE = 16


def frame_of(value: float = 4.0, side: int = SIDE, dtype: Any = np.float32) -> Any:
    return np.full((side, side), value, dtype)


def test_binning_by_hand() -> None:
    """Each kind of binned pixel is what the rules of preparation give by hand."""
    raw = frame_of(1.0)
    raw[0:2, 0:2] = [[1, 2], [3, 4]]
    raw[0:2, 2:4] = [[np.nan, 2], [4, 6]]
    raw[0:2, 4:6] = [[np.nan, np.inf], [5, 7]]
    raw[0:2, 6:8] = [[-np.inf, np.nan], [np.inf, 9]]
    raw[0:2, 8:10] = [[-8, -2], [1, 1]]
    raw[0:2, 10:12] = [[100, 1], [1, 2]]
    raw[0:2, 12:14] = [[100, 9], [9, 9]]
    mask = np.zeros_like(raw, bool)
    mask[0, 12] = True
    pattern = Pattern(raw, mask, (8.5, 8.5), size=8, satvalue=100)
    assert pattern.intensity[0].tolist() == [10, 16, 24, 0, -8, 104, 36, 4]
    assert np.flatnonzero(pattern.masked).tolist() == [3]
    assert np.flatnonzero(pattern.saturated).tolist() == [5]
    assert np.flatnonzero(~pattern.measured).tolist() == [3, 5]


def test_amplitude_is_the_root_of_what_is_positive() -> None:
    """The amplitude is sqrt(max(intensity, 0)); negative intensities themselves are kept."""
    raw = frame_of(4.0)
    raw[0, 0] = -3
    pattern = Pattern(raw)
    assert pattern.intensity[0, :2].tolist() == [-3, 4]
    assert pattern.amplitude[0, :2].tolist() == [0, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.float16])
def test_no_type_overflows(dtype: Any) -> None:
    """Sums and differences of the largest raw values are exact in every type."""
    top = np.finfo(dtype).max if dtype is np.float16 else np.iinfo(dtype).max
    frame = frame_of(float(top), dtype=dtype)
    pattern = Pattern(frame, center=(8.5, 8.5), size=8, background=-1.0, gain=0.5)
    assert pattern.intensity[0, 0] == np.float32(4 * (float(top) + 1) / 0.5)


def test_background_and_gain_pixel_by_pixel() -> None:
    """Intensity is (raw - background) / gain, number or array, and saturation is of raw values."""
    raw, rows = frame_of(10.0), np.arange(SIDE, dtype=float)[:, None] + np.zeros(SIDE)
    whole = Pattern(raw, background=2.0, gain=4.0, satvalue=10.5)
    by_pixel = Pattern(raw, background=rows, gain=rows + 1)
    assert np.unique(whole.intensity).tolist() == [2.0]
    assert not whole.saturated.any()
    assert np.allclose(by_pixel.intensity, (10 - rows) / (rows + 1))


def test_pixels_without_calibration_are_masked() -> None:
    """A pixel without a finite background is masked, and a masked one needs no gain."""
    background, gain, mask = frame_of(0.0), frame_of(1.0), np.zeros((SIDE, SIDE), int)
    background[0, 0], gain[0, 1], gain[0, 2], mask[0, 1:3] = np.nan, 0, np.nan, 1
    pattern = Pattern(frame_of(), mask, background=background, gain=gain)
    assert np.flatnonzero(pattern.masked).tolist() == [0, 1, 2]
    assert np.isfinite(pattern.intensity).all()


def test_infinite_pixels_are_masked_not_saturated() -> None:
    """Infinity is no reading, whatever the value of saturation."""
    raw = frame_of()
    raw[3, 3] = np.inf
    pattern = Pattern(raw, satvalue=100)
    assert (pattern.masked[3, 3], pattern.saturated.any()) == (True, False)


@pytest.mark.parametrize("center", [(-3.0, 8.0), (4.0, 18.2), (7.5, 7.5)])
def test_outside_the_frame_is_masked(center: tuple[float, float]) -> None:
    """Pixels of the crop are masked exactly where the frame ends."""
    pattern = Pattern(frame_of(), center=center)
    index = np.indices((SIDE, SIDE)) + np.array(crop_start(center, SIDE, 1)[0])[:, None, None]
    outside = ((index < 0) | (index >= SIDE)).any(axis=0)
    assert np.array_equal(pattern.masked, outside)
    assert np.array_equal(pattern.intensity, np.where(outside, 0, 4))


@given(
    binning=st.integers(1, 4),
    size=st.integers(8, 33),
    center=st.tuples(st.floats(0, 60), st.floats(0, 60)),
)
def test_center_lands_in_the_middle(binning: int, size: int, center: tuple[float, float]) -> None:
    """The zero frequency lies at the centre of binned pixel [size//2, size//2] to 1/(2b)."""
    start, offset = crop_start(center, size, binning)
    middle_pixel = np.array(start) + binning * (size // 2) + np.arange(binning)[:, None]
    assert np.allclose(center - middle_pixel.mean(axis=0), np.array(offset) * binning)
    assert max(map(abs, offset)) <= 1 / (2 * binning) + 1e-9


@pytest.mark.parametrize("size", [24, 25])
@pytest.mark.parametrize("binning", [1, 2, 3, 4])
@pytest.mark.parametrize("center", [(60.0, 61.0), (59.4, 62.7)])
def test_symmetric_light_stays_symmetric_about_the_middle(
    size: int, binning: int, center: tuple[float, float]
) -> None:
    """A round spot about the centre has its centroid at the middle, less the offset stored."""
    rows, columns = np.ogrid[:124, :120]
    width = 2.0 * binning
    spot = np.exp(-((rows - center[0]) ** 2 + (columns - center[1]) ** 2) / (2 * width**2))
    pattern = Pattern(spot, center=center, cropsize=size * binning, size=size)
    index = np.indices((size, size)) - size // 2
    centroid = (index * pattern.intensity).sum(axis=(1, 2)) / pattern.intensity.sum()
    assert np.allclose(centroid, pattern.offset, atol=0.01)


def test_off_center_is_warned_about() -> None:
    """A warning comes from a quarter of a binned pixel on, and not below."""
    for off, is_told in ((0.24, False), (0.26, True)):
        told = [
            text for text in Pattern(frame_of(), center=(8 + off, 8)).warnings if "grid" in text
        ]
        assert bool(told) == is_told
    assert "(+0.26, +0.00) binned pixels off the grid" in told[0]


def test_the_center_that_nobody_gave_is_told() -> None:
    """The middle of the frame is used, and its numbers are said; a centre that is given is not."""
    frame = np.ones((16, 21))
    (told,) = (text for text in Pattern(frame).warnings if "center" in text)
    assert told == (
        "no center is given: the middle of the frame, (7.5, 10), is used; give center, "
        "(row, column) in pixels, or auto"
    )
    assert not [text for text in Pattern(frame, center=(7.5, 10)).warnings if "center" in text]


def test_light_is_kept_by_binning() -> None:
    """The sum of an unmasked pattern is that of its frame."""
    raw = np.random.default_rng(1).poisson(3.0, (32, 32))
    assert Pattern(raw, center=(17.5, 17.5), size=8).photons == raw.sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": np.ones((2, 16, 16))}, "2-D array of real numbers, not 3-D"),
        ({"pattern": np.ones((16, 16), complex)}, "complex128"),
        ({"pattern": "frame"}, "2-D array of real numbers"),
        ({"mask": np.zeros((16, 15))}, r"mask has shape \(16, 15\), the pattern \(16, 16\)"),
        ({"background": np.zeros(16)}, r"background has shape \(16,\)"),
        ({"gain": 0}, "gain must be positive"),
        ({"gain": np.nan}, "gain must be positive"),
        ({"gain": np.inf}, "gain must be positive"),
        ({"gain": -frame_of()}, "gain must be positive"),
        ({"center": (1, 2, 3)}, "center must be two finite numbers"),
        ({"center": (np.nan, 2)}, "center must be two finite numbers"),
        ({"center": 8}, "center must be two finite numbers"),
        ({"center": (400, 400)}, "no measured pixel"),
        ({"pid": 7}, "pid must be a list of integers"),
        ({"pid": [1.5]}, "pid must be a list of integers"),
        ({"pid": []}, "pid must be a list of integers"),
        ({"mask": np.ones((16, 16))}, "no measured pixel: 256 of 256 are masked"),
        ({"satvalue": 1}, "256 saturated"),
        ({"pattern": np.zeros((16, 16))}, "is empty: its measured pixels sum to 0 photons"),
        ({"background": 5}, "check background, gain and satvalue"),
        ({"gain": 1e-45}, r"has intensities beyond 3e\+38 photons; check gain"),
        ({"size": 4}, "size 4 must be at least 8"),
        ({"cropsize": 16, "size": 32}, "size 32 must be at least 8 and at most cropsize 16"),
        ({"cropsize": 20, "size": 16}, "nearest legal: 16 and 32"),
    ],
)
def test_what_cannot_be_prepared_is_refused(options: dict[str, Any], message: str) -> None:
    """Every fault of a frame is a PatternError that says what is wrong."""
    with pytest.raises(PatternError, match=message):
        Pattern(**{"pattern": frame_of()} | options)


@given(cropsize=st.integers(8, 3000), size=st.integers(8, 600))
def test_named_cropsizes_are_legal(cropsize: int, size: int) -> None:
    """A cropsize is accepted exactly when it is a multiple; the two named are, on either side."""
    if cropsize < size:
        return
    try:
        assert check_binning(cropsize, size) * size == cropsize
    except PatternError as fault:
        below, above = map(int, str(fault).split("legal: ")[1].split(" and "))
        assert below < cropsize < above
        assert (check_binning(below, size) + 1) * size == above


def test_pid_names_the_pattern() -> None:
    """Whole numbers of any type become the name."""
    assert Pattern(frame_of(), pid=np.array([71.0, 1.0, 145.0])).name == "71-1-145"


def test_pixels_only_in_the_corners_say_nothing_of_the_extent() -> None:
    """Where no ring is measured, the extent is unknown and nothing fails."""
    mask = disc(SIDE, SIDE)
    assert Pattern(frame_of(), mask, center=(8, 8)).object_size == 0


def recorded_hit(shape: str, diameter: float, size: int) -> Pattern:
    random, detector = np.random.default_rng(3), Detector()
    frame = detector.record(diffraction(shapes()[shape](diameter, random), detector, 1e6), random)
    mask, center = detector.excluded(), detector.center
    return Pattern(frame, mask, center, (1,), 256, size, 3e4, gain=detector.gain)


@pytest.mark.parametrize("shape", ["sphere", "spheroid", "hollow", "core_shell"])
def test_the_extent_is_that_of_the_object(shape: str) -> None:
    """The extent of a compact object is right to a fifth on recorded hits, however binned."""
    for size in (256, 128):
        assert recorded_hit(shape, 44.0, size).object_size == pytest.approx(44.0, rel=0.2)


@pytest.mark.parametrize("shape", shapes())
def test_objects_larger_than_half_the_field_are_warned_about(shape: str) -> None:
    """An object of 40 pixels is warned about in a field of 32 pixels, not of 128."""
    sampled, undersampled = (recorded_hit(shape, 40.0, size) for size in (128, 32))
    assert sampled.warnings == ()
    assert "larger than half the field of view" in undersampled.warnings[0]


@pytest.mark.parametrize(("rows", "is_told"), [(12, True), (16, False)])
def test_little_that_is_measured_is_warned_about(rows: int, is_told: bool) -> None:
    """Half a detector is enough, an inverted mask is not."""
    mask = np.arange(32)[:, None] >= np.full(32, rows)
    pattern = Pattern(pattern=np.full((32, 32), 9.0), mask=mask, cropsize=32, size=32)
    told = [text for text in pattern.warnings if "of the pattern is measured" in text]
    assert len(told) == is_told


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_nothing_unreal_leaves_a_pattern(seed: int) -> None:
    """Whatever the frame holds, intensities are finite and every pixel has one kind."""
    random = np.random.default_rng(seed)
    raw = random.choice([np.nan, np.inf, -np.inf, -1.0, 0.0, 5.0, 1e6], (32, 32))
    raw[:, 15:17] = 7.0
    pattern = Pattern(raw, random.random((32, 32)) < 0.2, size=16, satvalue=1e5)
    kinds = pattern.masked.astype(int) + pattern.saturated + pattern.measured
    assert np.isfinite(pattern.intensity).all()
    assert np.unique(kinds).tolist() == [1]


def test_noiseless_pattern_is_the_squared_transform() -> None:
    """Without noise, the photons of a pattern are those of the density (Parseval)."""
    density = lumps(32)
    assert pattern_of(density).photons == pytest.approx((density**2).sum(), rel=1e-6)
