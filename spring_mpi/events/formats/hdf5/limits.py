"""Limits that files of data give for the raw values of their frames.

NeXus (NXdetector): valid are values from ``underload_value`` to ``saturation_value``, these two
included; dxtbx has it so, too. Detectors of DECTRIS: a masked pixel holds 2 ** ``bit_depth_image``
- 1 (EIGER2 user manual, section 11.1), and in files without a ``saturation_value`` the largest
count is ``countrate_correction_count_cutoff`` (dxtbx, FormatHDF5EigerNearlyNexus).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ...event import Exclusion
from ..limits import Limit, as_limit
from ..reader import Frame
from .faults import broken_link
from .sizes import read_all
from .stored import union

_HOMES = ("", "detectorSpecific", "detector_information", "detectorSpecific/detectorModule_000")
"""Where they are in the group of a detector; the third is that of LImA at the ESRF."""
_LOWEST = ("underload_value",)
_HIGHEST = ("saturation_value", "countrate_correction_count_cutoff")
_DEPTHS = ("bit_depth_image",)


_LINKED = (("pixel_mask", "detectorSpecific/pixel_mask"), ("mask",), ("mask_shared",),
           _LOWEST, _HIGHEST)  # fmt: skip
"""What excludes pixels and may be a link: of names for the same thing one is enough."""


@dataclass(frozen=True)
class OwnLimit:
    """A limit that a file brings for its frames, or what it meant to bring and cannot be had."""

    origin: str
    """Where it is, for people."""
    limit: Limit | None
    """None where it cannot be used."""
    remark: str = ""
    """Why not."""


def own_limits(groups: Iterable[h5py.Group], kind: np.dtype[Any]) -> list[OwnLimit]:
    """The limits in some groups for frames of that type, each once."""
    found: dict[str, OwnLimit] = {}
    for group in groups:
        for limit in _in_group(group, kind):
            found.setdefault(limit.origin, limit)
    return list(found.values())


def limited(frame: Frame, limits: Sequence[OwnLimit], owner: str) -> Frame:
    """The frame with what limits exclude; ``owner`` is whose they are, such as ``the file's``."""
    if not limits:
        return frame
    mask, told = frame.mask, []
    for own in limits:
        excluded = None if own.limit is None else own.limit.excluded(frame.data)
        pixels = 0 if excluded is None else int(excluded.sum())
        told.append(Exclusion(f"{owner} {own.origin}", pixels, own.remark))
        mask = union(mask, excluded)
    return frame._replace(mask=mask, exclusions=(*frame.exclusions, *told))


def _in_group(group: h5py.Group, kind: np.dtype[Any]) -> Iterator[OwnLimit]:
    for names, relation in ((_LOWEST, "<"), (_HIGHEST, ">")):
        if (dataset := _first(group, names)) is not None:
            yield _own_limit(dataset, relation)
    yield from _lost(group)
    depth = _first(group, _DEPTHS)
    bits = None if depth is None else _number(depth)
    # In other types the masked pixels are not where they were.
    if depth is not None and kind.kind == "u" and bits == 8 * kind.itemsize:
        largest = as_limit("=", int(np.iinfo(kind).max))
        yield OwnLimit(f"{depth.name} {bits:g} ({largest}, a masked pixel)", largest)


def _lost(group: h5py.Group) -> Iterator[OwnLimit]:
    """Masks and limits behind links that lead nowhere."""
    for names in _LINKED:
        if not any(isinstance(group.get(name), h5py.Dataset) for name in names):
            for name in names:
                yield from behind_link(group.file, posixpath.join(str(group.name), name))


def behind_link(file: h5py.File, path: str) -> Iterator[OwnLimit]:
    """That something cannot be had, if it is behind a link that leads nowhere."""
    if reason := broken_link(file, path):
        yield OwnLimit(path, None, f"it cannot be had: {reason}")


def _own_limit(dataset: h5py.Dataset, relation: str) -> OwnLimit:
    name, number = str(dataset.name), _number(dataset)
    if number is None:
        return OwnLimit(name, None, "it is not used, as it is no single number")
    if relation == ">" and number <= 0:
        return OwnLimit(name, None, f"it is not used: no detector saturates at {number:g}")
    limit = as_limit(relation, number)
    return OwnLimit(f"{name} ({limit})", limit)


def _first(group: h5py.Group, names: Sequence[str]) -> h5py.Dataset | None:
    """The first dataset of these names that is there and holds something."""
    for name in names:
        for home in _HOMES:
            found = group.get(posixpath.join(home, name))
            if isinstance(found, h5py.Dataset) and found.size:
                return found
    return None


def _number(dataset: h5py.Dataset) -> float | None:
    """The single number in a dataset, exact; None where it holds none."""
    if dataset.size != 1 or dataset.dtype.kind not in "iuf":
        return None
    value = read_all(dataset).reshape(-1)[0].item()
    return None if np.isnan(value) else value
