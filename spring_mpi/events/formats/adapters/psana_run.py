"""What the two packages called psana have in common: a run with one detector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...gain_stages import RawForm, coding_of
from ...left_out import LeftOut
from ..experiment import parse_experiment
from ..reader import Frame

METHODS = ("raw", "calib", "image")
"""What psana's detectors offer for images."""


@dataclass(frozen=True)
class Events:
    """The events of a run, as a `Scan` has them."""

    pid_names: tuple[str, ...]
    pids: NDArray[np.int64]
    rows: NDArray[np.uint64]
    flags: NDArray[np.uint32]
    left_out: tuple[LeftOut, ...] = ()


class PsanaRun(Protocol):
    """A run with a detector."""

    dataset: str
    """Full name of the detector and its method."""

    def events(self) -> Events:
        """All events that hold the detector."""
        ...

    def frame(self, row: int) -> Frame | None:
        """What the method returns for an event; None where psana gives nothing."""
        ...

    def close(self) -> None:
        """Release the files."""
        ...


def raw_form(dataset: str, dtype: np.dtype[Any]) -> RawForm | None:
    """What the values of a frame are, by the name of its detector; None where psana calibrates."""
    return RawForm(coding_of(dataset, dtype)) if dataset.endswith(".raw") else None


def only_run(source: str) -> int:
    """The run of a source string; `SourceError` where it names several."""
    numbers = [number for numbers in parse_experiment(source).runs for number in numbers]
    if len(numbers) != 1:
        raise SourceError(f"{source}: reader psana takes one run; list one source for each")
    return numbers[0]


def unknown_detector(source: str, name: str | None, known: Iterable[str]) -> SourceError:
    """The fault of a dataset that is none, or not given; it lists those there are."""
    told = f"no detector {name!r}" if name else "which detector is meant is unknown"
    return SourceError(f"{source}: {told}; name one (dataset) of {', '.join(sorted(known))}")
