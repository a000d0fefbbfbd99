"""EXtra-data, the facility's own reader, gives the same frames for every train, pulse and module.

``SPRING_TEST_EXTRA_DATA`` names a Python that has it: ``python -m venv x; x/bin/pip install
extra_data``. It makes the files, with its own examples, and reads them.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.events.formats.registry import find_reader

SCRIPT = Path(__file__).parents[2] / "helpers" / "extra_data_truth.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, and what EXtra-data finds in them."""
    python = os.environ.get("SPRING_TEST_EXTRA_DATA")
    if not python:
        pytest.skip("SPRING_TEST_EXTRA_DATA names no Python that has extra_data")
    folder = tmp_path_factory.mktemp("euxfel")
    subprocess.run([python, str(SCRIPT), str(folder)], check=True, timeout=100)
    return folder


def marks(frame: NDArray[Any]) -> list[float]:
    """Three pixels and the sum."""
    return [frame[0, 0], frame[-1, -1], frame[1, 2], frame.sum(dtype=float)]


@pytest.mark.parametrize("name", ["raw", "corrected", "dssc", "lpd", "old", "jungfrau"])
def test_frames_are_those_of_extra_data(name: str, made: Path) -> None:
    """The same events with the same frames, of every module; trains it leaves out are flagged."""
    wanted = dict(np.load(made / f"{name}.npz"))
    found = {}
    for path in sorted(made.glob(f"{name}/*-S00000.h5")):
        reader = find_reader("euxfel")
        scan = reader.scan(str(path), dataset="_DET_" if name != "jungfrau" else None, pid=None)
        source = scan.dataset.removeprefix("/INSTRUMENT/").rsplit("/", 2)[0]
        handle = reader.open(str(path))
        for pid, row, flag in zip(scan.pids.tolist(), scan.rows, scan.flags, strict=True):
            if not flag:
                frame = handle.event(scan.dataset, int(row)).data
                found["|".join(map(str, (source, *pid[1:])))] = marks(frame)
        handle.close()
    assert set(found) == set(wanted)
    assert all(np.array_equal(found[key], value) for key, value in wanted.items())


def test_control_values_are_those_of_the_train(made: Path) -> None:
    """A value of the control system, in another file, is that of the event's train."""
    reader = find_reader("euxfel")
    path = str(made / "raw" / "RAW-R0238-AGIPD03-S00000.h5")
    scan = reader.scan(path, dataset="AGIPD", pid=None)
    handle = reader.open(path)
    name = "/CONTROL/SA1_XTD2_XGM/DOOCS/MAIN/pressure/pressure1/value"
    values = [float(handle.field(name, int(row))) for row in scan.rows]
    handle.close()
    assert values == [pid[1] - 10000 + 0.5 for pid in scan.pids.tolist()]
