"""Campaigns on raw frames with gain stages: the same pattern from every format, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.campaigns import Campaign
from helpers.formats import xtc, xtc_panels
from helpers.formats.euxfel import MODULE, EuxfelFile
from helpers.formats.swissfel import write_jungfrau
from helpers.formats.xtc2 import Stream
from numpy.typing import NDArray

from spring_mpi import Result

PEDESTALS, GAINS = (40.0, 15000.0, 14000.0), (20.0, -3.0, -0.5)
PATTERN = {"cropsize": 64, "size": 64, "center": [32, 32], "background": PEDESTALS, "gain": GAINS}
Write = Callable[[Path, NDArray[np.uint16]], dict[str, Any]]


def shots() -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Two frames of a Jungfrau, (frames, rows, columns), and their photons."""
    y, x = np.mgrid[-32:32, -32:32]
    wave = np.sinc(y / 6) ** 2 * np.sinc(x / 5) ** 2
    photons: NDArray[Any] = 2.0 * np.random.default_rng(1).poisson(2000 * wave, (2, 64, 64))
    stage = (photons > 20).astype(int) + (photons > 1000)
    values = np.take(PEDESTALS, stage) + photons * np.take(GAINS, stage)
    return (values.astype("u2") | np.take([0, 1, 3], stage) << 14).astype("u2"), photons


def write_lcls1(folder: Path, frames: NDArray[np.uint16]) -> dict[str, Any]:
    """A run of LCLS-I, whose detector is known by the type of its data."""
    shots = (xtc.segment(xtc_panels.jungfrau(frame[None])) for frame in frames)
    config = xtc.segment(xtc_panels.jungfrau_config((1, *frames.shape[1:])))
    datagrams = xtc.run(*xtc.events(len(frames), *shots), configuration=config)
    (folder / "e1-r0034-s00-c00.xtc").write_bytes(xtc.encode(datagrams))
    return {"source": "*.xtc"}


def write_lcls(folder: Path, frames: NDArray[np.uint16]) -> dict[str, Any]:
    """A run of LCLS-II, whose detector is known by its type."""
    stream = Stream(detector="mfx", kind="jungfrau").configure().begin()
    for number, frame in enumerate(frames):
        stream.event(100 + number, frame[None])
    stream.write(folder / "exp-r0034-s000-c000.xtc2")
    return {"source": "*.xtc2"}


def write_euxfel(folder: Path, frames: NDArray[np.uint16]) -> dict[str, Any]:
    """Values and gain stages in two datasets."""
    file = EuxfelFile([8, 9])
    source = "SPB_IRDA_JF4M/DET/JNGFR01:daqOutput/data"
    adc, gain = frames[:, None] & 0x3FFF, (frames[:, None] >> 14).astype("u1")
    file.groups[source] = [1, 1], {"adc": adc, "gain": gain}
    file.write(folder / "RAW-R0034-JNGFR01-S00000.h5")
    return {"source": "*.h5"}


def write_swissfel(folder: Path, frames: NDArray[np.uint16]) -> dict[str, Any]:
    """The file of a detector, known by its name."""
    write_jungfrau(folder / "acq1.JF06T01V02.h5", "JF06T01V02", [5, 6], frames, [1, 1])
    return {"source": "*.h5"}


def write_plain(folder: Path, frames: NDArray[np.uint16]) -> dict[str, Any]:
    """A file that tells nothing of the detector, so that the config does."""
    np.save(folder / "frames.npy", frames)
    return {"source": "frames.npy", "gain_bits": "jungfrau"}


formats = pytest.mark.parametrize(
    "write",
    [write_lcls1, write_lcls, write_euxfel, write_swissfel, write_plain],
    ids=lambda one: one.__name__,
)


@formats
def test_photons_of_every_format(
    write: Write, small: Callable[..., Campaign], tmp_path: Path
) -> None:
    frames, photons = shots()
    campaign = small(data=write(tmp_path, frames), pattern=PATTERN)
    assert campaign.run()[0] == 0
    first = sorted((campaign.rundir / "results").iterdir())[0]
    with h5py.File(first) as file:
        pattern = file["entry_1/instrument_1/detector_1/data"][:]
        assert not file["entry_1/instrument_1/detector_1/mask"][:].any()
    assert pattern == pytest.approx(photons[0], abs=1e-3)
    assert not [one for one in Result.load(first).provenance.warnings if "pedestal" in one]


@formats
def test_refused_before_the_first_job(
    write: Write, small: Callable[..., Campaign], tmp_path: Path
) -> None:
    pattern = PATTERN | {"background": 0.0, "gain": 1.0}
    campaign = small(data=write(tmp_path, shots()[0]), pattern=pattern)
    for arguments in (("--check",), ()):
        code, said = campaign.run(*arguments)
        assert code == 2
        for word in ("jungfrau", "pattern.background", "pattern.gain", "G2", "data.gain_bits"):
            assert word in said
    assert not list((campaign.rundir / "results").glob("*"))


def test_pairs_of_data_and_gain_are_refused(small: Callable[..., Campaign], tmp_path: Path) -> None:
    """Raw frames of an AGIPD: the gain is a second frame."""
    pairs = np.stack([shots()[0] & 0x3FFF] * 2, axis=1)
    EuxfelFile([8, 9]).image(MODULE.format(0), [1, 1], pairs, [0, 0]).write(tmp_path / "a.h5")
    pattern = PATTERN | {"background": 40.0, "gain": 20.0}
    code, said = small(data={"source": "a.h5"}, pattern=pattern).run("--check")
    assert code == 2
    assert "pairs of data and gain" in said
    data = {"source": "a.h5", "gain_bits": "none"}
    assert small(data=data, pattern=pattern).run("--check")[0] == 0


def test_raw_data_without_a_pedestal_are_told(
    small: Callable[..., Campaign], tmp_path: Path
) -> None:
    """Once in --check and in the log, and in each result."""
    stream = Stream(detector="opal").configure().begin()
    for number, frame in enumerate(shots()[1].astype("u2")):
        stream.event(100 + number, frame[None])
    stream.write(tmp_path / "exp-r0034-s000-c000.xtc2")
    pattern = PATTERN | {"background": 0.0, "gain": 1.0}
    campaign = small(data={"source": "*.xtc2"}, pattern=pattern)
    told = "raw data without a pedestal"
    assert campaign.run("--check")[1].count(told) == 1
    assert campaign.run()[0] == 0
    assert (campaign.rundir / "rank0.log").read_text().count(told) == 1
    for path in (campaign.rundir / "results").iterdir():
        assert [one for one in Result.load(path).provenance.warnings if one.startswith(told)]
