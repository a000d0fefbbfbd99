"""Why a dataset of an HDF5 file cannot be had, in words that name what is missing.

HDF5 itself says where it looked for a plug-in, and h5py that an object does not exist.
"""

from __future__ import annotations

import posixpath

import h5py

from .linked import EXTERNAL_LINK, find_linked
from .opening import open_file

MOST_LINKS = 16
"""From link to link; HDF5 itself goes no further (H5Pset_nlinks)."""
_FILTERS = {
    1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "n-bit", 6: "scale-offset",
    305: "LZO", 307: "bzip2", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32007: "JPEG XR",
    32008: "bitshuffle", 32009: "SPDP", 32013: "ZFP", 32014: "fpzip", 32015: "Zstandard",
    32017: "SZ", 32018: "FCIDECOMP", 32019: "JPEG", 32022: "BitGroom", 32024: "SZ3",
    32026: "Blosc2", 32028: "SPERR",
}  # fmt: skip
"""Number of a filter -> name; the list of registered filters of The HDF Group."""
_IN_HDF5PLUGIN = frozenset(
    {307, 32001, 32004, 32008, 32013, 32015, 32017, 32018, 32024, 32026, 32028}
)


def missing_filter(dataset: h5py.Dataset) -> str:
    """Which filter a dataset needs that is not installed; empty where none is missing."""
    plist = dataset.id.get_create_plist()
    for place in range(plist.get_nfilters()):
        number, _, _, own_name = plist.get_filter(place)
        if not h5py.h5z.filter_avail(number) and _is_used(dataset, place):
            name = _FILTERS.get(number) or own_name.decode(errors="replace") or "unknown"
            remedy = (
                "install it: pip install hdf5plugin"
                if number in _IN_HDF5PLUGIN
                else "install the plug-in of its maker and name its folder in HDF5_PLUGIN_PATH"
            )
            return (
                f"{dataset.name} is compressed with HDF5 filter {number} ({name}), which is not "
                f"installed here; {remedy}, or write the file anew without it (h5repack)"
            )
    return ""


def _is_used(dataset: h5py.Dataset, place: int) -> bool:
    """Whether a chunk went through a filter; its writer may have lacked it and left it out."""

    def is_filtered(chunk: h5py.h5d.StoreInfo) -> bool | None:
        return True if not chunk.filter_mask >> place & 1 else None

    return bool(dataset.id.chunk_iter(is_filtered))


def broken_link(file: h5py.File, path: str) -> str:
    """The link on the way to a path that leads nowhere, and where to; empty where none does."""
    folder: h5py.Group = file["/"]
    for name in filter(None, path.split("/")):
        if not isinstance(folder, h5py.Group):
            return ""
        link = folder.get(name, getlink=True, default=None)
        item = folder.get(name)
        if item is None:
            return "" if link is None else _where_to(folder, name, link, MOST_LINKS)
        folder = item
    return ""


def _where_to(folder: h5py.Group, name: str, link: object, links: int) -> str:
    place = posixpath.join(str(folder.name), name)
    if isinstance(link, h5py.SoftLink):
        target = posixpath.join(str(folder.name), link.path)
        further = broken_link(folder.file, target) if links else ""
        return f"{place} is a link to {target}, which does not exist{_further(further)}"
    if isinstance(link, h5py.ExternalLink):
        return f"{place} is a link to {_outside(folder.file, link)}"
    return f"{place} cannot be opened"


def _outside(file: h5py.File, link: h5py.ExternalLink) -> str:
    told = f"{link.path} in {link.filename}"
    path = find_linked(link.filename, file.filename, EXTERNAL_LINK)
    if path is None:
        return (
            f"{told}; that file is missing: copy it beside this one, or name its folder in "
            f"{EXTERNAL_LINK}"
        )
    with open_file(path) as target:
        further = broken_link(target, link.path)
        return f"{told}; {path} has no {link.path}{_further(further)}"


def _further(reason: str) -> str:
    return f": {reason}" if reason else ""
