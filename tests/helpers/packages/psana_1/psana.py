"""A stand-in for psana 1 in its ``idx`` mode: the calls that its reader makes.

A run is ``DIR/run0034.npz`` with ``times``, ``fiducials`` and ``frames``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

NAMES = [("CxiDg2.0:Tm6740.0", "pulnix", "")]


@dataclass(frozen=True)
class EventTime:
    """A time, told by calls."""

    number: int
    both: tuple[int, int]

    def time(self) -> int:
        """Seconds << 32 | nanoseconds."""
        return self.both[0]

    def fiducial(self) -> int:
        """The fiducial."""
        return self.both[1]


class Run:
    """The run of a data source."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as archive:
            self._times, self._fiducials = archive["times"].tolist(), archive["fiducials"].tolist()
            self.frames = archive["frames"]

    def times(self) -> tuple[EventTime, ...]:
        """All times."""
        both = enumerate(zip(self._times, self._fiducials, strict=True))
        return tuple(EventTime(number, one) for number, one in both)

    def event(self, time: EventTime) -> int | None:
        """The event of that time; None for the last one, which cannot be read."""
        return time.number if time.number + 1 < len(self._times) else None


class DataSource:
    """What a source string stands for; detectors belong to the last one."""

    last: DataSource

    def __init__(self, text: str) -> None:
        *words, mode = text.split(":")
        assert mode == "idx"
        values = dict(word.split("=") for word in words)
        self.run = Run(Path(values["dir"], f"run{int(values['run']):04}.npz"))
        DataSource.last = self

    def runs(self) -> Iterator[Run]:
        """The only run."""
        yield self.run


class Detector:
    """A camera."""

    def __init__(self, name: str) -> None:
        assert any(name in names for names in NAMES)
        self._run = DataSource.last.run

    def raw(self, event: int) -> NDArray[np.uint16]:
        """The frame."""
        return self._run.frames[event]

    def calib(self, event: int) -> NDArray[np.float32]:
        """The frame without its pedestal."""
        return self.raw(event).astype(np.float32) - 0.5


def DetNames(which: str) -> list[tuple[str, str, str]]:
    """Names and aliases."""
    assert which == "detectors"
    return NAMES
