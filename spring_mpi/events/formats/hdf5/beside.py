"""What lies beside frames under any name in an HDF5 file: pixel masks and limits as NeXus has them.

Names without a meaning of their own, such as ``mask``, are left to the config.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import h5py

from ...event import Exclusion
from ..reader import Frame
from .limits import OwnLimit, limited, own_limits
from .masks import groups_on_the_way
from .nxdetector import PixelMask, fitted, masks_beside
from .stored import union

_OWNER = "the file's"


@dataclass(frozen=True, eq=False)
class Beside:
    """What belongs to a dataset of frames."""

    masks: tuple[PixelMask, ...]
    limits: tuple[OwnLimit, ...]
    others: tuple[Exclusion, ...]
    """Masks that do not fit."""

    def applied(self, frame: Frame, row: int) -> Frame:
        """The frame of that number with what the masks and limits exclude."""
        frame = limited(frame, self.limits, _OWNER)
        bad = [mask.excluded(row).reshape(frame.data.shape) for mask in self.masks]
        told = (
            Exclusion(f"{_OWNER} {mask.name}", int(excluded.sum()))
            for mask, excluded in zip(self.masks, bad, strict=True)
        )
        exclusions = (*frame.exclusions, *told, *self.others)
        return frame._replace(mask=union(frame.mask, *bad), exclusions=exclusions)


def beside(file: h5py.File, path: str, frames: h5py.Dataset) -> Beside:
    """What lies in the groups of a dataset of frames, and of the links that lead to it."""
    groups = list(groups_on_the_way(file, path, ()))
    masks = {mask.name: mask for group in groups for mask in _one_of(masks_beside(group))}
    found = {name: _of_frames(mask, frames) for name, mask in masks.items()}
    others = (
        Exclusion(
            f"{_OWNER} {name}", 0,
            f"it is not used: its shape {masks[name].shape} does not fit frames {frames.shape}",
        )
        for name, mask in found.items() if mask is None
    )  # fmt: skip
    used = tuple(mask for mask in found.values() if mask is not None)
    return Beside(used, tuple(own_limits(groups, frames.dtype)), tuple(others))


def _one_of(masks: Iterator[h5py.Dataset]) -> list[h5py.Dataset]:
    """The first: the others of a detector are copies."""
    return list(masks)[:1]


def _of_frames(mask: h5py.Dataset, frames: h5py.Dataset) -> PixelMask | None:
    shape = frames.shape if frames.ndim > 2 else (1, *frames.shape)
    # With one energy threshold frames have an axis more than their mask.
    is_single = len(shape) == 4 and shape[1] == 1 and mask.ndim < 4
    return fitted(mask, (shape[0], *shape[2:]) if is_single else shape)
