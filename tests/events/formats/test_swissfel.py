"""Files of SwissFEL: frames by pulse id, and the other channels' values for the same pulse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats.swissfel import write_channels, write_jungfrau
from helpers.reading import read_backwards
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.reader import DAMAGED, INCOMPLETE, Scan
from spring_mpi.events.formats.registry import find_reader

READER = find_reader("swissfel")
PULSES = [14546865407, 14546865408, 14546865411, 14546865412]
FRAMES = np.arange(4 * 3 * 2, dtype=np.uint16).reshape(4, 3, 2)


def scan(path: Path, dataset: str | None = None) -> Scan:
    """The scan without a pid of the user's."""
    return READER.scan(str(path), dataset=dataset, pid=None)


def read(path: Path, found: Scan) -> list[Any]:
    """The frames of all events, the last one read first."""
    return [frame.data.tolist() for frame in read_backwards(READER, path, found)]


def jungfrau(folder: Path, good: tuple[int, ...] = (1, 1, 1, 1)) -> Path:
    """Four frames."""
    path = folder / "acq0001.JF06T08V02.h5"
    return write_jungfrau(path, "JF06T08V02", PULSES, FRAMES, good)


def test_file_typed_by_hand(tmp_path: Path) -> None:
    """The layout of the detector's writer: lists with two axes, the run in the folder's name."""
    path = tmp_path / "run0041-scan" / "data" / "acq0002.JF01T03V01.h5"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file["data/JF01T03V01/pulse_id"] = np.array([[7], [5]], "u8")
        file["data/JF01T03V01/daq_rec"] = np.array([[1], [1]], "u4")
        file["data/JF01T03V01/is_good_frame"] = np.array([[1], [0]], "u1")
        file["data/JF01T03V01/data"] = np.array([[[1, 2]], [[3, 4]]], "u2")
    index = build_index(path)
    assert (index.pid_names, index.pids.tolist()) == (("run", "pulse"), [[41, 5], [41, 7]])
    found = scan(path)
    assert (found.flags.tolist(), read(path, found)) == ([0, DAMAGED], [[[1, 2]], [[3, 4]]])


@pytest.mark.parametrize("top", ["data", "/"])
def test_frames_of_channels(top: str, tmp_path: Path) -> None:
    """Channels below ``data`` and at the top: the one with images has the frames."""
    channels = {"CAM:FPICTURE": (PULSES, FRAMES), "X:I": (PULSES, np.arange(4.0))}
    path = write_channels(tmp_path / "run_000041.CAMERAS.h5", channels, top=top)
    found = scan(path)
    assert found.pids.tolist() == [[41, pulse] for pulse in PULSES]
    assert read(path, found) == FRAMES.tolist()


def test_frames_that_are_not_good_are_flagged(tmp_path: Path) -> None:
    """Bad frames are damaged, absent ones incomplete; none is dropped."""
    path = jungfrau(tmp_path, (1, 0, 1, 0))
    with h5py.File(path, "r+") as file:
        file["data/JF06T08V02/is_data_present"] = np.array([True, True, False, False])
    assert scan(path).flags.tolist() == [0, DAMAGED, INCOMPLETE, DAMAGED | INCOMPLETE]


@pytest.mark.parametrize("place", ["same", "beside"])
def test_values_are_joined_by_pulse(place: str, tmp_path: Path) -> None:
    """A channel that missed pulses gives each event the value of its own pulse, or none."""
    path = jungfrau(tmp_path)
    seen = {"X:I": ([PULSES[3], PULSES[0], PULSES[2]], np.array([3.0, 0.0, 2.0]))}
    if place == "beside":
        write_channels(tmp_path / "acq0001.BSDATA.h5", seen)
    else:
        with h5py.File(path, "r+") as file:
            for name, values in zip(("pulse_id", "data"), seen["X:I"], strict=True):
                file[f"data/X:I/{name}"] = values
    handle = READER.open(str(path))
    values = [float(handle.field("/data/X:I/data", PULSES[row])) for row in (0, 2, 3)]
    assert values == [0, 2, 3]
    with pytest.raises(KeyError, match="no value for this event"):
        handle.field("/data/X:I/data", PULSES[1])
    with pytest.raises(SourceError, match="no dataset"):
        handle.field("/data/Y/data", PULSES[0])
    handle.close()


def test_arrays_without_pulse_ids_hold_for_all(tmp_path: Path) -> None:
    """A pixel mask in the file is the same for every event."""
    path = jungfrau(tmp_path)
    mask = np.eye(3, 2, dtype=np.uint32)
    with h5py.File(path, "r+") as file:
        file["data/JF06T08V02/meta/pixel_mask"] = mask
        file["general/pedestal"] = mask * 1.5
    handle = READER.open(str(path))
    for name, values in (
        ("data/JF06T08V02/meta/pixel_mask", mask),
        ("general/pedestal", mask * 1.5),
    ):
        assert handle.field(f"/{name}", PULSES[2]).tolist() == values.tolist()
    handle.close()


def test_repeated_pulses_are_flagged(tmp_path: Path) -> None:
    """Two frames of one pulse are no events to be told apart; reading one says so."""
    path = write_channels(tmp_path / "a.h5", {"CAM": ([5, 6, 5, 9], FRAMES)})
    found = scan(path)
    assert found.flags.tolist() == [DAMAGED, 0, DAMAGED, 0]
    with pytest.raises(ValueError, match="several rows have the key 5"):
        READER.open(str(path)).event(found.dataset, 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, "several frames"), ("JF", "no frames of 'JF'"), ("/data/X/data", "no dataset")],
)
def test_unclear_channels_are_told(text: str | None, reason: str, tmp_path: Path) -> None:
    """The error lists the channels that have frames."""
    channels: dict[str, tuple[list[int], NDArray[Any]]] = {
        "CAM1": (PULSES, FRAMES), "CAM2": (PULSES, FRAMES),
    }  # fmt: skip
    path = write_channels(tmp_path / "a.h5", channels)
    with pytest.raises(SourceError, match=f"{reason}.*/data/CAM1/data"):
        scan(path, text)
    assert scan(path, "CAM2").dataset == "/data/CAM2/data"


def test_pulse_ids_must_be_as_many_as_frames(tmp_path: Path) -> None:
    """A list of another length names no frames."""
    path = write_channels(tmp_path / "a.h5", {"CAM": (PULSES[:3], FRAMES)})
    with pytest.raises(SourceError, match="4 frames"):
        scan(path, "/data/CAM/data")
