"""One XTC file of LCLS-I: its bytes, its datagrams, and the earlier chunks of the same stream."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...event import run_in_name
from ..file_bytes import Bytes
from ..reader import Empty
from .idx import complete, read_idx
from .layout import (
    HEADER,
    NO,
    UNKNOWN,
    YES,
    Found,
    Item,
    Service,
    Slot,
    TypeId,
    datagram_size,
    records,
    service_of,
    slots,
    walk,
)
from .payload import Config

_log = logging.getLogger(__name__)

DAMAGED_TREE = 1 << 31
"""Added to the damage of a datagram whose containers do not fit into each other."""


class XtcFile:
    """An open file; what lies behind its end at the time of opening is not looked at."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.growing = path.endswith(".inprogress")
        self._descriptor = os.open(path, os.O_RDONLY)
        self._bytes = Bytes(self._descriptor)
        self.size = self._bytes.size

    def close(self) -> None:
        """Release the file, and those of earlier chunks."""
        if "previous" in self.__dict__ and self.previous:
            self.previous.close()
        os.close(self._descriptor)

    def __enter__(self) -> XtcFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, offset: int, size: int) -> bytearray:
        """Exactly so many bytes; raises `EOFError` where the file ends before."""
        return self._bytes.take(offset, size)

    def header(self, offset: int) -> bytearray:
        """The header of the datagram there."""
        return self.read(offset, HEADER.itemsize)

    def slots(self, offset: int) -> Iterator[Slot]:
        """What the datagram there holds, payloads not read; errors as `layout.slots`."""
        return slots(self.read, offset, offset + datagram_size(self.header(offset), offset))

    def items(self, offset: int) -> Iterator[Item]:
        """What the datagram there holds, each payload read when its turn comes."""
        return map(self.item, self.slots(offset))

    def item(self, slot: Slot, empty: Empty = np.empty) -> Item:
        """The slot with its payload, in memory of its own, maybe from ``empty``."""
        payload = self._bytes.view(slot.start, slot.size, empty)
        return Item(
            slot.address, slot.type, slot.version, slot.damage, payload, slot.log, slot.phy
        )  # fmt: skip

    @cached_property
    def records(self) -> NDArray[Any]:
        """`layout.RECORD` (datagrams,), in the order of the file.

        Taken from the facility's index where there is one that fits the file, else by a walk
        from header to header. A torn datagram at the end is left out.

        Raises
        ------
        ValueError
            For a damaged header; it says where.
        """
        table = self.identities.copy()
        self._tell_torn_end(table)
        for number in np.flatnonzero(table["slow"] == UNKNOWN).tolist():
            self._look_into(table, number)
        return table

    @cached_property
    def identities(self) -> NDArray[Any]:
        """As `records`, but that it may be `UNKNOWN` whether there are slow-control values."""
        table = self._indexed()
        return records(list(self.datagrams())) if table is None else table

    @cached_property
    def configuration(self) -> dict[tuple[int, int], Config]:
        """Configurations, by source (``phy``) and type.

        From the Configure of this file, or else of an earlier chunk.
        """
        return {
            (item.phy, item.type): Config(item.type, item.version, item.payload)
            for item in self.configured
        }

    @cached_property
    def configured(self) -> tuple[Item, ...]:
        """What the Configure holds, of this file or else of an earlier chunk; maybe nothing."""
        for offset, header in self._before_events():
            if service_of(header) == Service.CONFIGURE:
                return tuple(self.items(offset))
        return self.previous.configured if self.previous else ()

    @cached_property
    def previous(self) -> XtcFile | None:
        """The nearest chunk before this one that is there."""
        found = re.fullmatch(r"(.*-c)(\d+)\.xtc(\.inprogress)?", self.path)
        if not found:
            return None
        earlier = (f"{found[1]}{number:0{len(found[2])}}.xtc" for number in range(int(found[2])))
        present = [path for path in earlier if os.path.isfile(path)]
        return XtcFile(present[-1]) if present else None

    @cached_property
    def run(self) -> int:
        """The number of the run: that of the file's name, else of the BeginRun, else 0."""
        if number := run_in_name(self.path):
            return number
        for _, header in self._before_events():
            if service_of(header) == Service.BEGIN_RUN:
                return int.from_bytes(header[16:20], "little")
        return 0

    def datagrams(self) -> Iterator[Found]:
        """Offset and header of every complete datagram; errors as `layout.walk`."""
        return walk(self.read, 0, self.size, growing=self.growing)

    def _before_events(self) -> Iterator[Found]:
        return takewhile(lambda found: service_of(found[1]) != Service.L1_ACCEPT, self.datagrams())

    def _indexed(self) -> NDArray[Any] | None:
        path = None if self.growing else _idx_beside(self.path)
        if path is None:
            return None
        try:
            with open(path, "rb") as file:
                index = read_idx(file.read())
            return complete(index, self.read, self.path, self.size)
        except (ValueError, EOFError, OSError) as fault:
            _log.warning("%s is not used, since %s; %s is walked instead", path, fault, self.path)
            return None

    def _tell_torn_end(self, table: NDArray[Any]) -> None:
        end = 0
        if len(table):
            last = int(table["offset"][-1])
            end = last + datagram_size(self.header(last), last)
        if end != self.size and not self.growing:
            _log.warning(
                "%s: the last datagram is torn; %d bytes from byte %d on are left out",
                self.path, self.size - end, end,
            )  # fmt: skip

    def _look_into(self, table: NDArray[Any], number: int) -> None:
        """Find out whether an event brings slow-control values."""
        try:
            kinds = (slot.type for slot in self.slots(int(table["offset"][number])))
            table["slow"][number] = YES if TypeId.EPICS in kinds else NO
        except ValueError:
            table["slow"][number] = NO
            table["damage"][number] |= DAMAGED_TREE


def files_of_run(path: str) -> list[str]:
    """The file, and other streams and chunks beside it, in the order of their names."""
    found = re.fullmatch(r"(.*)-s\d+-c\d+\.xtc(\.inprogress)?", path)
    if not found:
        return [path]
    beside = glob.glob(f"{glob.escape(found[1])}-s*-c*.xtc*")
    return sorted(path for path in beside if re.search(r"\d\.xtc(\.inprogress)?$", path))


def _idx_beside(path: str) -> str | None:
    folder, name = os.path.split(path)
    places = (os.path.join(folder, "index", f"{name}.idx"), f"{path}.idx")
    return next((place for place in places if os.path.isfile(place)), None)
