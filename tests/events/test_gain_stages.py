"""Frames with gain stages: photons by the pedestal and gain of each stage, or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats.euxfel import EuxfelFile
from helpers.formats.xtc2 import Stream
from numpy.typing import NDArray

from spring_mpi.errors import PatternError
from spring_mpi.events import build_index
from spring_mpi.events.event import Event, EventRef, Source
from spring_mpi.events.formats.reader import Frame
from spring_mpi.events.gain_stages import (
    CODINGS,
    NO_GAIN_BITS,
    GainBits,
    RawForm,
    UndecodedError,
    coding_of,
)
from spring_mpi.events.geometry import GeometrySpec, read_geometry
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.calibrator import Calibrator
from spring_mpi.events.reading.intensity import Intensity, intensity, remarks
from spring_mpi.events.reading.loader import Loader
from spring_mpi.events.reading.stacking import assembled
from spring_mpi.events.specs import ArraySpec
from spring_mpi.events.survey.statistics import images, measure
from spring_mpi.launch.communicator import NullCommunicator

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
        raw[place] = word(bits, stage, float(pedestal + photons[place] * gain))
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
    raw[2, :4] = 2**16 - 1
    background, gain = constants(bits)
    event = event_of(raw, RawForm(bits))
    found = calibrated(tmp_path, event, background=background, gain=gain)
    assert found.mask.sum() == 9
    assert found.mask[0, :3].all()
    assert found.mask[1, :2].all()
    assert [one.pixels for one in found.exclusions] == [4, 3, 2]


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
        ("/data/JF06T08V02/data", "jungfrau"), ("/Run:0/Epix10ka2M::ArrayV1/x", "epix10ka"),
        ("epixuhr3x2", "epixuhr"), ("FXE_DET_LPD1M-1/DET/3CH0:xtdf", "lpd"),
    ],
)  # fmt: skip
def test_detectors_are_known_by_their_names_where_values_are_words(
    detector: str, kind: str
) -> None:
    assert coding_of(detector, np.dtype(np.uint16)) is CODINGS[kind]
    for corrected in ("f4", "f8", "i4", "i2"):
        assert coding_of(detector, np.dtype(corrected)) is None


@pytest.mark.parametrize(
    "detector", ["epix100", "CxiDs1.0:Cspad.0", "opal", "SPB_DET_AGIPD1M-1", "/help/helpdata"]
)
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


@kinds
def test_statistics_count_the_pixels_in_one_stage(bits: GainBits, tmp_path: Path) -> None:
    """Of a dark run in a stage the mean is the pedestal of that stage."""
    stage = len(bits.stages) - 1
    dark = np.random.default_rng(2).integers(100, 110, (5, *SHAPE))
    words = bits.word(dark, stage)
    assert (bits.values(words) == dark).all()
    stream = Stream(detector=bits.detector).configure().begin()
    for number, frame in enumerate(words):
        stream.event(100 + number, frame[None])
    index = build_index(stream.write(tmp_path / "exp-r0034-s000-c000.xtc2"))
    with pytest.raises(UndecodedError, match="--gain-stage"):
        measure(index, 1.0, NullCommunicator())
    with pytest.raises(UndecodedError, match=f"no stage {stage + 1}"):
        measure(index, 1.0, NullCommunicator(), stage + 1)
    found = images(measure(index, 105.0, NullCommunicator(), stage).planes)
    assert found["mean"] == pytest.approx(dark.mean(axis=0))
    other = images(measure(index, 105.0, NullCommunicator(), 0).planes)
    assert not other["count"].any()


def test_flag_values_of_a_geometry_are_not_compared_with_words(tmp_path: Path) -> None:
    """What CrystFEL's flags exclude they tell of values, not of words with gain bits."""
    text = (
        "clen = 1\nres = 1e4\nflag_morethan = 14000\np0/min_ss = 0\np0/max_ss = 5\n"
        "p0/min_fs = 0\np0/max_fs = 7\np0/corner_x = 4\np0/corner_y = 3\np0/fs = -x\np0/ss = -y\n"
    )
    (tmp_path / "a.geom").write_text(text)
    geometry = read_geometry(GeometrySpec(str(tmp_path / "a.geom")))
    raw, _ = recorded(CODINGS["jungfrau"])
    words = assembled(Frame(raw, raw=RawForm(CODINGS["jungfrau"])), geometry)
    plain = assembled(Frame(raw), geometry)
    assert plain.mask is not None
    assert words.mask is not None
    assert plain.mask.any()
    assert not words.mask.any()
    assert "not compared" in str(words.exclusions[-1])
    spec = GeometrySpec(str(tmp_path / "a.geom"))
    with Loader() as loader:
        declared = Calibrator(Calibration(geometry=spec, gain_bits="jungfrau"), loader)
    assert declared.geometry is not None
    assert not declared.geometry.flags


def test_parallel_gain_of_an_lpd_is_the_stage(tmp_path: Path) -> None:
    """A train holds its pulses in three gains; which it is says its place, not the bits."""
    data = np.arange(3 * 4 * 3, dtype=np.uint16).reshape(3, 1, 4, 3) + 100
    path = tmp_path / "RAW-R0034-LPD00-S00000.h5"
    file = EuxfelFile([8]).image("FXE_DET_LPD1M-1/DET/0CH0:xtdf", [3], data, [0, 0, 0])
    file.write(path)
    for stage, gain in enumerate(("high", "medium", "low")):
        index = build_index(path, dataset=f"LPD@{gain}")
        frame = index.raw(index.pids[0])
        bits = CODINGS["lpd"]
        assert frame.raw == RawForm(bits, is_joined=True, has_cells=True)
        assert (bits.places(frame.data) == stage).all()
        assert (bits.values(frame.data) == data[stage, 0]).all()


@pytest.mark.parametrize(
    ("dtype", "beside", "is_refused"),
    [("u2", ("gain",), True), ("u2", (), False), ("f4", ("gain",), False),
     ("u2", ("gain", "mask"), False)],
)  # fmt: skip
def test_gain_beside_integers_of_cxi(
    dtype: str, beside: tuple[str, ...], is_refused: bool, tmp_path: Path
) -> None:
    """Copies of raw data hold the stages in a dataset of its own; corrected ones have a mask."""
    path = tmp_path / "run.cxi"
    with h5py.File(path, "w") as file:
        group = file.create_group("entry_1/instrument_1/detector_1")
        group["data"] = np.ones((2, *SHAPE), dtype)
        for name in beside:
            group[name] = np.zeros((2, *SHAPE), "u2")
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
    index = build_index(path)
    raw = index.read(index.pids[0]).raw
    assert (raw is not None and "gain beside" in raw.undecoded) is is_refused


@pytest.mark.parametrize(
    ("name", "is_raw"), [("RAW-R0034-DA01-S00000.h5", True), ("CORR-R0034-DA01-S00000.h5", False)]
)
def test_cameras_of_raw_files_are_raw(name: str, is_raw: bool, tmp_path: Path) -> None:
    file = EuxfelFile([8])
    pixels = np.ones((1, 4, 3), "u2")
    file.groups["MID_EXP_EPIX-1/DET/RECEIVER:daqOutput/data"] = [1], {"image/pixels": pixels}
    path = file.write(tmp_path / name)
    index = build_index(path, dataset="EPIX")
    assert index.read(index.pids[0]).raw == (RawForm() if is_raw else None)


def test_datasets_and_descriptions_name_the_detector(tmp_path: Path) -> None:
    """Of HDF5 the path, of CXI also the description, where values are words."""
    bits = CODINGS["jungfrau"]
    words, _ = recorded(bits)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["run/jungfrau4M/data"] = words[None]
        file["run/jungfrau4M/corrected"] = words[None].astype("f4")
    with h5py.File(tmp_path / "b.cxi", "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = words[None]
        file["entry_1/instrument_1/detector_1/description"] = b"JUNGFRAU 4M"
    for name, dataset, raw in (
        ("a.h5", "run/jungfrau4M/data", RawForm(bits)),
        ("a.h5", "run/jungfrau4M/corrected", None),
        ("b.cxi", None, RawForm(bits)),
    ):
        index = build_index(tmp_path / name, dataset=dataset)
        assert index.read(index.pids[0]).raw == raw


def test_one_pedestal_for_several_memory_cells_is_told(tmp_path: Path) -> None:
    raw = np.ones(SHAPE, np.uint16)
    with Loader() as loader:
        calibrator = Calibrator(Calibration(background=ArraySpec(value=100.0)), loader)
        (told,) = remarks(calibrator, event_of(raw, RawForm(has_cells=True)))
    assert "memory cells" in told
