"""Every format is read alike from folders of any name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.facilities import FORMATS, Shots, write_hdf5

from spring_mpi.events import build_index
from spring_mpi.events.index.event_index import EventIndex

ODD = "[run] r*1 {a} 'b' %d -c0.é"


@pytest.fixture(scope="module")
def shots() -> Shots:
    """Frames that take little time to write."""
    made = Shots()
    return Shots(made.frames[:, :64, :64].copy(), made.excluded[:64, :64].copy())


def built(folder: Path, data: dict[str, Any]) -> EventIndex:
    known = {key: data[key] for key in ("reader", "dataset", "pid", "run") if key in data}
    return build_index(f"{folder}/{data['source']}", **known)


@pytest.mark.parametrize("name", [*FORMATS, "hdf5"])
def test_a_format_in_a_folder_of_any_name(name: str, shots: Shots, tmp_path: Path) -> None:
    write = (FORMATS | {"hdf5": write_hdf5})[name]
    indexes = []
    for folder in (tmp_path / "plain", tmp_path / ODD):
        folder.mkdir()
        indexes.append(built(folder, write(folder, shots)))
    plain, odd = indexes
    assert odd.pids.tolist() == plain.pids.tolist()
    assert len(odd.sources) == len(plain.sources)
    for pid in plain.pids:
        one, other = plain.read(tuple(pid)), odd.read(tuple(pid))
        assert np.array_equal(one.data, other.data)
        assert one.mask is None or np.array_equal(one.mask, other.mask)
