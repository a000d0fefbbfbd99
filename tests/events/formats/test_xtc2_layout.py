"""Bytes of xtc2 mean what the format says: golden bytes, and whatever the writer writes."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest
from helpers.formats import xtc2 as writer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from spring_mpi.events.formats.lcls2.layout import (
    CONFIGURE,
    L1_ACCEPT,
    NAMES,
    SHAPES_DATA,
    Block,
    Field,
    Header,
    Node,
    content,
    nodes,
    parse_header,
    parse_names,
    parse_value,
)

# Typed by hand: one camera "cam", algorithm "raw", segment 3, with "image" (u16, two axes),
# "gain" (float64, no axis) and "note" (text), under the source 0x105.
CONFIGURE_BYTES = (
    bytes.fromhex("02000000 01000000  00000002")  # 2 ns, 1 s; transition 2
    + bytes.fromhex("00000000 0000 0000 480a0000")  # node: parent, 12 + 2620 bytes
    + bytes.fromhex("05010000 0000 0400 3c0a0000")  # node: names, 12 + 1036 + 3 * 524 = 2620
    + bytes.fromhex("01000000")  # arrays
    + b"epix".ljust(256, b"\0")  # type of the detector
    + b"cam".ljust(256, b"\0")  # name of the detector
    + b"1234-5".ljust(256, b"\0")  # serial number
    + b"raw\0garbage".ljust(256, b"\0")  # algorithm
    + bytes.fromhex("03020100")  # its version 1.2.3
    + bytes.fromhex("03000000")  # segment
    + (b"".ljust(256, b"\0") + bytes(4) + b"image".ljust(256, b"\0"))
    + bytes.fromhex("01000000 02000000")  # u16, two axes
    + (b"".ljust(256, b"\0") + bytes(4) + b"gain".ljust(256, b"\0"))
    + bytes.fromhex("09000000 00000000")  # float64, no axis
    + (b"".ljust(256, b"\0") + bytes(4) + b"note".ljust(256, b"\0"))
    + bytes.fromhex("0a000000 01000000")  # text, one axis
)
EVENT_BYTES = (
    bytes.fromhex("ffc99a3b 01000000  7f00400c")  # 999999999 ns, 1 s; transition 12, other bits
    + bytes.fromhex("00000010 1000 0000 70000000")  # node: parent, damage bit 4, 112 bytes
    + bytes.fromhex("05010000 0000 0100 64000000")  # node: shapes and data, 100 bytes
    + bytes.fromhex("00000000 0000 0200 34000000")  # node: shapes, 12 + 2 * 20
    + bytes.fromhex("02000000 03000000 ffffffff ffffffff ffffffff")  # image (2, 3)
    + bytes.fromhex("04000000 ffffffff ffffffff ffffffff ffffffff")  # note (4,)
    + bytes.fromhex("00000000 0000 0300 24000000")  # node: data, 12 + 12 + 8 + 4
    + bytes.fromhex("0100 0200 0300 0400 0500 ffff")
    + bytes.fromhex("000000000000f8bf")  # -1.5
    + b"ok\0\0"
)
BLOCK = Block(
    "cam",
    "raw",
    3,
    (
        Field("image", np.dtype("<u2"), 2, False),
        Field("gain", np.dtype("<f8"), 0, False),
        Field("note", np.dtype("u1"), 1, True),
    ),
    "epix",
)


def taken(data: bytes) -> Callable[[int, int], bytes]:
    """The bytes as a file that can be read anywhere."""

    def take(offset: int, count: int) -> bytes:
        if offset + count > len(data):
            raise EOFError(offset)
        return data[offset : offset + count]

    return take


def read_block(data: bytes) -> Block:
    """The block of the only names in a node's bytes."""
    return parse_names(taken(data), next(nodes(taken(data), 0, len(data))))


def test_golden_configure() -> None:
    """A Configure typed by hand declares what it says."""
    take = taken(CONFIGURE_BYTES)
    header = parse_header(take, 0)
    (names,) = content(take, 0, header)
    assert header == Header((1 << 32) + 2, CONFIGURE, 0, len(CONFIGURE_BYTES))
    assert names == Node(NAMES, 0x105, 0, 36, len(CONFIGURE_BYTES))
    assert parse_names(take, names) == BLOCK


def test_golden_event() -> None:
    """An event typed by hand holds what it says; bits that mean nothing here change nothing."""
    take = taken(EVENT_BYTES)
    header = parse_header(take, 0)
    (part,) = content(take, 0, header)
    assert header == Header((1 << 32) + 999_999_999, L1_ACCEPT, 0x10, len(EVENT_BYTES))
    assert part == Node(SHAPES_DATA, 0x105, 0, 36, len(EVENT_BYTES))
    assert parse_value(take, part, BLOCK, "image").tolist() == [[1, 2, 3], [4, 5, 65535]]
    assert parse_value(take, part, BLOCK, "gain").item() == -1.5
    assert parse_value(take, part, BLOCK, "note").item() == "ok"


def test_writer_writes_the_golden_bytes() -> None:
    """The writer of the tests agrees with the bytes typed by hand, where both can."""
    image = np.array([[1, 2, 3], [4, 5, 65535]], np.uint16)
    assert writer.values(0x105, [image, -1.5, "ok"]) == EVENT_BYTES[24:]
    assert writer.datagram((1 << 32) + 2, writer.CONFIGURE)[:12] == CONFIGURE_BYTES[:12]


TYPES = {code: np.dtype(name) for name, code in writer.CODES.items()}


@given(data=st.data())
def test_values_of_any_type_and_shape(data: st.DataObject) -> None:
    """Any arrays under any names are read as they were written, in either order of the parts."""
    shapes = data.draw(st.lists(nps.array_shapes(min_dims=0, max_dims=5, max_side=3), max_size=4))
    codes = data.draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=4, max_size=4))
    pairs = zip(codes, shapes, strict=False)
    arrays = [data.draw(nps.arrays(TYPES[code], shape)) for code, shape in pairs]
    fields = {f"f{n}": (codes[n], array.ndim) for n, array in enumerate(arrays)}
    block = read_block(writer.names(7, "det", "alg", fields, segment=2))
    written = writer.values(7, arrays, data_first=data.draw(st.booleans()))
    (part,) = nodes(taken(written), 0, len(written))
    read = [parse_value(taken(written), part, block, name) for name in fields]
    assert (block.detector, block.algorithm, block.segment) == ("det", "alg", 2)
    assert [(one.dtype, one.shape) for one in read] == [(one.dtype, one.shape) for one in arrays]
    assert [one.tobytes() for one in read] == [one.tobytes() for one in arrays]


def test_parents_are_opened() -> None:
    """Nodes inside parents are found in their order, those of a corrupted parent are not."""
    inner = writer.node(writer.DATA, b"abcd", source=1)
    corrupted = writer.node(writer.PARENT, inner, source=2, damage=1 << 3)
    tree = writer.node(writer.PARENT, writer.node(writer.PARENT, inner) + corrupted) + inner
    found = [(one.kind, one.source) for one in nodes(taken(tree), 0, len(tree))]
    assert found == [(writer.DATA, 1), (writer.PARENT, 2), (writer.DATA, 1)]


@pytest.mark.parametrize("extent", [0, 1, 11, 17, 0xFFFFFFFF])
def test_extents_that_cannot_be(extent: int) -> None:
    """A node that ends outside its parent, or before it begins, is told with its place."""
    data = bytes(24) + struct.pack("<IHHI", 0, 0, writer.DATA, extent) + b"abcd"
    with pytest.raises(ValueError, match=f"byte 24: a record of {extent} bytes cannot be there"):
        list(nodes(taken(data), 24, len(data)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((8, 0x0F000000), "byte 0: the header of a datagram is damaged"),
        ((16, 0x00010000), "byte 0: the header of a datagram is damaged"),
        ((20, 11), "byte 0: the header of a datagram is damaged"),
        ((4, 0x80000000), "byte 0: the header of a datagram is damaged"),
    ],
)
def test_headers_that_cannot_be(change: tuple[int, int], reason: str) -> None:
    """Unknown transition, wrong kind, too small, time beyond 63 bits."""
    data = bytearray(EVENT_BYTES)
    struct.pack_into("<I", data, *change)
    with pytest.raises(ValueError, match=reason):
        parse_header(taken(bytes(data)), 0)


@pytest.mark.parametrize(
    ("shape", "name"), [((1 << 31, 1 << 31, 4), "a"), ((3,), "a"), ((1, 2), "b")]
)
def test_values_that_do_not_fit(shape: tuple[int, ...], name: str) -> None:
    """Lengths that ask for more than there is take no memory, and are told."""
    block = read_block(writer.names(7, "det", "alg", {"a": (1, len(shape)), "b": (3, 0)}))
    lengths = struct.pack("<5I", *shape, *[0] * (5 - len(shape)))
    parts = writer.node(writer.SHAPES, lengths) + writer.node(writer.DATA, b"abcd")
    data = writer.node(writer.SHAPES_DATA, parts, source=7)
    (part,) = nodes(taken(data), 0, len(data))
    with pytest.raises(ValueError, match=f"{name} .*does not fit into its record"):
        parse_value(taken(data), part, block, name)


@pytest.mark.parametrize(("code", "rank"), [(13, 0), (1, 6)])
def test_unknown_types(code: int, rank: int) -> None:
    """A type or a number of axes that the format does not have is an error."""
    with pytest.raises(ValueError, match="unknown type or too many axes"):
        read_block(writer.names(7, "det", "alg", {"a": (code, rank)}))


def test_names_cut_off() -> None:
    """Names that end within a field are an error."""
    whole = writer.names(7, "det", "alg", {"a": (1, 0)})
    cut = writer.node(writer.NAMES, whole[12:-1], source=7)
    with pytest.raises(ValueError, match="names is cut off"):
        read_block(cut)
