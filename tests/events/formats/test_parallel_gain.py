"""LPD in parallel gain: each pulse three times in a train, with ids on the first third."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.formats.euxfel import EuxfelFile
from helpers.reading import read_backwards

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.registry import find_reader

SOURCE = "FXE_DET_LPD1M-1/DET/{}CH0:xtdf"
TRAINS, COUNTS = [1000, 1001, 1003], [6, 0, 3]
FRAMES = np.arange(9 * 4 * 3, dtype=np.float32).reshape(9, 1, 4, 3)
PLACES = {"high": [0, 1, 6], "medium": [2, 3, 7], "low": [4, 5, 8]}


def written(folder: Path, junk: int, module: int = 0, detector: str = SOURCE) -> str:
    """Two pulses in the first train, one in the last, with that value for meaningless ids."""
    pulses = [5, 9, junk, junk, junk, junk, 7, junk, junk]
    file = EuxfelFile(TRAINS).image(detector.format(module), COUNTS, FRAMES, pulses)
    return str(file.write(folder / f"RAW-R0034-LPD{module:02}-S00000.h5"))


@pytest.mark.parametrize("junk", [0, 1, 5])
@pytest.mark.parametrize("gain", PLACES)
def test_each_gain_is_read_by_its_name(gain: str, junk: int, tmp_path: Path) -> None:
    """The pids are those of the pulses, the frames those of the gain."""
    path = written(tmp_path, junk)
    index = build_index(path, dataset=f"LPD1M@{gain}")
    assert index.pids.tolist() == [[34, 1000, 5], [34, 1000, 9], [34, 1003, 7]]
    assert not index.flags.any()
    reader = find_reader("euxfel")
    found = reader.scan(path, dataset=f"LPD1M@{gain}", pid=None)
    values = [frame.data.tolist() for frame in read_backwards(reader, path, found)]
    assert values == FRAMES[PLACES[gain], 0].tolist()


def test_the_gain_must_be_said(tmp_path: Path) -> None:
    """Without it the mode is named, with what to write; so it is never taken as other pulses."""
    with pytest.raises(SourceError, match=r"parallel gain: .* @high, @medium or @low"):
        build_index(written(tmp_path, 0))


def test_the_gain_is_not_said_of_other_data(tmp_path: Path) -> None:
    """Where ids go on through the train, or no LPD made them, there is one gain."""
    agipd = written(tmp_path, 0, detector="SPB_DET_AGIPD1M-1/DET/{}CH0:xtdf")
    with pytest.raises(SourceError, match="not recorded in parallel gain: leave @low out"):
        build_index(agipd, dataset="AGIPD@low")
    usual = EuxfelFile(TRAINS).image(SOURCE.format(1), COUNTS, FRAMES, [*range(6), *range(3)])
    path = str(usual.write(tmp_path / "RAW-R0035-LPD01-S00000.h5"))
    assert len(build_index(path)) == 9
    with pytest.raises(SourceError, match="leave @high out"):
        build_index(path, dataset="@high")
