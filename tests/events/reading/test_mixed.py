"""Without a name all detectors are taken; those of one event make no frame, and are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.formats.euxfel import EuxfelFile
from helpers.formats.xtc2 import Stream

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.index.follow import Follower
from spring_mpi.events.index.remarks import remarks
from spring_mpi.events.index.wanted import wanted_sources

NAME = "exp-r0034-s00{}-c000.xtc2"


def stream(path: Path, detector: str, times: list[int], segment: int = 0) -> None:
    """A stream with one segment of a camera in its events."""
    made = Stream((segment,), detector=detector).configure().begin()
    for time in times:
        made.event(time, np.ones((1, 4, 6), np.uint16))
    made.write(path)


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    """Two streams, each with a camera of its own, and an event in both."""
    stream(tmp_path / NAME.format(0), "cam", [10, 11])
    stream(tmp_path / NAME.format(1), "other", [11, 12], segment=1)
    return tmp_path


def test_streams_with_a_detector_each(streams: Path) -> None:
    """The index is refused, with the names, until one is meant."""
    with pytest.raises(SourceError) as fault:
        build_index(streams / "*.xtc2")
    assert str(fault.value) == (
        f"event 34-11 has frames of 2 detectors, cam.raw.image ({streams / NAME.format(0)}) and "
        f"other.raw.image ({streams / NAME.format(1)}): name the one that is meant (dataset)"
    )
    index = build_index(streams / "*.xtc2", dataset="other")
    assert [index.read(pid).data.shape for pid in index.pids] == [(4, 6), (4, 6)]


def test_streams_that_are_followed(streams: Path) -> None:
    """Events of one detector are read, one of both is at fault for that reason."""
    options = {"reader": "auto", "dataset": None, "pid": None, "run": None, "root": "."}
    follower = Follower(wanted_sources(str(streams / "*.xtc2"), **options))  # type: ignore[arg-type]
    follower.look()
    follower.look()
    assert follower.index.read("34-10").data.shape == (4, 6)
    with pytest.raises(SourceError, match="event 34-11 has frames of 2 detectors"):
        follower.index.read("34-11")


def test_detectors_in_different_events(tmp_path: Path) -> None:
    """They are no parts of one; that there are two is told."""
    stream(tmp_path / NAME.format(0), "cam", [10])
    stream(tmp_path / NAME.format(1), "other", [11, 12])
    index = build_index(tmp_path / "*.xtc2")
    assert remarks(index) == [
        "events have frames of 2 datasets: 1 of cam.raw.image, 2 of other.raw.image; name one "
        "(dataset) if the others are not meant"
    ]
    assert "left out" in remarks(build_index(tmp_path / "*.xtc2", dataset="cam"))[0]


def test_modules_of_two_detectors(tmp_path: Path) -> None:
    """Of the European XFEL: modules of one detector are its parts, those of another are not."""
    frames = np.zeros((1, 8, 16), np.float32)
    sources = ["SPB_DET_AGIPD1M-1/DET/0CH0:xtdf", "SPB_DET_AGIPD1M-1/DET/1CH0:xtdf"]
    for number, source in enumerate(sources):
        file = EuxfelFile([10]).image(source, [1], frames, [0])
        file.write(tmp_path / f"CORR-R0034-AGIPD0{number}-S00000.h5")
    assert len(build_index(tmp_path / "*.h5")) == 1
    file = EuxfelFile([10]).image("SPB_DET_DSSC1M-1/DET/2CH0:xtdf", [1], frames, [0])
    file.write(tmp_path / "CORR-R0034-DSSC02-S00000.h5")
    with pytest.raises(SourceError, match=r"34-10-0 has frames of 2 detectors, SPB_DET_AGIPD1M-1"):
        build_index(tmp_path / "*.h5")
