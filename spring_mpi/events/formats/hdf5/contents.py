"""What there is in an HDF5 file, and what of it may be meant, for people and for readers."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any

import h5py

from ....errors import SourceError
from ..wording import listed
from .faults import broken_link

_MOST_NAMED = 8


def find_dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """The dataset of that name; `SourceError` with what there is if there is none."""
    found = file.get(name) if name else None
    if isinstance(found, h5py.Dataset):
        return found
    if reason := broken_link(file, name or ""):
        raise SourceError(f"{file.filename}: {reason}")
    near = difflib.get_close_matches(name, all_datasets(file), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise SourceError(f"{file.filename}: no dataset {name!r}; {hint}{candidates(file)}")


def is_frames(item: Any, *axes: int) -> bool:
    """Whether an item of a file is a dataset of real numbers with so many axes."""
    return isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" and item.ndim in axes


def candidates(file: h5py.File) -> str:
    """The datasets of a file that may be frames, those with most axes first, for people."""
    items = all_datasets(file)
    frames = [
        f"{name} {item.shape}{_elsewhere(file, item)}"
        for axes in ((3, 4), (2,))
        for name, item in items.items()
        if is_frames(item, *axes)
    ]
    broken = [text for name in _links(file) if (text := broken_link(file, name))]
    if not frames:
        return "; ".join(["it holds no numeric dataset with 2, 3 or 4 axes", *broken[:_MOST_NAMED]])
    return "; ".join([f"it holds {listed(frames, _MOST_NAMED)}", *broken[:_MOST_NAMED]])


def _elsewhere(file: h5py.File, item: h5py.Dataset) -> str:
    return "" if item.file == file else f" in {item.file.filename}"


def all_datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every dataset of the file by its path, and those that links outside lead to."""
    found = _below(file, "")
    for name in _links(file):
        item = file.get(name)
        if isinstance(item, h5py.Dataset) and item.file != file:
            found[name] = item
        elif isinstance(item, h5py.Group) and item.file != file:
            found |= _below(item, name)
    return found


def _below(group: h5py.Group, path: str) -> dict[str, h5py.Dataset]:
    """Every dataset in a group that is found by that path."""
    found: dict[str, h5py.Dataset] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[f"{path}/{name}"] = item

    with readable_names():
        group.visititems(note)
    return found


def _links(file: h5py.File) -> list[str]:
    """The paths of all soft and external links."""
    found: list[str] = []

    def note(name: str, link: Any) -> None:
        if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
            found.append(f"/{name}")

    with readable_names():
        file.visititems_links(note)
    return found


@contextlib.contextmanager
def readable_names() -> Iterator[None]:
    """For visits of items: `ValueError` for a name that is no text, where h5py has no reason."""
    try:
        yield
    except SystemError as fault:
        raise ValueError("the names in it are damaged") from fault
