"""What an event may hold: its identity, and images by the type of their detector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from ..events.formats.reader import Frame
from .data import Event, Source

_TIMES = ("time", "timestamp")


class EventId:
    """The identity of an event."""

    def __init__(self, event: Event) -> None:
        self._event = event

    @classmethod
    def of(cls, event: Event, source: Source | None) -> EventId:
        """Every event has one, whatever the detector."""
        return cls(event)

    def fiducials(self) -> int:
        """The fiducial of LCLS-I; of other formats the last number of the pid."""
        return self._event.pid[-1]

    def run(self) -> int:
        """The number of the run; -1 where the pid has none."""
        return self._event.pid[0] if self._event.pid_names[0] == "run" else -1

    def time(self) -> tuple[int, int]:
        """Seconds and nanoseconds; `SourceError` for a format without time."""
        for name in _TIMES:
            if name in self._event.pid_names:
                time = self._event.pid[self._event.pid_names.index(name)]
                return time >> 32, time & 0xFFFFFFFF
        raise SourceError(
            f"{self._event.ref.source.path} tells no time; pids are "
            f"({', '.join(self._event.pid_names)})"
        )

    def ticks(self) -> int:
        """Ticks of the 119 MHz clock; `SourceError` but for LCLS-I."""
        return self._of_header("ticks")

    def vector(self) -> int:
        """The number of the event since the run began; `SourceError` but for LCLS-I."""
        return self._of_header("vector")

    def control(self) -> int:
        """Service and other bits of the datagram; `SourceError` but for LCLS-I."""
        return self._of_header("control")

    def _of_header(self, name: str) -> int:
        if not self._event.tells_as_psana:
            raise SourceError(f"{self._event.ref.source.path} tells no {name}; LCLS-I does")
        return int(self._event.header()[name])


class FrameV1:
    """A camera's image; for formats that know no detectors the event's frame, whatever it is."""

    def __init__(self, pixels: NDArray[Any], info: Mapping[str, Any]) -> None:
        self._pixels, self._info = pixels, info

    @classmethod
    def of(cls, event: Event, source: Source | None) -> FrameV1 | None:
        """The image, unless the detector is no camera."""
        frame = event.frame(source)
        if frame is None or (event.tells_as_psana and not _is_camera(frame)):
            return None
        return cls(frame.data, frame.info)

    def data16(self) -> NDArray[Any]:
        """(rows, columns): 8 and 16 bits as uint16; other types as they are, never cut."""
        fits = np.can_cast(self._pixels.dtype, np.uint16)
        return self._pixels.astype(np.uint16) if fits else self._pixels

    def data8(self) -> NDArray[np.uint8]:
        """(rows, columns) of uint8; `SourceError` where pixels have more bits."""
        if self._pixels.dtype != np.uint8:
            raise SourceError(f"pixels are {self._pixels.dtype}, not uint8; call data16()")
        return self._pixels

    def width(self) -> int:
        """Columns."""
        return int(self._pixels.shape[-1])

    def height(self) -> int:
        """Rows."""
        return int(self._pixels.shape[-2])

    def depth(self) -> int:
        """Bits of a pixel as recorded, 12 of an Opal; of other formats those of the type."""
        return int(self._info.get("depth", 8 * self._pixels.dtype.itemsize))

    def offset(self) -> int:
        """The value of a dark pixel as recorded; `SourceError` but for LCLS-I."""
        if "offset" not in self._info:
            raise SourceError("the format tells no offset of a frame; LCLS-I does")
        return int(self._info["offset"])


class Camera:
    """Types of cameras."""

    FrameV1 = FrameV1


class FullFrameV1:
    """An image of a pnCCD, its four links put together without a gap."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = pixels

    @classmethod
    def of(cls, event: Event, source: Source | None) -> FullFrameV1 | None:
        """The image, where the detector is a pnCCD."""
        frame = event.frame(source)
        return None if frame is None or _device(frame) != "pnCCD" else cls(frame.data)

    def data(self) -> NDArray[Any]:
        """(rows, columns), raw units."""
        return self._pixels


class PNCCD:
    """Types of pnCCDs."""

    FullFrameV1 = FullFrameV1


def _device(frame: Frame) -> str:
    """The kind of detector, ``Tm6740``; empty where the format tells none."""
    address = str(frame.info.get("address", ""))
    return address.partition(":")[2].partition(".")[0]


def _is_camera(frame: Frame) -> bool:
    """Whether LCLS-I recorded the frame as one of a camera."""
    return "offset" in frame.info
