"""Writes the data of ePix and Jungfrau as XTC files of LCLS-I hold them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .xtc import SOURCE, Source, container

EPIX = (SOURCE | 0x1234, 48 << 24 | 29 << 8)
EPIX_100A = (SOURCE | 0x1234, 48 << 24 | 35 << 8)
EPIX_10KA = (SOURCE | 0x1234, 48 << 24 | 45 << 8)
EPIX_10KA_2M = (SOURCE | 0x1234, 48 << 24 | 48 << 8)
JUNGFRAU = (SOURCE | 0x1234, 32 << 24 | 43 << 8)
JUNGFRAU_SEGMENT = (SOURCE | 0x1234, 32 << 24 | 8 << 16 | 51 << 8 | 3)

CALIBRATION, ENVIRONMENT = 2, 1
"""Rows of an ASIC of newer ePix beside those of the frame."""


def old_epix_config(
    kind: int, words_before: int, shape: tuple[int, int], excluded: int, source: Source = EPIX
) -> bytes:
    """Of 2 x 2 ASICs whose last rows are excluded: types 74 and 83."""
    rows, columns = shape
    sizes = [excluded, 2, 2, (rows + excluded) // 2, columns // 2]
    return _config(kind, 1, [7] * words_before + sizes, source)


def epix_config(
    kind: int, version: int, words_before: int, shape: tuple[int, int], source: Source
) -> bytes:
    """Of 2 x 2 ASICs with rows for calibration and environment: types 84, 88 and 112."""
    rows, columns = shape
    sizes = [2, 2, rows // 2 + 1, rows // 2, columns // 2, CALIBRATION, ENVIRONMENT]
    return _config(kind, version, [7] * words_before + sizes, source)


def generic_epix_config(shape: tuple[int, int], excluded: int, asics: int = 4) -> bytes:
    """Of type 85, GenericPgp."""
    return _config(85, 1, [7, *shape, excluded, shape[1], 1, asics], EPIX)


def epix(
    pixels: NDArray[np.uint16], version: int, others: int, source: Source = EPIX, cut: int = 0
) -> bytes:
    """A frame (rows, columns), and so many other rows behind it; ``cut`` bytes are missing."""
    behind = np.full((others, pixels.shape[1]), 0xBEEF, np.uint16).tobytes()
    payload = bytes(range(32)) + pixels.tobytes() + behind + bytes(4 * 2 + 4)
    return container(payload[: len(payload) - cut], 75, version, source)


def epix_10ka_config(panels: int, version: int = 2) -> bytes:
    """Of type 117 with 16 panels or 120 with 4; nothing in it tells a size."""
    return _config({16: 117, 4: 120}[panels], version, [7] * 100, EPIX_10KA_2M)


def epix_10ka(panels: NDArray[np.uint16], cut: int = 0) -> bytes:
    """Frames (panels, 352, 384), behind them rows and temperatures of all of them."""
    count = len(panels)
    behind = np.full(count * ((4 + 2) * 384 + 4), 0xBEEF, np.uint16).tobytes()
    payload = struct.pack("<I", 12) + panels.tobytes() + behind
    return container(payload[: len(payload) - cut], 118, 1, EPIX_10KA_2M)


def jungfrau_config(
    shape: tuple[int, int, int], version: int = 3, source: Source = JUNGFRAU
) -> bytes:
    """Of modules, rows and columns."""
    return _config(107, version, [*shape, 200, 0, 0, 0, 0], source)


def jungfrau(
    modules: NDArray[np.uint16], version: int = 2, cut: int = 0, source: Source = JUNGFRAU
) -> bytes:
    """Frames (modules, rows, columns)."""
    head = struct.pack("<3I", 1, 2, 3)
    if version == 2:
        told = (struct.pack("<QI4H", 5, 6, number, 0, 0, 0) for number in range(len(modules)))
        head = struct.pack("<Q2I", 1, 2, 3) + b"".join(told)
    payload = head + modules.tobytes()
    return container(payload[: len(payload) - cut], 108, version, source)


def _config(kind: int, version: int, words: Sequence[int], source: Source) -> bytes:
    return container(struct.pack(f"<{len(words)}I", *words) + bytes(200), kind, version, source)
