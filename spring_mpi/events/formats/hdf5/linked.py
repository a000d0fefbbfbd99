"""Where HDF5 looks for the files that another file names.

The order is that of HDF5 itself (H5Pset_virtual_prefix, H5Pset_elink_prefix and the chapter on
external links in its user's guide): a file is found where HDF5 finds it, or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

VIRTUAL, EXTERNAL_LINK = "HDF5_VDS_PREFIX", "HDF5_EXT_PREFIX"
"""The variables of the environment with folders for sources of virtual datasets, and for links."""


def find_linked(name: str, master: str, variable: str) -> str | None:
    """The path of the file that ``master`` names; None where there is none.

    Parameters
    ----------
    name
        As it stands in the master.
    variable
        `VIRTUAL` or `EXTERNAL_LINK`.
    """
    return next(filter(os.path.isfile, _places(name, master, variable)), None)


def _places(name: str, master: str, variable: str) -> Iterator[str]:
    folder = os.path.dirname(os.path.abspath(master))
    if os.path.isabs(name):
        yield name
        # What was moved together is found together.
        name = os.path.basename(name)
    for prefix in filter(None, os.environ.get(variable, "").split(":")):
        yield os.path.join(prefix.replace("${ORIGIN}", folder), name)
    yield os.path.join(folder, name)
    yield name
    yield os.path.join(os.path.dirname(os.path.realpath(master)), name)
