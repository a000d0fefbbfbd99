"""Bytes of the LCLS-II event format (xtc2): datagrams, the tree inside them, names and values.

Little-endian, without padding or a file header; layouts as in the headers of SLAC's ``xtcdata``
(``Dgram.hh``, ``Xtc.hh``, ``TransitionId.hh``, ``Damage.hh``, ``ShapesData.hh``):

- datagram: u64 time (seconds << 32 | nanoseconds), u32 env (transition in the bits 24-27), node;
- node: u32 source, u16 damage, u16 kind (low 12 bits), u32 extent with these 12 bytes, payload;
- names, in a Configure: what the payload of every node of the same source holds;
- shapes-and-data: a node with the lengths of the arrays and one with all values, in any order.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Take = Callable[[int, int], bytes | bytearray]
"""``take(offset, count)``: that many bytes from there; `EOFError` where they are not."""

HEADER_BYTES = 24
LARGEST = 1 << 24
"""Bytes of the largest datagram that the data acquisition allows for."""

CONFIGURE, BEGIN_RUN, BEGIN_STEP, ENABLE, SLOW_UPDATE, L1_ACCEPT = 2, 4, 6, 8, 10, 12
PARENT, SHAPES_DATA, SHAPES, DATA, NAMES = range(5)

_HEADER = struct.Struct("<QIIHHI")
_NODE = struct.Struct("<IHHI")
_LAST_OF_BATCH = 11  # an event like any other
_CORRUPTED = 1 << 3
_KIND_BITS = 0xFFF
_SOURCE_BITS = 0x0FFFFFFF

_INFO = np.dtype(
    [
        ("arrays", "<u4"), ("type", "S256"), ("detector", "S256"), ("id", "S256"),
        ("algorithm", "S256"), ("version", "<u4"), ("segment", "<u4"),
    ]
)  # fmt: skip
_NAME = np.dtype(
    [("algorithm", "S256"), ("version", "<u4"), ("name", "S256"), ("type", "<u4"), ("rank", "<u4")]
)
_MOST_AXES = 5
_SHAPE_BYTES = 4 * _MOST_AXES  # as many lengths for every array, whatever its rank
_TEXT = 10
# The 11th are texts, the last two the value of an enumeration and its meaning.
_TYPES = tuple(map(np.dtype, "u1 <u2 <u4 <u8 i1 <i2 <i4 <i8 <f4 <f8 u1 <i4 <i4".split()))  # noqa: SIM905


class Header(NamedTuple):
    """The first 24 bytes of a datagram."""

    time: int
    """Seconds << 32 | nanoseconds."""
    service: int
    """The transition: `CONFIGURE`, ..., `L1_ACCEPT` for an event."""
    damage: int
    size: int
    """Bytes to the next datagram, these 24 included."""

    @property
    def is_corrupted(self) -> bool:
        """Whether the payload must not be interpreted."""
        return bool(self.damage & _CORRUPTED)


class Node(NamedTuple):
    """A part of a datagram that is no parent of others."""

    kind: int
    source: int
    """What joins values to their names."""
    damage: int
    start: int
    """Offset of the payload in the file."""
    end: int


@dataclass(frozen=True)
class Field:
    """One value of a `Block`."""

    name: str
    dtype: np.dtype[Any]
    rank: int
    is_text: bool


@dataclass(frozen=True)
class Block:
    """What one names record declares: the values of one segment under one algorithm."""

    detector: str
    algorithm: str
    segment: int
    fields: tuple[Field, ...]
    kind: str = ""
    """Type of the detector, ``epix10ka`` for ``epixquad``."""


Place = tuple[Field, tuple[int, ...], int]
"""A field, the shape of its values, and the offset of their first byte in the file."""


def parse_header(take: Take, offset: int) -> Header:
    """The header of the datagram at the offset.

    Raises
    ------
    ValueError
        If these bytes cannot be one.
    EOFError
        If the file ends before.
    """
    time, env, _, damage, contains, extent = _HEADER.unpack(take(offset, HEADER_BYTES))
    service = env >> 24 & 0xF
    possible = extent >= _NODE.size and contains & _KIND_BITS == PARENT and service <= L1_ACCEPT
    # A time is a number of a pid, which is a signed one.
    if not possible or time >> 63:
        raise ValueError(f"byte {offset}: the header of a datagram is damaged")
    if service == _LAST_OF_BATCH:
        service = L1_ACCEPT
    return Header(time, service, damage, HEADER_BYTES - _NODE.size + extent)


def nodes(take: Take, start: int, end: int) -> Iterator[Node]:
    """The nodes between two offsets, parents replaced by what they hold.

    A parent that is marked as corrupted is given as it is.

    Raises
    ------
    ValueError
        If a node does not end inside its parent.
    """
    ends, at = [end], start
    while ends:
        if at == ends[-1]:
            ends.pop()
            continue
        if ends[-1] - at < _NODE.size:
            raise ValueError(f"byte {at}: too little is left for a record")
        source, damage, contains, extent = _NODE.unpack(take(at, _NODE.size))
        if not _NODE.size <= extent <= ends[-1] - at:
            raise ValueError(f"byte {at}: a record of {extent} bytes cannot be there")
        kind = contains & _KIND_BITS
        if kind == PARENT and not damage & _CORRUPTED:
            ends.append(at + extent)
            at += _NODE.size
        else:
            yield Node(kind, source & _SOURCE_BITS, damage, at + _NODE.size, at + extent)
            at += extent


def content(take: Take, offset: int, header: Header) -> Iterator[Node]:
    """The nodes of a datagram; none if it is marked as corrupted."""
    if not header.is_corrupted:
        yield from nodes(take, offset + HEADER_BYTES, offset + header.size)


def parse_names(take: Take, node: Node) -> Block:
    """The block that a `NAMES` node declares.

    Raises
    ------
    ValueError
        If it is cut off, or a field has an unknown type or too many axes.
    """
    count, rest = divmod(node.end - node.start - _INFO.itemsize, _NAME.itemsize)
    if count < 0 or rest:
        raise ValueError(f"byte {node.start}: a record of names is cut off")
    payload = take(node.start, node.end - node.start)
    info = np.frombuffer(payload, _INFO, count=1)[0]
    names = np.frombuffer(payload, _NAME, offset=_INFO.itemsize)
    if (names["type"] >= len(_TYPES)).any() or (names["rank"] > _MOST_AXES).any():
        raise ValueError(f"byte {node.start}: a field has an unknown type or too many axes")
    return Block(
        _text(info["detector"]),
        _text(info["algorithm"]),
        int(info["segment"]),
        tuple(
            Field(_text(name), _TYPES[kind], int(rank), kind == _TEXT)
            for name, kind, rank in zip(names["name"], names["type"], names["rank"], strict=True)
        ),
        _text(info["type"]),
    )


def places(take: Take, node: Node, block: Block) -> Iterator[Place]:
    """The places of all fields of a `SHAPES_DATA` node.

    Raises
    ------
    ValueError
        If the values would not lie inside the node, or are marked as corrupted.
    """
    if node.damage & _CORRUPTED:
        raise ValueError(f"byte {node.start}: the values are marked as corrupted")
    parts = {part.kind: part for part in nodes(take, node.start, node.end)}
    data = parts.get(DATA)
    if data is None:
        raise ValueError(f"byte {node.start}: a record has no values")
    # Behind the axes that an array has, its shape holds anything.
    shapes = iter(_shapes(take, parts[SHAPES]) if SHAPES in parts else [])
    at = data.start
    for field in block.fields:
        shape = tuple(next(shapes, [])[: field.rank]) if field.rank else ()
        size = math.prod(shape) * field.dtype.itemsize
        if len(shape) < field.rank or size > data.end - at:
            raise ValueError(f"byte {at}: {field.name} {shape} does not fit into its record")
        yield field, shape, at
        at += size


def find_value(take: Take, node: Node, block: Block, name: str) -> Place:
    """The place of one field; errors as of `parse_value`."""
    for place in places(take, node, block):
        if place[0].name == name:
            return place
    raise KeyError(f"no field {name!r}")


def parse_value(take: Take, node: Node, block: Block, name: str) -> NDArray[Any]:
    """The value of one field of a `SHAPES_DATA` node; a text is a 0-d array of ``str``.

    Raises
    ------
    ValueError
        If it does not lie inside the node.
    KeyError
        If the block has no such field.
    """
    field, shape, start = find_value(take, node, block, name)
    data = take(start, math.prod(shape) * field.dtype.itemsize)
    if field.is_text:
        return np.array(_text(data))
    return np.frombuffer(data, field.dtype).reshape(shape)


def _shapes(take: Take, node: Node) -> list[list[int]]:
    count = (node.end - node.start) // _SHAPE_BYTES
    lengths = np.frombuffer(take(node.start, count * _SHAPE_BYTES), "<u4")
    return lengths.reshape(count, _SHAPE_BYTES // 4).tolist()


def _text(data: bytes | bytearray) -> str:
    return bytes(data).partition(b"\0")[0].decode("utf-8", "replace")
