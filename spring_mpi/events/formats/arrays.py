"""Arrays that a config names by their files: masks, backgrounds, gains, centres."""

from __future__ import annotations

import h5py

from ...errors import SourceError
from .hdf5.contents import all_datasets, candidates
from .hdf5.opening import is_hdf5, open_file
from .hdf5.stored import unwritten
from .npy import MAGIC
from .reader import starts_with


def reader_of_array(path: str, dataset: str | None) -> tuple[str, str]:
    """The reader of an array in a file, and its dataset; the only one where none is named.

    Raises
    ------
    SourceError
        If the file is of another format, it is not clear which dataset is meant, or that was never
        written: HDF5 gives zeros for it, which would be taken for a background or a mask.
    OSError
        If it cannot be read.
    """
    if is_hdf5(path):
        name = dataset or _only_dataset(path)
        _refuse_unwritten(path, name)
        return "hdf5", name
    if not starts_with(path, MAGIC):
        raise SourceError(
            f"{path} is neither an npy nor an HDF5 file; numpy.save writes an array as npy"
        )
    if dataset:
        raise SourceError(f"{path} is an npy file, which has no datasets; leave {dataset!r} out")
    return "npy", ""


def _only_dataset(path: str) -> str:
    with open_file(path) as file:
        images = [name for name, item in all_datasets(file).items() if _is_image(item)]
        if len(images) != 1:
            raise SourceError(f"{path}: name the dataset of the array; {candidates(file)}")
        return images[0]


def _refuse_unwritten(path: str, name: str) -> None:
    """Of an array with an entry for each event only one of which nothing was written."""
    with open_file(path) as file:
        item = file.get(name)
        if not isinstance(item, h5py.Dataset) or item.is_virtual or not item.size or not item.ndim:
            return
        if item.ndim > 2 and item.chunks and item.id.get_num_chunks():
            return
        hole = unwritten(item, ())
    if hole is not None:
        raise SourceError(
            f"{path}:{name} was allocated, but {int(hole.sum())} of its {hole.size} values were "
            "never written; write the array again"
        )


def _is_image(item: h5py.Dataset) -> bool:
    return item.dtype.kind in "iufb" and item.ndim in (2, 3, 4)
