"""Values that mark bad pixels where nothing says so are found, and ordinary ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.events import Loader, build_index
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.calibrator import Calibrator
from spring_mpi.events.reading.suspects import Suspects
from spring_mpi.events.specs import MaskSpec
from spring_mpi.events.survey.suspect_search import find_suspects, suspects_in

Frames = NDArray[np.generic]


def photons(kind: str, count: int = 4) -> Frames:
    """Frames of 16 x 16 pixels with few photons each."""
    return np.random.default_rng(1).poisson(3, (count, 16, 16)).astype(kind)


def marked(kind: str, value: float, count: int = 4) -> Frames:
    """The same with 20 pixels that always hold a value."""
    frames = photons(kind, count)
    frames.reshape(count, -1)[:, 30:50] = value
    return frames


def found(frames: Frames, excluded: NDArray[np.bool_] | None = None) -> Suspects:
    """What is found in frames of which the same pixels are excluded."""
    mask = np.zeros(frames.shape[1:], np.bool_) if excluded is None else excluded
    return suspects_in((frame, mask) for frame in frames)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("u2", 2**16 - 1), ("u4", 2**32 - 1), ("u8", 2**64 - 1), ("i4", 2**31 - 1),
        (">u2", 2**16 - 1), ("u4", 2**16 - 1), ("i4", 2**20 - 1), ("u2", 2**12 - 1),
        ("u2", 2**14 - 1), ("f4", 2**16 - 1), ("f4", 2**32), ("f8", 2**32 - 1), ("i4", -1),
        ("i2", -2), ("u1", 255), ("i1", 127), ("i4", -(2**31)), ("f4", -1), ("f8", -9999),
    ],
)  # fmt: skip
def test_marks_are_found(kind: str, value: float, count: int) -> None:
    """The largest value of some bits and single negative values, with their number of pixels."""
    told = found(marked(kind, value, count))
    assert (dict(told.pixels), told.events) == ({value: 20}, count)
    (sentence,) = told.sentences()
    assert sentence.startswith(f"20 pixels hold {int(value)}")
    assert f"add {{bad: {int(value)}}} to data.mask" in sentence


def test_both_marks_of_an_eiger() -> None:
    """The largest value and the one before it are two values; alone the latter says nothing."""
    frames = marked("u2", 2**16 - 1)
    frames[:, 9, :3] = 2**16 - 2
    assert dict(found(frames).pixels) == {2**16 - 2: 3, 2**16 - 1: 20}
    assert "65534, next to the largest value of 16 bits," in found(frames).sentences()[0]
    assert not found(marked("u2", 2**16 - 2)).pixels


def test_both_marks_of_a_pilatus() -> None:
    """Gaps at -1 and bad pixels at -2 are two values."""
    frames = marked("i4", -1)
    frames[:, 9, :3] = -2
    assert dict(found(frames).pixels) == {-2: 3, -1: 20}


def test_only_pixels_that_hold_it_always() -> None:
    """Pixels that are saturated in some events do not count, and do not hide the others."""
    frames = marked("u2", 2**16 - 1)
    for number, frame in enumerate(frames):
        frame[8 + number, :] = 2**16 - 1
    assert dict(found(frames).pixels) == {2**16 - 1: 20}


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "i4", "f4"])
def test_ordinary_frames(kind: str) -> None:
    """Photons hold no marks, also none that are brighter than others all the time."""
    frames = photons(kind)
    frames[:, 3, 3] = 126
    assert not found(frames).pixels


def test_noise_about_zero() -> None:
    """Frames without their pedestal have many negative values."""
    draw = np.random.default_rng(2)
    for kind in ("f4", "i2"):
        assert not found(draw.normal(0, 5, (3, 64, 64)).astype(kind)).pixels
        assert not found(draw.normal(0, 5, (1, 64, 64)).astype(kind)).pixels
    # Rounded to photons little of it is left, each time elsewhere.
    assert not found(np.where(draw.random((3, 64, 64)) < 0.1, -1, 2).astype("i2")).pixels


def test_value_that_others_exceed() -> None:
    """What is not the largest of the frame is a number of photons."""
    frames = marked("u4", 2**16 - 1)
    frames[2, 12, 12] = 2**16
    assert not found(frames).pixels


def test_excluded_pixels_do_not_count() -> None:
    """What a mask excludes is told already; all may be excluded."""
    frames = marked("u2", 2**16 - 1)
    assert not found(frames, frames[0] == 2**16 - 1).pixels
    assert not found(frames, np.ones((16, 16), np.bool_)).pixels
    frames = marked("f4", np.nan)
    assert not found(frames, np.isnan(frames[0])).pixels


def test_no_frames_and_other_shapes() -> None:
    """Nothing is found in nothing; frames of another shape are left out."""
    assert suspects_in([]) == Suspects()
    frames = [*marked("u2", 2**16 - 1, 2), np.zeros((4, 4), "u2")]
    told = suspects_in((one, np.zeros(one.shape, np.bool_)) for one in frames)
    assert (dict(told.pixels), told.events) == ({2**16 - 1: 20}, 2)


def test_through_a_campaigns_masks(tmp_path: Path) -> None:
    """The mask that the warning advises ends it, in any format, and is told."""
    np.save(tmp_path / "run.npy", marked("u2", 2**16 - 1))
    index = build_index(str(tmp_path / "run.npy"))
    refs = [index.ref(place) for place in range(4)]
    with Loader() as loader:
        told = find_suspects(refs, Calibrator(Calibration(satvalue=3e4), loader), loader)
        assert "taken for bright, as saturated ones" in told.sentences()[0]
        masks = (MaskSpec(bad=2**16 - 1),)
        calibrator = Calibrator(Calibration(masks), loader)
        assert not find_suspects(refs, calibrator, loader).pixels
        mask, exclusions = calibrator.masked(refs[1], loader.read(refs[1]))
    assert mask.sum() == 20
    assert [str(one) for one in exclusions] == ["data.mask: raw values, 65535 excludes 20 pixels"]


def test_events_that_cannot_be_read(tmp_path: Path) -> None:
    """They are left out: whoever needs them tells what is wrong."""
    np.save(tmp_path / "run.npy", marked("u2", 2**16 - 1))
    index = build_index(str(tmp_path / "run.npy"))
    refs = [index.ref(place) for place in range(2)]
    (tmp_path / "run.npy").unlink()
    with Loader() as loader:
        assert find_suspects(refs, Calibrator(Calibration(), loader), loader) == Suspects()


def test_not_finite_is_told(tmp_path: Path) -> None:
    """Pixels that are not finite are excluded, and told with their number."""
    frames = photons("f4")
    frames[:, 2, 2], frames[0, 3, :2] = np.nan, np.inf
    np.save(tmp_path / "run.npy", frames)
    index = build_index(str(tmp_path / "run.npy"))
    with Loader() as loader:
        calibrator = Calibrator(Calibration(), loader)
        first, second = (calibrator.masked(ref, loader.read(ref))
                         for ref in map(index.ref, (0, 1)))  # fmt: skip
    assert [one.pixels for one in first[1]] == [3]
    assert [one.pixels for one in second[1]] == [1]
    assert np.argwhere(second[0]).tolist() == [[2, 2]]
