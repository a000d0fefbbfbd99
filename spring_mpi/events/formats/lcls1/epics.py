"""Slow-control (EPICS) values in LCLS-I data.

Layout as in SLAC's pdsdata (``psddl/epics.ddl.h``, as corrected in September 2013). A record with
values at a time has no name; a record of the configuration with the same source and number has it.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .layout import Item, TypeId

_log = logging.getLogger(__name__)

_HEADER = struct.Struct("<3h")
_NAME = slice(6, 70)
_VALUES = {
    14: ("S40", 20), 15: ("<i2", 22), 16: ("<f4", 20), 17: ("<u2", 22),
    18: ("u1", 23), 19: ("<i4", 20), 20: ("<f8", 24),
    28: ("S40", 74), 29: ("<i2", 98), 30: ("<f4", 120), 31: ("<u2", 492),
    32: ("u1", 91), 33: ("<i4", 116), 34: ("<f8", 152),
}  # fmt: skip
"""Type of the values, and where they begin, by the number of the record's type."""
_FIRST_NAMED = 28
_ALIAS = np.dtype(
    {
        "names": ["number", "name"],
        "formats": ["<i2", "S64"],
        "offsets": [0, 2],
        "itemsize": 72,
    }
)

Key = tuple[int, int, int]
"""The source's two words and the number of a variable."""


class Record(NamedTuple):
    """The values of one variable."""

    key: Key
    name: str
    """Empty where the record brings none."""
    values: NDArray[Any] | None
    """(values,), or () of a single one; None where the record ends before them, as that of a
    variable that was not connected when the run began: 72 bytes of header and name."""


def records_in(items: Iterable[Item]) -> Iterator[Record]:
    """The records among the data of a datagram; those without a known layout are passed over."""
    for item in items:
        if item.type == TypeId.EPICS and len(item.payload) >= _HEADER.size:
            record = _record(item)
            if record is not None:
                yield record


def names_in(items: Iterable[Item]) -> dict[str, Key]:
    """The variables that a configuration names, by name and by alias, connected or not."""
    items = list(items)
    named = {record.name: record.key for record in records_in(items) if record.name}
    return {**dict(_aliases(items)), **named}


def _record(item: Item) -> Record | None:
    number, kind, count = _HEADER.unpack_from(item.payload)
    if item.version != 1 or kind not in _VALUES:
        return None
    dtype, place = np.dtype(_VALUES[kind][0]), _VALUES[kind][1]
    key = item.log, item.phy, number
    name = _text(bytes(item.payload[_NAME])) if kind >= _FIRST_NAMED else ""
    if count < 0 or place + count * dtype.itemsize > len(item.payload):
        return Record(key, name, None)
    values = np.frombuffer(item.payload, dtype, count, place)
    if dtype.kind == "S":
        values = np.array([_text(value) for value in values.tolist()], dtype="U40")
    shape = () if count == 1 else (count,)
    return Record(key, name, values.reshape(shape).copy())


def _aliases(items: Iterable[Item]) -> Iterator[tuple[str, Key]]:
    for item in items:
        if (item.type, item.version) == (TypeId.EPICS_CONFIG, 1):
            count = int.from_bytes(item.payload[:4], "little", signed=True)
            present = max(len(item.payload) - 4, 0) // _ALIAS.itemsize
            if not 0 <= count <= present:
                _log.warning(
                    "EPICS names %d aliases in %d bytes: only %d are there",
                    count, len(item.payload), present,
                )  # fmt: skip
                count = present
            for number, name in np.frombuffer(item.payload, _ALIAS, count, 4).tolist():
                yield _text(name), (item.log, item.phy, number)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()
