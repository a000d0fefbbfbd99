"""No more memory for an HDF5 dataset than its file is worth.

A dataset says how large it is, and a damaged or hostile file may say anything. What is read at
once is therefore compared with the size of the file first: it may be `LEAST_LIMIT` bytes, or
`RATIO` times the file.
"""

from __future__ import annotations

import math
import os
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from .faults import missing_filter
from .stored import refuse_missing

LEAST_LIMIT = 2**27
"""Bytes, so that one large frame of a small file of compressed or unwritten frames is read."""
RATIO = 4


def check_size(dataset: h5py.Dataset, shape: tuple[int, ...], itemsize: int = 0) -> None:
    """Raises `ValueError` if so many values are far more than the dataset's file can hold."""
    needed = math.prod(shape) * (itemsize or dataset.dtype.itemsize)
    present = os.path.getsize(dataset.file.filename)
    if needed > max(LEAST_LIMIT, RATIO * present):
        raise ValueError(
            f"{dataset.name} claims {shape} values, {needed} bytes at once, in a file of "
            f"{present} bytes; it is damaged"
        )


def read_all(dataset: h5py.Dataset) -> NDArray[Any]:
    """All values of a dataset.

    Raises
    ------
    ValueError
        If they cannot be in its file.
    SourceError
        If they are in other files that are missing, or need a filter that is not installed.
    """
    check_size(dataset, dataset.shape or ())
    refuse_missing(dataset)
    refuse_unknown_filter(dataset)
    return np.asarray(dataset[()])


def refuse_unknown_filter(dataset: h5py.Dataset) -> None:
    """Raises `SourceError` if the dataset needs a filter that is not installed."""
    if reason := missing_filter(dataset):
        raise SourceError(f"{dataset.file.filename}: {reason}")
