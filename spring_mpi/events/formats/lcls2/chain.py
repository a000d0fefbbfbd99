"""All datagrams of an xtc2 file: where they are, and under which names."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..file_bytes import Bytes
from ..reader import READ_FAULTS
from ..threads import in_threads
from .file import File, chunk_of, small_data_of, walk
from .heads import Names, opening_names, read_integers, read_names
from .layout import CONFIGURE, ENABLE, HEADER_BYTES, L1_ACCEPT, Header, parse_header

RECORD = np.dtype(
    [("offset", "u8"), ("time", "u8"), ("service", "u1"), ("damage", "u2"), ("size", "u8")]
)
"""A datagram: its offset in the file, and its `Header`."""

Value = TypeVar("Value", bound=np.generic)

_EPOCH_SHIFT = 48
"""Bits of an offset in a row; the number of the epoch has those that are left of 64."""
_MOST_EPOCHS = 1 << 64 - _EPOCH_SHIFT
_THREADS, _FEW = 16, 512
"""More threads than cores: they wait for the file; records that are worth one."""
_TIME_BYTES = 12
_PLACE = struct.Struct("<QQ")
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chain:
    """The datagrams of a file, and the epochs that its Configures begin."""

    file: File
    records: NDArray[np.void]
    """As `RECORD`, in the order of the file."""

    @cached_property
    def names(self) -> list[Names]:
        """The names that hold in each epoch."""
        take, later = self.file.bytes().take, self._configures.tolist()
        return [opening_names(self.file), *(read_names(take, at) for at in later)]

    def epoch(self, records: NDArray[np.void]) -> NDArray[np.uint64]:
        """The number of the epoch of each record."""
        return np.searchsorted(self._configures, records["offset"], "right").astype(np.uint64)

    def rows(self, records: NDArray[np.void]) -> NDArray[np.uint64]:
        """What each record is found by; see `split_row`."""
        offsets: NDArray[np.uint64] = records["offset"]
        return self.epoch(records) << np.uint64(_EPOCH_SHIFT) | offsets

    def only(self, *services: int) -> NDArray[np.void]:
        """The records of these kinds."""
        return self.records[np.isin(self.records["service"], services)]

    @cached_property
    def _configures(self) -> NDArray[np.uint64]:
        """Offsets of the Configures that begin the epochs from 1 on."""
        offsets: NDArray[np.uint64] = self.only(CONFIGURE)["offset"]
        found = offsets[offsets > 0]
        if len(found) >= _MOST_EPOCHS:
            raise ValueError(f"{len(found)} Configures are more than a file can have")
        return found


def split_row(row: int) -> tuple[int, int]:
    """Number of the epoch, and offset of the datagram in the file.

    Names hold from one Configure to the next; the number spares a reader of single events the
    search for the one before.
    """
    return row >> _EPOCH_SHIFT, row & ((1 << _EPOCH_SHIFT) - 1)


def read_chain(file: File) -> Chain:
    """All complete datagrams of a file.

    Their places are taken from the small data of the stream if these fit to the file, else found
    by going from header to header. An incomplete datagram at the end is left out, and logged.

    Raises
    ------
    ValueError
        If a header is damaged.
    """
    pointed = _by_small_data(file)
    return Chain(file, _walked(file) if pointed is None else pointed)


def overlapped(
    work: Callable[[NDArray[np.void]], NDArray[Value]], records: NDArray[np.void]
) -> NDArray[Value]:
    """``work`` of consecutive parts of the records, joined; their waits for the file overlap."""
    return np.concatenate(in_threads(work, records, _THREADS, fewest=_FEW))


def _walked(file: File) -> NDArray[np.void]:
    data = file.bytes()
    headers = walk(data.take, data.size)
    records = np.fromiter(((offset, *header) for offset, header in headers), RECORD)
    end = int(records[-1]["offset"] + records[-1]["size"]) if len(records) else 0
    if end < data.size:
        torn = data.size - end
        _LOG.warning("%s: the last %d bytes are an incomplete datagram", file.path, torn)
    return records


def _by_small_data(file: File) -> NDArray[np.void] | None:
    """The datagrams as the small data tell them; None if there are none, or they do not fit."""
    small = small_data_of(file.path)
    try:
        with open(small, "rb") as opened:
            pointed = _pointed(Bytes(opened.fileno()), file.bytes(), chunk_of(file.path))
            records = np.fromiter(((offset, *header) for offset, header in pointed), RECORD)
        return overlapped(partial(_verified, file), records)
    except FileNotFoundError:
        return None
    except READ_FAULTS as fault:
        _LOG.warning("%s does not fit to %s and is not used: %s", small, file.path, fault)
        return None


def _pointed(small: Bytes, data: Bytes, chunk: int) -> Iterator[tuple[int, Header]]:
    """The datagrams of a chunk as its small data tell them; `ValueError` if there are gaps.

    What is no event stands in the small data itself, and in the file between the events.
    """
    pointers = _Pointers(small)
    at, current = 0, 0
    for offset, header in walk(small.take, small.size):
        if header.service == CONFIGURE:
            pointers = _Pointers(small, {**pointers.names, **read_names(small.take, offset)})
        if current == chunk:
            is_event = header.service == L1_ACCEPT
            place = pointers.read(offset, header.size) if is_event else None
            size = _size_of(place, at) if is_event else parse_header(data.take, at).size
            if size > data.size - at:
                raise ValueError(f"it points beyond the file, from byte {at}")
            yield at, header._replace(size=size)
            at += size
        if header.service == ENABLE:
            switch = read_integers(small.take, offset, pointers.names, "chunkinfo", ("chunkid",))
            current = switch[0] if switch else current
    if at != data.size:
        raise ValueError(f"it ends at byte {at} of {data.size}")


@dataclass
class _Pointers:
    """Reads the places that small data point to."""

    small: Bytes
    names: Names = field(default_factory=dict)
    _form: bytes | bytearray = b""

    def read(self, offset: int, size: int) -> tuple[int, ...] | None:
        """Offset and size of an event in the file; None if nothing points to it."""
        start, end = offset + _TIME_BYTES, offset + size - _PLACE.size
        if self._form and self._form == self.small.take(start, end - start):
            return _PLACE.unpack(self.small.take(end, _PLACE.size))
        fields = ("intOffset", "intDgramSize")
        found = read_integers(self.small.take, offset, self.names, "smdinfo", fields)
        # All others that look the same but for the two numbers at the end need no parsing.
        if found and tuple(found) == _PLACE.unpack(self.small.take(end, _PLACE.size)):
            self._form = self.small.take(start, end - start)
        return None if found is None else tuple(found)


def _size_of(place: tuple[int, ...] | None, expected: int) -> int:
    if place is None or place[0] != expected or place[1] < HEADER_BYTES:
        raise ValueError(f"it does not point to the event at byte {expected}")
    return place[1]


def _verified(file: File, records: NDArray[np.void]) -> NDArray[np.void]:
    """The same datagrams, with the damage that small data do not tell of."""
    take, offsets = file.bytes().take, records["offset"].tolist()
    headers = ((offset, *parse_header(take, offset)) for offset in offsets)
    found = np.fromiter(headers, RECORD, count=len(records))
    for key in ("time", "service", "size"):
        if (found[key] != records[key]).any():
            raise ValueError(f"its {key} of a datagram is another one than in the file")
    return found
