"""What NeXus files say of a detector's pixels: the pixel mask of NXdetector, where 0 is good.

A mask is (rows, columns), or (frames, rows, columns) with one for each frame (NeXus definitions
of NXmx; DECTRIS writes a copy into the group ``detectorSpecific``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from .places import Rows
from .rows import row_reader
from .sizes import read_all

_PLACES = ("pixel_mask", "detectorSpecific/pixel_mask")


@dataclass(frozen=True, eq=False)
class PixelMask:
    """The pixel mask of a detector."""

    name: str
    shared: NDArray[np.bool_] | None
    """True = excluded, for all frames; None where each frame has a mask."""
    rows: Rows | None = field(default=None, repr=False)
    """Of the masks of single frames."""

    def excluded(self, row: int) -> NDArray[np.bool_]:
        """True where a pixel of that frame is excluded, (rows, columns)."""
        if self.rows is not None:
            return np.asarray(self.rows.one(row) != 0)
        return np.zeros((), np.bool_) if self.shared is None else self.shared.copy()


def pixel_masks(file: h5py.File, name: str, shape: tuple[int, ...]) -> list[PixelMask]:
    """The pixel masks of a master for frames of (frames, rows, columns), one of each detector.

    Masks of other shapes belong to other detectors. ``name`` is the path of the frames, or of the
    group of their links.

    Raises
    ------
    SourceError
        If there are masks, and none of them fits the frames.
    """
    masks = [list(masks_beside(detector)) for detector in _detectors(file, name)]
    fitting = [next(filter(None, (fitted(mask, shape) for mask in own)), None) for own in masks]
    found = [mask for mask in fitting if mask is not None]
    if others := [f"{mask.name} {mask.shape}" for own in masks for mask in own if not found]:
        raise SourceError(
            f"{file.filename}: the pixel mask {', '.join(others)} does not fit the {shape[0]} "
            f"frames of {shape[1:]}: it must be one for all, or one for each"
        )
    return found


def detectors_of(file: h5py.File, name: str, shape: tuple[int, ...]) -> Iterator[h5py.Group]:
    """The detectors of a master that may have made frames of (rows, columns), at that path."""
    for detector in _detectors(file, name):
        known = [*masks_beside(detector), detector.get("data")]
        shapes = [detector.shape[-2:] for detector in known if isinstance(detector, h5py.Dataset)]
        if not shapes or shape[-2:] in shapes:
            yield detector


def places_of_detectors(file: h5py.File) -> Iterator[str]:
    """Where the detectors of a master are, or should be."""
    for entry in entries(file):
        instruments = list(_groups(entry, "instrument", "NXinstrument"))
        for instrument in instruments:
            names = [name for name in sorted(instrument) if "detector" in name]
            yield from [f"{instrument.name}/{name}" for name in names] or [str(instrument.name)]
        if not instruments:
            yield f"{entry.name}/instrument"


def masks_beside(detector: h5py.Group) -> Iterator[h5py.Dataset]:
    """The pixel masks in the group of a detector."""
    for place in _PLACES:
        if isinstance(mask := detector.get(place), h5py.Dataset):
            yield mask


def fitted(mask: h5py.Dataset, shape: tuple[int, ...]) -> PixelMask | None:
    """The mask for frames of (frames, rows, columns); None where it is of others."""
    leading, own = mask.shape[: 1 - len(shape)], mask.shape[1 - len(shape) :]
    if own == shape[1:] and set(leading) <= {1}:
        return PixelMask(str(mask.name), read_all(mask).reshape(shape[1:]) != 0)
    if mask.ndim == 3 and mask.shape[1:] == shape[1:] and mask.shape[0] >= shape[0]:
        return PixelMask(str(mask.name), None, row_reader(mask))
    return None


def entries(file: h5py.File) -> Iterator[h5py.Group]:
    """The entries of a file."""
    yield from _groups(file, "entry", "NXentry")


def says_nxmx(entry: h5py.Group) -> bool:
    """Whether an entry says that it is of the application definition NXmx."""
    said = entry.get("definition")
    return isinstance(said, h5py.Dataset) and text_of(said).startswith("NXmx")


def text_of(dataset: h5py.Dataset) -> str:
    """A dataset's text, which may be an array of one; empty where it holds none."""
    value: Any = read_all(dataset) if dataset.size == 1 else b""
    value = value.reshape(-1)[0] if isinstance(value, np.ndarray) else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _detectors(file: h5py.File, name: str) -> list[h5py.Group]:
    """The detectors of the frames' entry, or all, without those that hold other frames.

    Where no detector holds these frames, it is not known whose they are.
    """
    known = list(_all_detectors(file))
    entry = name.strip("/").split("/")[0]
    own = [
        detector for detector in known if str(detector.name).strip("/").split("/")[0] == entry
    ] or known
    frames = file.get(name)
    frames = frames.get("data") if isinstance(frames, h5py.Group) else frames
    held = [detector.get("data") for detector in own]
    if not any(isinstance(data, h5py.Dataset) and data == frames for data in held):
        return own
    return [
        detector for detector, data in zip(own, held, strict=True) if data is None or data == frames
    ]


def _all_detectors(file: h5py.File) -> Iterator[h5py.Group]:
    for entry in entries(file):
        for instrument in _groups(entry, "instrument", "NXinstrument"):
            found = (instrument.get(name) for name in sorted(instrument))
            yield from (group for group in found if isinstance(group, h5py.Group))


def _groups(parent: h5py.Group, start: str, kind: str) -> Iterator[h5py.Group]:
    """The groups whose names begin so, or that say that they are of this class of NeXus.

    NeXus leaves names free and knows groups by their ``NX_class``; writers may leave that out.
    """
    for name in sorted(parent):
        found = parent.get(name)
        if isinstance(found, h5py.Group) and (name.startswith(start) or _class(found) == kind):
            yield found


def _class(group: h5py.Group) -> str:
    said = np.ravel(group.attrs.get("NX_class", ""))
    text = said[0] if said.size == 1 else ""
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
