"""Frames with gain stages: photons by the pedestal and gain of each stage, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.errors import PatternError
from spring_mpi.events.calibration import ArraySpec, Calibration, Calibrator, calibration_digest
from spring_mpi.events.gain_stages import (
    CODINGS,
    NO_GAIN_BITS,
    GainBits,
    RawForm,
    UndecodedError,
    coding_of,
)
from spring_mpi.events.intensity import Intensity, intensity, remarks
from spring_mpi.events.loader import Loader
from spring_mpi.events.source import Event, EventRef, Source

SHAPE = (6, 8)
kinds = pytest.mark.parametrize("bits", CODINGS.values(), ids=CODINGS)


def word(bits: GainBits, stage: int, value: float) -> int:
    """A pixel as the detector writes it."""
    return round(value) << bits.value_bits[0] | bits.codes[stage] << bits.stage_bits[0]


def recorded(bits: GainBits) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """A frame with pixels in all stages, and the photons that they saw."""
    photons = np.zeros(SHAPE)
    raw = np.zeros(SHAPE, np.uint16)
    scales = list(zip(*constants(bits), strict=True))
    for number, place in enumerate(np.ndindex(SHAPE)):
        stage = number % len(scales)
        pedestal, gain = scales[stage]
        photons[place] = 2 * place[0]
        raw[place] = word(bits, stage, pedestal + photons[place] * gain)
    return raw, photons


def constants(bits: GainBits) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Pedestal and gain of each stage; all but the first of a Jungfrau count downwards."""
    count = len(bits.stages)
    if bits.detector == "jungfrau":
        return (40.0, 15000.0, 14000.0), (20.0, -3.0, -0.5)
    return (40.0, 60.0, 80.0)[:count], (20.0, 3.0, 0.5)[:count]


def reference(tmp_path: Path) -> EventRef:
    return EventRef((1, 0), Source(str(tmp_path / "run.h5"), "hdf5"), "frames", 0)


def event_of(data: NDArray[Any], raw: RawForm | None) -> Event:
    return Event((1, 0), "run.h5", data, raw=raw)


def calibrated(tmp_path: Path, event: Event, **given: Any) -> Intensity:
    with Loader() as loader:
        calibrator = Calibrator(Calibration(**given), loader)
        mask, exclusions = calibrator.masked(reference(tmp_path), event)
        return intensity(calibrator, reference(tmp_path), event, mask, exclusions)


@kinds
def test_values_are_photons_by_pedestal_and_gain_of_their_stage(
    bits: GainBits, tmp_path: Path
) -> None:
    raw, photons = recorded(bits)
    background, gain = constants(bits)
    event = event_of(raw, RawForm(bits))
    found = calibrated(tmp_path, event, background=background, gain=gain)
    assert found.data == pytest.approx(photons)
    assert (found.background, found.gain) == (0, 1)
    assert not found.mask.any()


@kinds
def test_constants_of_each_pixel_are_a_file_with_an_axis_of_stages(
    bits: GainBits, tmp_path: Path
) -> None:
    raw, photons = recorded(bits)
    specs = {}
    for name, numbers in zip(("background", "gain"), constants(bits), strict=True):
        full = np.broadcast_to(np.reshape(numbers, (-1, 1, 1)), (len(numbers), *SHAPE)).copy()
        if name == "gain":
            full[:, 2, 3] = 0
        np.save(tmp_path / f"{name}.npy", full)
        specs[name] = ArraySpec(file=str(tmp_path / f"{name}.npy"))
    found = calibrated(tmp_path, event_of(raw, RawForm(bits)), **specs)
    assert np.argwhere(found.mask).tolist() == [[2, 3]]
    assert found.data[~found.mask] == pytest.approx(photons[~found.mask])
    assert "1 pixel" in str(found.exclusions[-1])


@kinds
@pytest.mark.parametrize("given", [(), ("background",), ("gain",)])
def test_without_constants_of_each_stage_frames_are_refused(
    bits: GainBits, given: tuple[str, ...], tmp_path: Path
) -> None:
    raw, _ = recorded(bits)
    background, gain = constants(bits)
    known = {"background": background, "gain": gain}
    with pytest.raises(UndecodedError) as caught:
        calibrated(tmp_path, event_of(raw, RawForm(bits)), **{one: known[one] for one in given})
    for name in known.keys() - given:
        assert f"pattern.{name}" in str(caught.value)
    assert bits.stages[-1] in str(caught.value)
    assert "data.gain_bits" in str(caught.value)


def test_one_constant_for_all_stages_is_refused(tmp_path: Path) -> None:
    bits = CODINGS["jungfrau"]
    raw, _ = recorded(bits)
    background, gain = constants(bits)
    event = event_of(raw, RawForm(bits))
    with pytest.raises(UndecodedError, match="background"):
        calibrated(tmp_path, event, background=ArraySpec(value=1000.0), gain=gain)
    with pytest.raises(UndecodedError, match="background"):
        calibrated(tmp_path, event, background=background[:2], gain=gain)
    for shape in (SHAPE, (2, *SHAPE), (4, *SHAPE)):
        np.save(tmp_path / "dark.npy", np.ones(shape))
        dark = ArraySpec(file=str(tmp_path / "dark.npy"))
        with pytest.raises(PatternError, match="3 entries"):
            calibrated(tmp_path, event, background=dark, gain=gain)
    np.save(tmp_path / "dark.npy", np.ones((3, 5, 5)))
    with pytest.raises(PatternError, match=r"\(5, 5\)"):
        calibrated(tmp_path, event, background=dark, gain=gain)


def test_pixels_in_no_stage_and_full_ones_are_excluded_and_told(tmp_path: Path) -> None:
    bits = CODINGS["jungfrau"]
    raw, _ = recorded(bits)
    raw[0, :3] = 2 << 14 | 77
    raw[1, :2] = 3 << 14
    background, gain = constants(bits)
    event = event_of(raw, RawForm(bits))
    found = calibrated(tmp_path, event, background=background, gain=gain)
    assert found.mask.sum() == 5
    assert found.mask[0, :3].all()
    assert found.mask[1, :2].all()
    assert [one.pixels for one in found.exclusions] == [3, 2]


def test_the_user_says_what_the_bits_are(tmp_path: Path) -> None:
    bits = CODINGS["jungfrau"]
    raw, photons = recorded(bits)
    background, gain = constants(bits)
    found = calibrated(
        tmp_path, event_of(raw, None), background=background, gain=gain, gain_bits="jungfrau"
    )
    assert found.data == pytest.approx(photons)
    with pytest.raises(UndecodedError):
        calibrated(tmp_path, event_of(raw, None), gain_bits="jungfrau")
    with pytest.raises(PatternError, match="float32"):
        calibrated(
            tmp_path, event_of(raw.astype("f4"), None),
            background=background, gain=gain, gain_bits="jungfrau",
        )  # fmt: skip
    with pytest.raises(PatternError, match=r"data\.gain_bits"):
        calibrated(tmp_path, event_of(raw, None), background=background, gain=gain)


def test_a_user_may_know_that_there_are_no_bits(tmp_path: Path) -> None:
    bits = CODINGS["jungfrau"]
    raw, _ = recorded(bits)
    found = calibrated(tmp_path, event_of(raw, RawForm(bits)), gain_bits=NO_GAIN_BITS)
    assert (found.data == raw).all()
    joined = RawForm(bits, is_joined=True)
    found = calibrated(tmp_path, event_of(raw, joined), gain_bits=NO_GAIN_BITS)
    assert (found.data == raw & 0x3FFF).all()
    undecoded = RawForm(undecoded="pairs of data and gain")
    found = calibrated(tmp_path, event_of(raw, undecoded), gain_bits=NO_GAIN_BITS)
    assert (found.data == raw).all()
    with pytest.raises(UndecodedError, match="pairs"):
        calibrated(tmp_path, event_of(raw, undecoded))


@pytest.mark.parametrize(
    ("detector", "kind"),
    [
        ("CxiDs1.0:Jungfrau.0", "jungfrau"), ("jungfrau.raw.raw", "jungfrau"),
        ("SPB_IRDA_JF4M/DET/JNGFR01:daqOutput", "jungfrau"),
        ("MfxEndstation.0:Epix10ka2M.0", "epix10ka"),
        ("epixquad.raw.raw", "epix10ka"), ("epixhr2x2", "epixhr"), ("epixm320", "epixm"),
        ("epixuhr3x2", "epixuhr"), ("FXE_DET_LPD1M-1/DET/3CH0:xtdf", "lpd"),
    ],
)  # fmt: skip
def test_detectors_are_known_by_their_names_where_values_are_words(
    detector: str, kind: str
) -> None:
    assert coding_of(detector, np.dtype(np.uint16)) is CODINGS[kind]
    for corrected in ("f4", "f8", "i4", "i2"):
        assert coding_of(detector, np.dtype(corrected)) is None


@pytest.mark.parametrize("detector", ["epix100", "CxiDs1.0:Cspad.0", "opal", "SPB_DET_AGIPD1M-1"])
def test_detectors_without_gain_bits_have_none(detector: str) -> None:
    assert coding_of(detector, np.dtype(np.uint16)) is None


def test_raw_data_without_a_pedestal_are_told(tmp_path: Path) -> None:
    raw = np.ones(SHAPE, np.uint16)
    for form, background, is_told in (
        (RawForm(), ArraySpec(value=0.0), True),
        (RawForm(), ArraySpec(value=100.0), False),
        (None, ArraySpec(value=0.0), False),
    ):
        with Loader() as loader:
            calibrator = Calibrator(Calibration(background=background), loader)
            assert bool(list(remarks(calibrator, event_of(raw, form)))) is is_told


def test_digests_of_results_without_gain_stages_stay() -> None:
    plain = Calibration()
    assert calibration_digest(plain) == "83db29416453e4450b14690b92a1e7d5"
    assert calibration_digest(replace(plain, gain_bits="lpd")) != calibration_digest(plain)
