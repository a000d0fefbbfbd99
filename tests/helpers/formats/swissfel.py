"""Writes files of SwissFEL: channels with pulse ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


def write_channels(
    path: Path, channels: Mapping[str, tuple[Sequence[int], NDArray[Any]]], *, top: str = "data"
) -> Path:
    """Channels of bsread, below ``data``, or of cameras, at the top: pulse ids and values."""
    with h5py.File(path, "w") as file:
        for name, (pulses, values) in channels.items():
            file[f"{top}/{name}/pulse_id"] = np.array(pulses, np.int64)
            file[f"{top}/{name}/data"] = values
    return path


def write_jungfrau(
    path: Path, detector: str, pulses: Sequence[int], frames: NDArray[Any], good: Sequence[int]
) -> Path:
    """Frames of a Jungfrau, whose lists have two axes."""
    columns = {"pulse_id": np.uint64, "frame_index": np.uint64, "is_good_frame": np.uint8}
    values = (pulses, range(len(pulses)), good)
    with h5py.File(path, "w") as file:
        file["general/detector_name"] = detector.encode()
        for (name, dtype), column in zip(columns.items(), values, strict=True):
            file[f"data/{detector}/{name}"] = np.array(column, dtype).reshape(-1, 1)
        shape = (1, *frames.shape[1:])
        file.create_dataset(f"data/{detector}/data", data=frames, chunks=shape)
    return path
