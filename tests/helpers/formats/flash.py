"""Writes files of FLASH, as they are since 2021 and as they were before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


def write_new(path: Path, channels: Mapping[str, tuple[Sequence[int], NDArray[Any]]]) -> Path:
    """Channels with the trains of their own rows, and the tree of the raw names."""
    with h5py.File(path, "w") as file:
        for number, (name, (trains, values)) in enumerate(channels.items()):
            file[f"{name}/index"] = np.array(trains, np.uint64)
            file[f"{name}/value"] = values
            file[f"zraw/CHANNEL.{number}/dGroup"] = h5py.SoftLink(f"/{name}")
    return path


def write_old(path: Path, trains: Sequence[float], datasets: Mapping[str, NDArray[Any]]) -> Path:
    """Datasets with the rows of one list of trains, that of (seconds, microseconds, train)."""
    stamps = np.zeros((len(trains), 3))
    stamps[:, 2] = trains
    with h5py.File(path, "w") as file:
        file["Timing/time stamp/fl1user1"] = stamps
        for name, values in datasets.items():
            file[name] = values
    return path
