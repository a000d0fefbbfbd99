"""Writes NeXus files of the kind NXmx: a master and the data files it links to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray


def write_data(path: Path, frames: NDArray[Any]) -> Path:
    """A data file, compressed as detectors do it."""
    compression = hdf5plugin.Bitshuffle(cname="lz4")
    with h5py.File(path, "w") as file:
        shape = (1, *frames.shape[1:])
        file.create_dataset("entry/data/data", data=frames, chunks=shape, **compression)
    return path


def write_master(
    path: Path, blocks: Sequence[NDArray[Any]], mask: NDArray[Any] | None = None,
    mask_at: str = "detectorSpecific/pixel_mask",
) -> Path:  # fmt: skip
    """A master in the same folder as its data files, ``run_data_000001.h5``, ..."""
    with h5py.File(path, "w") as file:
        file["entry/definition"] = b"NXmx"
        for number, frames in enumerate(blocks, start=1):
            data = write_data(path.with_name(f"run_data_{number:06d}.h5"), frames)
            link = h5py.ExternalLink(data.name, "/entry/data/data")
            file[f"entry/data/data_{number:06d}"] = link
        if mask is not None:
            file[f"entry/instrument/detector/{mask_at}"] = mask
    return path


def write_virtual(path: Path, blocks: Sequence[NDArray[Any]], *, interleaved: bool) -> Path:
    """A master with one virtual dataset; interleaved: frame i is in file i modulo their number."""
    files = [write_data(path.with_name(f"part_{n}.h5"), one) for n, one in enumerate(blocks)]
    rows = sum(map(len, blocks))
    layout = h5py.VirtualLayout((rows, *blocks[0].shape[1:]), blocks[0].dtype)
    starts = np.cumsum([0, *map(len, blocks)])
    for number, (file, frames) in enumerate(zip(files, blocks, strict=True)):
        source = h5py.VirtualSource(file.name, "entry/data/data", frames.shape, frames.dtype)
        place = slice(number, rows, len(blocks)) if interleaved else slice(*starts[number:][:2])
        layout[place] = source
    with h5py.File(path, "w") as master:
        master["entry/definition"] = b"NXmx"
        master.create_virtual_dataset("entry/data/data", layout)
    return path
