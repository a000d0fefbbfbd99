"""What LCLS-I payloads mean: images, and event codes; here those of cameras, pnCCD and CSPAD.

Layouts as in SLAC's pdsdata (``psddl/camera.ddl.h``, ``pnccd.ddl.h``, ``cspad.ddl.h``,
``cspad2x2.ddl.h``, ``evr.ddl.h``; early pnCCD: ``pnCCD/fformat.h``). Little endian.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ..tiles import Tile, side_by_side
from .layout import IMAGES, Item, Octets, TypeId
from .panels import PANEL_CONFIGS, PANEL_KINDS
from .payload import (
    HEAD,
    Config,
    Kind,
    Layout,
    check_size,
    flat,
    needed_config,
    undecodable,
    unpack,
)

_CONFIGS: Mapping[int, tuple[int, ...]] = {
    TypeId.PNCCD_FRAME: (TypeId.PNCCD_CONFIG,),
    TypeId.CSPAD: (TypeId.CSPAD_CONFIG,),
    **PANEL_CONFIGS,
}
"""The types that say how data of a type are arranged, one of which a source has."""

_CAMERA_HEADER = 16

_LINK_SHAPE = (512, 512)
_LINK_HEADER = 16
_LINKS = 4
_LINK_TILES = (
    Tile((0, 0), False),
    Tile((512, 0), True),
    Tile((512, 512), True),
    Tile((0, 512), False),
)
"""Where the links lie in the image; both lower ones are turned."""
_EARLY_HEADER = 64

_QUADS, _SECTIONS = 4, 8
_SECTION_SHAPE = (185, 388)
_QUAD_HEADER, _QUAD_TRAILER = 32, 4
_SECTION_BYTES = 2 * _SECTION_SHAPE[0] * _SECTION_SHAPE[1]

# Words of the masks of ASICs, quadrants and sections in the config, by its version.
_CSPAD_MASKS = {1: (9, 10, None), 2: (9, 10, 11), 3: (18, 19, 20), 4: (18, 19, 20), 5: (19, 20, 21)}


def is_image(kind: int) -> bool:
    """Whether payloads of that type are images, of any version."""
    return kind in IMAGES


def config_types(kind: int) -> tuple[int, ...]:
    """The types of configurations of which data of a type need one; none if they need none."""
    return _CONFIGS.get(kind, ())


def image_layout(kind: int, version: int, head: Octets, size: int, config: Config | None) -> Layout:
    """Shape and type of the image in a payload, from its first `HEAD` bytes and its size.

    Raises
    ------
    SourceError
        If the type and version are of no image that can be decoded.
    ValueError
        If the size does not fit.
    """
    return _kind(kind, version).layout(head, size, config)


def decode_image(item: Item, config: Config | None) -> tuple[NDArray[Any], Layout]:
    """The image in a payload, in memory that may be written to; errors as in `image_layout`."""
    kind = _kind(item.type, item.version)
    layout = kind.layout(item.payload[:HEAD], len(item.payload), config)
    return kind.decode(item.payload, layout), layout


def event_codes(item: Item, fiducial: int) -> NDArray[np.uint32]:
    """The event codes of this very pulse (codes,); the list of an EVR may hold those of others.

    Raises
    ------
    SourceError
        For another version.
    ValueError
        If the payload is too short for its number of entries.
    """
    if item.version not in (3, 4):
        raise undecodable(item.type, item.version)
    count = int.from_bytes(item.payload[:4], "little")
    check_size("event codes", len(item.payload), 4 + 12 * count)
    entries = np.frombuffer(item.payload, "<u4", count=3 * count, offset=4).reshape(count, 3)
    return np.compress(entries[:, 0] == fiducial, entries[:, 2])


def _kind(kind: int, version: int) -> Kind:
    if (kind, version) not in _KINDS:
        raise undecodable(kind, version)
    return _KINDS[kind, version]


def _camera_layout(head: Octets, size: int, config: Config | None) -> Layout:
    width, height, depth, offset = unpack("<4I", head)
    pixel = (depth + 7) // 8
    if pixel not in (1, 2, 4) or not width * height:
        raise ValueError(f"a frame of {height} x {width} pixels of {depth} bits cannot be")
    check_size("a frame", size, _CAMERA_HEADER + width * height * pixel)
    told = {"depth": depth, "offset": offset}
    return Layout((height, width), f"<u{pixel}", told=told, start=_CAMERA_HEADER)


def _pnccd_layout(head: Octets, size: int, config: Config | None) -> Layout:
    _, version, text = needed_config(config, "pnCCD")
    if version not in (1, 2):
        raise undecodable(TypeId.PNCCD_CONFIG, version)
    links, link_bytes = unpack("<2I", text)
    rows, columns = _LINK_SHAPE
    if (links, link_bytes) != (_LINKS, _LINK_HEADER + 2 * rows * columns):
        raise SourceError(
            f"pnCCD with {links} links of {link_bytes} bytes cannot be decoded, only 4 of 524304"
        )
    check_size("4 pnCCD links", size, links * link_bytes)
    return Layout((2 * rows, 2 * columns), "<u2", told={"tiles": _LINK_TILES})


def _pnccd(payload: memoryview, layout: Layout) -> NDArray[Any]:
    """The four links as one image."""
    words = np.frombuffer(payload, "<u2", len(payload) // 2).reshape(_LINKS, -1)
    links = words[:, _LINK_HEADER // 2 :].reshape(_LINKS, *_LINK_SHAPE)
    return side_by_side(links, _LINK_TILES, layout.shape)


def _early_pnccd_layout(head: Octets, size: int, config: Config | None) -> Layout:
    _, version, text = needed_config(config, "pnCCD")
    if version != 6:
        raise undecodable(TypeId.PNCCD_CONFIG, version)
    (frame_header,), (columns,) = unpack("<H", text, 2), unpack("<H", text, 88)
    (rows,) = unpack("<H", head, 26)
    if frame_header != _EARLY_HEADER or not rows * columns:
        raise ValueError(
            f"pnCCD frame of {rows} x {columns} with a header of {frame_header} bytes cannot be"
        )
    check_size("a pnCCD frame", size, _EARLY_HEADER + 2 * rows * columns)
    return Layout((rows, columns), "<i2", start=_EARLY_HEADER)


def _cspad_sections(config: Config | None, version: int) -> dict[int, int]:
    """Bit masks of the sections that the data hold, by quadrant."""
    _, config_version, text = needed_config(config, "CSPAD")
    if config_version not in _CSPAD_MASKS:
        raise undecodable(TypeId.CSPAD_CONFIG, config_version)
    asics, quads, regions = (
        None if word is None else unpack("<I", text, 4 * word)[0]
        for word in _CSPAD_MASKS[config_version]
    )
    whole = 0x3 if (asics or 0) & 0xF == 1 else 0xFF
    if version == 2 and regions is None:
        raise undecodable(TypeId.CSPAD_CONFIG, config_version)
    masks = (whole if version == 1 else (regions or 0) >> 8 * quad & 0xFF for quad in range(_QUADS))
    return {quad: mask for quad, mask in enumerate(masks) if (quads or 0) >> quad & 1}


def _cspad_layout(version: int) -> Callable[[Octets, int, Config | None], Layout]:
    def layout(head: Octets, size: int, config: Config | None) -> Layout:
        sections = _cspad_sections(config, version)
        modules = tuple(
            _SECTIONS * quad + section
            for quad, mask in sections.items()
            for section in range(_SECTIONS)
            if mask >> section & 1
        )
        needed = len(sections) * _QUAD_HEADER + len(modules) * _SECTION_BYTES
        if not modules or size - needed not in (0, len(sections) * _QUAD_TRAILER):
            raise ValueError(
                f"CSPAD with {len(sections)} quadrants and {len(modules)} sections "
                f"needs {needed} bytes, its payload has {size}"
            )
        return Layout((len(modules), *_SECTION_SHAPE), "<i2", modules)

    return layout


def _cspad(payload: memoryview, layout: Layout) -> NDArray[Any]:
    """The sections in the order of their numbers, whatever the order of the quadrants."""
    numbers = np.array(layout.modules)
    extra = len(payload) - len(numbers) * _SECTION_BYTES
    trailer = _QUAD_TRAILER if extra % _QUAD_HEADER else 0
    stack, missing, place = np.empty(layout.shape, layout.dtype), set(numbers.tolist()), 0
    while place < len(payload):
        quad = unpack("<I", payload, place + 4)[0] >> 24 & 0x3
        planes = np.flatnonzero(numbers // _SECTIONS == quad)
        place += _QUAD_HEADER
        size = len(planes) * _SECTION_BYTES
        if place + size > len(payload):
            raise ValueError("the quadrants of a CSPAD are not those of its configuration")
        pixels = np.frombuffer(payload[place : place + size], "<i2")
        stack[planes] = pixels.reshape(len(planes), *_SECTION_SHAPE)
        place += size + trailer
        missing -= set(numbers[planes].tolist())
    if missing:
        raise ValueError(f"CSPAD without its sections {sorted(missing)}")
    return stack


def _cspad_2x2_layout(head: Octets, size: int, config: Config | None) -> Layout:
    check_size("CSPAD 2x2", size, _QUAD_HEADER + 2 * _SECTION_BYTES)
    return Layout((2, *_SECTION_SHAPE), "<i2", (0, 1))


def _cspad_2x2(payload: memoryview, layout: Layout) -> NDArray[Any]:
    pixels = np.frombuffer(payload, "<i2", 2 * _SECTION_BYTES // 2, _QUAD_HEADER)
    return np.moveaxis(pixels.reshape(*_SECTION_SHAPE, 2), -1, 0).copy()


_KINDS: dict[tuple[int, int], Kind] = {
    (TypeId.FRAME, 1): Kind(_camera_layout, flat),
    (TypeId.PNCCD_FRAME, 1): Kind(_pnccd_layout, _pnccd),
    (TypeId.PNCCD_FRAME, 6): Kind(_early_pnccd_layout, flat),
    (TypeId.CSPAD, 1): Kind(_cspad_layout(1), _cspad),
    (TypeId.CSPAD, 2): Kind(_cspad_layout(2), _cspad),
    (TypeId.CSPAD_2X2, 1): Kind(_cspad_2x2_layout, _cspad_2x2),
    **PANEL_KINDS,
}
"""The images that can be decoded, by type and version."""
