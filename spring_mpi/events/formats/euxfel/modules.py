"""The numbers of a detector's modules, as the European XFEL counts them in the names of sources.

A frame says in ``info["modules"]`` which modules it holds, numbered as in its files, and in
``info["first_module"]`` which of them is the detector's first and so belongs to the first panel of
a geometry; 0 where that is missing. LCLS (segments), CXI, NeXus, HDF5 and CrystFEL (``dim1 = 0``)
count from 0, as does psana's text by the order of its lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NAMES: tuple[tuple[str, int | None], ...] = (
    (r"_LPD_SOLO[^/]*/(?:DET|CORR)/(\d+)CH", None),
    (r"_JF500K\d*/(?:DET|CORR)/(?:JNGFR|MODULE_|RECEIVER-)(\d+)", None),
    (r"/(?:DET|CORR)/(\d+)CH", 0),
    (r"/(?:DET|CORR)/(?:JNGFR|MODULE_)(\d+)", 1),
    (r"_(?:JF|JNGFR|JUNGF)[^/]*/(?:DET|CORR)/RECEIVER-(\d+)", 1),
)
"""Names of sources, and the number of the detector's first module; None: it has a single one,
whatever its number. After ``extra_data.components``: AGIPD, DSSC and LPD count from 0, JUNGFRAU
from 1, but the one module of FXE_XAD_JF500K is JNGFR03."""


@dataclass(frozen=True)
class Module:
    """A module of a detector."""

    number: int
    """As in the name of its source."""
    first: int
    """The number of the detector's first module."""

    @property
    def info(self) -> dict[str, Any]:
        """What a frame of this module says of it."""
        return {"modules": (self.number,)} | ({"first_module": self.first} if self.first else {})


def module_of(source: str) -> Module | None:
    """The module that a source or the path of its dataset is of; None: it is no module.

    >>> module_of("SPB_IRDA_JF4M/DET/JNGFR03:daqOutput")
    Module(number=3, first=1)
    """
    for pattern, first in _NAMES:
        if found := re.search(pattern, source):
            number = int(found[1])
            return Module(number, number if first is None else first)
    return None
