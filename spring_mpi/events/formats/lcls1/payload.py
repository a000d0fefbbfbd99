"""What the decoders of LCLS-I payloads share: how an image lies in its payload, and checks."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from .layout import Octets, TypeId, decoded

HEAD = 64
"""So many bytes at a payload's begin tell the shape of its image."""


class Layout(NamedTuple):
    """How an image lies in its payload."""

    shape: tuple[int, ...]
    """(rows, columns) or (modules, rows, columns)."""
    dtype: str
    modules: tuple[int, ...] | None = None
    """Module numbers of a stack's planes."""
    told: Mapping[str, Any] = MappingProxyType({})
    """What else the payload says, for ``Frame.info``."""
    kind: str = ""
    """Kind of the detector, where type or configuration tell it better than its address."""
    start: int = 0
    """The byte where its pixels begin, if they lie one after the other; see `flat`."""


class Config(NamedTuple):
    """The configuration of a source."""

    type: int
    version: int
    payload: Octets


class Kind(NamedTuple):
    """How to decode payloads of one type and version."""

    layout: Callable[[Octets, int, Config | None], Layout]
    """From the first bytes of the payload, its size, and the configuration."""
    decode: Callable[[memoryview, Layout], NDArray[Any]]


def undecodable(kind: int, version: int) -> SourceError:
    """The error for data that stay bytes."""
    if kind == TypeId.SMALL_DATA_PROXY:
        return SourceError("the data are not in this small-data file; name the large file instead")
    if version & 0x8000:
        return SourceError(f"data of type {kind} are compressed, and cannot be decoded")
    return SourceError(
        f"data of type {kind} version {version} cannot be decoded; {decoded()}; other data can be "
        "had as bytes"
    )


def check_size(what: str, present: int, needed: int) -> None:
    """Raises `ValueError` unless the payload is what is needed, or that padded to 4 bytes."""
    if not needed <= present < needed + 4:
        raise ValueError(f"{what} of {needed} bytes in a payload of {present}")


def needed_config(config: Config | None, what: str) -> Config:
    """The configuration; `SourceError` where it is missing."""
    if config is None:
        raise SourceError(f"{what} cannot be decoded without its configuration, which is missing")
    return config


def unpack(layout: str, data: Octets, offset: int = 0) -> tuple[int, ...]:
    """Numbers from a header; `ValueError` where it is too short."""
    if offset + struct.calcsize(layout) > len(data):
        raise ValueError(f"a header of {len(data)} bytes is too short")
    return struct.unpack_from(layout, data, offset)


def flat(payload: memoryview, layout: Layout) -> NDArray[Any]:
    """The image whose pixels lie one after the other."""
    count = int(np.prod(layout.shape))
    image = np.frombuffer(payload, layout.dtype, count, layout.start).reshape(layout.shape)
    return image.copy() if payload.readonly else image
