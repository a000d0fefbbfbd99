"""Small files of every format, written anew for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

Frames = NDArray[np.uint16]


@pytest.fixture
def frames() -> Frames:
    """Six frames (6, 5, 7) with no two pixels alike."""
    return np.arange(6 * 5 * 7, dtype=np.uint16).reshape(6, 5, 7)


@pytest.fixture
def write_hdf5(tmp_path: Path) -> Callable[..., Path]:
    """Write datasets, given by their names, into an HDF5 file of the test's folder."""

    def write(name: str, datasets: dict[str, Any], **options: Any) -> Path:
        with h5py.File(tmp_path / name, "w") as file:
            for key, values in datasets.items():
                chosen = options if np.ndim(values) == 3 else {}
                file.create_dataset(key, data=values, **chosen)
        return tmp_path / name

    return write


@pytest.fixture
def run(write_hdf5: Callable[..., Path], frames: Frames) -> Path:
    """An HDF5 file with frames ``/data``, pids ``/train`` and ``/pulse``, and calibrations."""
    datasets = {
        "data": frames,
        "train": np.array([9, 9, 8, 8, 7, 7]),
        "pulse": np.array([0, 1, 0, 1, 0, 1], dtype=np.uint8),
        "mask": np.eye(5, 7, dtype=np.uint8),
        "masks": (frames % 4).astype(np.uint8),
        "centers": np.arange(12.0).reshape(6, 2),
    }
    return write_hdf5("run.h5", datasets)
