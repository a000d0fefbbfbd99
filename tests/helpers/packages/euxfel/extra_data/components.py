"""The detector classes of the stand-in."""

from __future__ import annotations

import re
import warnings
from typing import Any

MODULE = re.compile(r"([^/]+)/DET/(\d+)CH0:xtdf")


class Detector:
    """The modules of a detector."""

    def __init__(self, data: Any, name: str) -> None:
        warnings.warn("falling back to raw data", stacklevel=2)
        found = map(MODULE.fullmatch, data.instrument_sources)
        self._data = data
        self.source_to_modno = {one[0]: int(one[2]) for one in found if one and one[1] == name}

    def __contains__(self, key: str) -> bool:
        return all(key in self._data[source] for source in self.source_to_modno)


def identify_multimod_detectors(data: Any) -> set[tuple[str, type[Detector]]]:
    """All detectors."""
    found = map(MODULE.fullmatch, data.instrument_sources)
    return {(one[1], Detector) for one in found if one}
