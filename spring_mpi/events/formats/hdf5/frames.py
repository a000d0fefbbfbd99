"""Frames out of rows of HDF5 datasets, with what was never written of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...event import Exclusion
from ...gain_stages import coded_form
from ..reader import Empty, Frame
from .file import Hdf5File


def frames_of_file(file: Hdf5File, dataset: str, rows: Sequence[int], empty: Empty) -> list[Frame]:
    """The frames in those rows of a dataset, without what lies beside them."""
    frames = file.frames(dataset, rows, empty)
    raw = coded_form(dataset, file.dataset(dataset).dtype)
    return [
        Frame(data, hole, info=modules_of(data), exclusions=holes_told(hole), raw=raw)
        for data, hole in zip(frames, file.holes(dataset, rows), strict=True)
    ]


def modules_of(data: NDArray[Any]) -> dict[str, Any]:
    """Of a stack: the numbers of its modules, as `stacking.joined` wants them."""
    return {"modules": tuple(range(len(data)))} if data.ndim == 3 else {}


def holes_told(hole: NDArray[np.bool_] | None) -> tuple[Exclusion, ...]:
    """What pixels without a value are called."""
    return () if hole is None else (Exclusion("what was never written", int(hole.sum())),)
