"""The masks of CXI files: those beside the frames, and beside what the frames' links lead to.

The format defines ``mask`` for the detector, while ``/entry_1/data_1/data`` is a link to the
detector's data in most files (its own examples, PyNX, Cheetah). ``mask_shared`` is Cheetah's name
for a mask that holds for all events.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..bits import has_bits
from .axes import Axes, said_axes
from .faults import MOST_LINKS, missing_filter

EXCLUDING_BITS = 1 | 2 | 4 | 8 | 16 | 64 | 128 | 512 | 1024 | 4096
"""Bits of a CXI mask that say a value is not to be trusted: invalid, saturated, hot, dead,
shadowed, to be ignored, bad, missing, noisy, failed correction.

The others exclude nothing: in the peak mask (32), out of resolution limits (256), artefact
corrected (2048), peak of the hit finder (8192) and background corrected (16384) say what a
program did with a value that is good.
"""
_NAMES = ("mask", "mask_shared")


@dataclass(frozen=True, eq=False)
class OwnMask:
    """A mask that a file brings for its frames."""

    dataset: h5py.Dataset
    axes: Axes
    """`Axes.events` is None where the mask is the same for all events."""
    origin: str
    """Where it is, for people."""
    extents: tuple[int, ...]
    """Those of the dataset, without an axis of events with a single place."""


def excluded_by_bits(bits: NDArray[Any]) -> NDArray[np.bool_]:
    """True where a CXI mask excludes; same shape."""
    if bits.dtype.kind not in "iu":
        return np.asarray(bits != 0)
    return has_bits(bits, EXCLUDING_BITS)


def own_masks(frames: h5py.Dataset, axes: Axes, groups: Iterable[h5py.Group]) -> list[OwnMask]:
    """The masks in the groups of a dataset of frames, each once.

    Raises
    ------
    SourceError
        If one does not fit the frames.
    """
    found: list[h5py.Dataset] = []
    for group in groups:
        for name in _NAMES:
            mask = group.get(name)
            if isinstance(mask, h5py.Dataset) and mask not in found:
                found.append(mask)
    return [_own_mask(mask, frames, axes) for mask in found]


def _own_mask(mask: h5py.Dataset, frames: h5py.Dataset, axes: Axes) -> OwnMask:
    if reason := missing_filter(mask):
        raise SourceError(f"{mask.file.filename}: {reason}")
    own = said_axes(mask)
    if own in (None, Axes(None, (0, 1))) and axes.shape(frames.shape)[1:] == (1, *mask.shape):
        # The frames are those of a single module, which a mask need not count.
        return OwnMask(mask, Axes(None, (0, 1, 2)), str(mask.name), (1, *mask.shape))
    if own is None:
        own = axes if mask.ndim == frames.ndim else axes.without_events()
    is_shared = posixpath.basename(mask.name) == _NAMES[1]
    fits = mask.ndim == len(own.frame) + (own.events is not None)
    count, *shape = own.shape(mask.shape) if fits else (0,)
    events, *frame = axes.shape(frames.shape)
    if shape == frame and own.events is not None and count == 1 and (is_shared or events != 1):
        # One mask with an axis of events: it is that of all events.
        extents = tuple(mask.shape[axis] for axis in range(mask.ndim) if axis != own.events)
        return OwnMask(mask, own.without_events(), str(mask.name), extents)
    if shape != frame or (own.events is not None and count < events):
        raise SourceError(
            f"{mask.file.filename}: the mask {mask.name} has the shape {mask.shape}, which does "
            f"not fit the frames {frames.name} {frames.shape}: it must hold one mask for all "
            "events, or one for each"
        )
    return OwnMask(mask, own, str(mask.name), mask.shape)


def groups_on_the_way(file: h5py.File, path: str, names: Iterable[str]) -> Iterator[h5py.Group]:
    """The groups in which a dataset lies or links to it lie.

    Parameters
    ----------
    path
        The dataset's path, which may lead through soft, hard and external links.
    names
        Paths of this file under which the same dataset may be found, too.
    """
    target = file[path]
    yield from _followed(file, path, MOST_LINKS)
    for name in names:
        if name != path and file.get(name) == target:
            yield from _followed(file, name, MOST_LINKS)


def _followed(file: h5py.File, path: str, links: int) -> Iterator[h5py.Group]:
    folder, name = posixpath.split(path if path.startswith("/") else f"/{path}")
    group = file[folder]
    yield group
    link = group.get(name, getlink=True)
    if isinstance(link, h5py.SoftLink) and links:
        yield from _followed(group.file, posixpath.join(group.name, link.path), links - 1)
    elif isinstance(link, h5py.ExternalLink) and links:
        yield from _followed(group[name].file, link.path, links - 1)
