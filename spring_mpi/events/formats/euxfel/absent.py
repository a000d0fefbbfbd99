"""Trains of a European XFEL file that have no frame, and what else the file has of them."""

from __future__ import annotations

import re

import h5py
import numpy as np
from numpy.typing import NDArray

from ...left_out import LeftOut
from ..hdf5.channels import row_numbers
from ..hdf5.contents import readable_names

_MOST = 32
_COUNTS = ("count", "status")
"""Of the rows of each train; in files of 2017 only whether there are any."""


def absent(
    file: h5py.File, run: int, trains: NDArray[np.int64], rows: NDArray[np.int64], dataset: str = ""
) -> tuple[LeftOut, ...]:
    """The trains without frames, and the frames whose train has no number.

    Parameters
    ----------
    trains
        (trains,): their numbers, 0 where they have none.
    rows
        (trains,): how many rows of frames the file has of each.
    dataset
        The frames; empty: there are none.
    """
    lacking = (rows == 0) & (trains > 0)
    pids = np.stack([np.full(np.count_nonzero(lacking), run), trains[lacking]], axis=1)
    lost = int(rows[trains <= 0].sum())
    found = [LeftOut(lost, unit="frames", lack="train number")] if lost else []
    if len(pids):
        holds = _sources(file, lacking, _source(dataset.lstrip("/").partition("/")[2]))
        found.append(LeftOut(len(pids), holds, pids, "trains"))
    return tuple(found)


def _sources(file: h5py.File, lacking: NDArray[np.bool_], own: str) -> tuple[str, ...]:
    """The sources with rows in some of the trains, but for that of the frames."""
    groups: list[str] = []

    def note(name: str, link: object) -> None:
        if name.endswith("/first"):
            groups.append(name.removesuffix("/first"))

    with readable_names():
        file["INDEX"].visititems_links(note)
    found: set[str] = set()
    for group in sorted(groups):
        if len(found) == _MOST:
            break
        if _source(group) not in {own, *found} and _has_rows(file[f"INDEX/{group}"], lacking):
            found.add(_source(group))
    return tuple(sorted(found))


def _source(group: str) -> str:
    """The source of a group of datasets: ``SPB/CAM:daqOutput`` of ``SPB/CAM:daqOutput/data``."""
    return re.sub(r"(:[^/]+)/.*", r"\1", group)


def _has_rows(index: h5py.Group, lacking: NDArray[np.bool_]) -> bool:
    for name in _COUNTS:
        if isinstance(counts := index.get(name), h5py.Dataset):
            known = row_numbers(counts)[: len(lacking)]
            return bool((known[lacking[: len(known)]] > 0).any())
    return False
