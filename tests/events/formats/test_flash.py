"""Files of FLASH: frames by train id, in both layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats.flash import write_new, write_old
from helpers.reading import read_backwards

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.reader import Scan
from spring_mpi.events.formats.registry import find_reader

READER = find_reader("flash")
TRAINS = [1037920001, 1037920002, 1037920004, 1037920005]
FRAMES = np.arange(4 * 3 * 2, dtype=np.uint16).reshape(4, 3, 2)
CAMERA = "FL1/Experiment/BL1/Camera"
NAME = "FLASH1_USER1_stream_2_run43878_file3_20210419T1030.1.h5"


def scan(path: Path, dataset: str | None = None) -> Scan:
    """The scan without a pid of the user's."""
    return READER.scan(str(path), dataset=dataset, pid=None)


def read(path: Path, found: Scan) -> list[Any]:
    """The frames of all events, the last one read first."""
    return [frame.data.tolist() for frame in read_backwards(READER, path, found)]


def test_file_typed_by_hand(tmp_path: Path) -> None:
    """The layout since 2021: a channel's values and trains; the run is in the file's name."""
    with h5py.File(tmp_path / NAME, "w") as file:
        file["/FL2/Experiment/MPC/CCD/value"] = np.array([[[1, 2]], [[3, 4]]], "i4")
        file["/FL2/Experiment/MPC/CCD/index"] = np.array([1037920009, 1037920007], "u8")
        file["/zraw/FLASH.FEL/CCD/dGroup/value"] = file["/FL2/Experiment/MPC/CCD/value"]
    index = build_index(tmp_path / NAME)
    assert index.pid_names == ("run", "train")
    assert index.pids.tolist() == [[43878, 1037920007], [43878, 1037920009]]
    assert read(tmp_path / NAME, scan(tmp_path / NAME)) == [[[1, 2]], [[3, 4]]]


def test_layout_before_2021_typed_by_hand(tmp_path: Path) -> None:
    """One list of trains for all datasets; rows without a train are no events."""
    with h5py.File(tmp_path / "user_run00271_file1.h5", "w") as file:
        table = [[1.5e9, 10, 11], [1.5e9, 20, np.nan], [1.5e9, 30, 13], [0, 0, 0]]
        file["/Timing/time stamp/fl1user1"] = np.array(table)
        file["/Experiment/pnCCD"] = FRAMES
    found = scan(tmp_path / "user_run00271_file1.h5")
    assert found.pids.tolist() == [[271, 11], [271, 13]]
    assert read(tmp_path / "user_run00271_file1.h5", found) == FRAMES[[0, 2]].tolist()


@pytest.mark.parametrize("write", [write_new, write_old])
def test_layouts_are_told_apart(write: Any, tmp_path: Path) -> None:
    """Both are recognised, and give all frames."""
    values = {CAMERA: (TRAINS, FRAMES)} if write is write_new else {CAMERA: FRAMES}
    path = write(tmp_path / NAME, *([] if write is write_new else [TRAINS]), values)
    assert build_index(path).pids.tolist() == [[43878, train] for train in TRAINS]
    assert read(path, scan(path)) == FRAMES.tolist()


def test_frames_that_were_filled_with_nan(tmp_path: Path) -> None:
    """Where NaN stand for a frame, reading the event says so; one bad pixel does not matter."""
    frames = FRAMES.astype(np.float32)
    frames[1], frames[2, 0, 0] = np.nan, np.nan
    path = write_old(tmp_path / NAME, TRAINS, {CAMERA: frames})
    handle = READER.open(str(path))
    assert np.isnan(handle.event(f"/{CAMERA}", TRAINS[2]).data).sum() == 1
    with pytest.raises(ValueError, match="filled with NaN here"):
        handle.event(f"/{CAMERA}", TRAINS[1])
    handle.close()


def test_values_are_joined_by_train(tmp_path: Path) -> None:
    """Each channel has trains of its own, in this file or in that of another acquisition."""
    slow = ([TRAINS[2], TRAINS[0]], np.array([2.5, 0.5]))
    path = write_new(tmp_path / NAME, {CAMERA: (TRAINS, FRAMES), "FL1/slow": slow})
    write_new(tmp_path / "FLASH1_USER2_run43878_file1.h5", {"FL1/GMD": slow})
    write_new(tmp_path / "FLASH1_USER2_run438781_file1.h5", {"FL1/other": slow})
    handle = READER.open(str(path))
    for name in ("/FL1/slow/value", "/FL1/GMD/value"):
        assert [float(handle.field(name, TRAINS[row])) for row in (0, 2)] == [0.5, 2.5]
        with pytest.raises(KeyError, match="no value for this event"):
            handle.field(name, TRAINS[1])
    with pytest.raises(SourceError, match="no dataset"):
        handle.field("/FL1/other/value", TRAINS[0])
    handle.close()


def test_times_beside_the_trains_are_one_per_event(tmp_path: Path) -> None:
    """Not only ``value`` has the rows of ``index``; what has other rows is given whole."""
    path = write_new(tmp_path / NAME, {CAMERA: (TRAINS, FRAMES)})
    group = f"/{CAMERA}"
    with h5py.File(path, "r+") as file:
        file[f"{group}/time"] = np.arange(len(TRAINS)) + 0.5
        file[f"{group}/unit"] = np.arange(len(TRAINS) + 1)
    handle = READER.open(str(path))
    assert [float(handle.field(f"{group}/time", train)) for train in TRAINS] == [0.5, 1.5, 2.5, 3.5]
    assert np.shape(handle.field(f"{group}/unit", TRAINS[0])) == (len(TRAINS) + 1,)
    handle.close()


def test_frames_without_trains_are_refused(tmp_path: Path) -> None:
    """A stack of images that no list of trains fits is no channel."""
    path = write_old(tmp_path / NAME, TRAINS[:3], {CAMERA: FRAMES})
    with pytest.raises(SourceError, match="no frames"):
        scan(path)
    with pytest.raises(SourceError, match="4 frames, but none"):
        scan(path, f"/{CAMERA}")
