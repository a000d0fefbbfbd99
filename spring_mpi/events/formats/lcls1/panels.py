"""ePix and Jungfrau of LCLS-I: raw frames whose pixels may hold gain bits.

Layouts as in SLAC's psddldata (``epix.ddl``, ``jungfrau.ddl``, ``genericpgp.ddl``). Little endian.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .layout import Octets, TypeId
from .payload import Config, Kind, Layout, check_size, flat, needed_config, undecodable, unpack

PANEL_CONFIGS: dict[int, tuple[int, ...]] = {
    TypeId.EPIX_ELEMENT: (
        TypeId.EPIX_CONFIG, TypeId.EPIX_10K_CONFIG, TypeId.EPIX_100A_CONFIG, TypeId.EPIX_S_CONFIG,
        TypeId.EPIX_10KA_CONFIG, TypeId.GENERIC_PGP_CONFIG,
    ),
    TypeId.EPIX_10KA_ARRAY: (TypeId.EPIX_10KA_2M_CONFIG, TypeId.EPIX_10KA_QUAD_CONFIG),
    TypeId.JUNGFRAU_ELEMENT: (TypeId.JUNGFRAU_CONFIG,),
}  # fmt: skip
"""The types that say how data of a type are arranged, one of which a source has."""

_EPIX_HEADER, _EPIX_TRAILER = 32, 4
_ARRAY_HEADER = 4
_JUNGFRAU_HEADERS = {1: (12, 0), 2: (16, 20)}
"""Bytes before the frames, and of these for each module, by the version of the data."""
_JUNGFRAU_CONFIGS = (1, 2, 3, 4)


class _Panel(NamedTuple):
    """What an ePix reads out; rows of the whole panel."""

    rows: int
    columns: int
    others: int
    """Rows beside those of the frame: excluded ones, or those for calibration and environment."""
    asics: int

    @property
    def size(self) -> int:
        """Bytes of the rows and of the temperatures."""
        return 2 * (self.rows + self.others) * self.columns + 2 * self.asics


_ELEMENT_10KA = _Panel(352, 384, 2 * (2 + 1), 4)
"""A panel of those that are read out together."""
_ARRAYS = {TypeId.EPIX_10KA_2M_CONFIG: 16, TypeId.EPIX_10KA_QUAD_CONFIG: 4}
"""So many panels has a detector with such a configuration."""

_EPIX_CONFIGS: dict[tuple[int, int], tuple[int, str]] = {
    (TypeId.EPIX_CONFIG, 1): (21, ""),
    (TypeId.EPIX_10K_CONFIG, 1): (23, "epix10k"),
    (TypeId.EPIX_100A_CONFIG, 1): (23, "epix100a"),
    (TypeId.EPIX_100A_CONFIG, 2): (32, "epix100a"),
    (TypeId.EPIX_S_CONFIG, 1): (25, "epixs"),
    (TypeId.EPIX_10KA_CONFIG, 1): (32, "epix10ka"),
    (TypeId.EPIX_10KA_CONFIG, 2): (32, "epix10ka"),
    (TypeId.GENERIC_PGP_CONFIG, 1): (1, ""),
}
"""First of the words with the sizes, and the kind of the detector, by type and version."""
_WITH_EXCLUDED_ROWS = (TypeId.EPIX_CONFIG, TypeId.EPIX_10K_CONFIG)


def _panel(config: Config) -> _Panel:
    """What a panel with such a configuration reads out."""
    if (config.type, config.version) not in _EPIX_CONFIGS:
        raise undecodable(config.type, config.version)
    place, _ = _EPIX_CONFIGS[config.type, config.version]
    words = unpack("<7I", config.payload, 4 * place)
    if config.type == TypeId.GENERIC_PGP_CONFIG:
        rows, columns, excluded, _, _, asics, _ = words
        return _Panel(rows, columns, excluded, asics)
    if config.type in _WITH_EXCLUDED_ROWS:
        excluded, across, down, rows, columns = words[:5]
        return _Panel(down * rows - excluded, across * columns, excluded, across * down)
    across, down, _, rows, columns, calibration, environment = words
    others = down * (calibration + environment)
    return _Panel(down * rows, across * columns, others, across * down)


def _epix_layout(head: Octets, size: int, config: Config | None) -> Layout:
    found = needed_config(config, "ePix")
    panel = _panel(found)
    _check_pixels("ePix", 1, panel.rows, panel.columns)
    check_size("an ePix frame", size, _EPIX_HEADER + panel.size + _EPIX_TRAILER)
    kind = _EPIX_CONFIGS[found.type, found.version][1]
    return Layout((panel.rows, panel.columns), "<u2", kind=kind, start=_EPIX_HEADER)


def _array_layout(head: Octets, size: int, config: Config | None) -> Layout:
    found = needed_config(config, "ePix10ka")
    if found.version not in (1, 2):
        raise undecodable(found.type, found.version)
    panels = _ARRAYS[TypeId(found.type)]
    check_size("ePix10ka frames", size, _ARRAY_HEADER + panels * _ELEMENT_10KA.size)
    shape = panels, _ELEMENT_10KA.rows, _ELEMENT_10KA.columns
    return Layout(shape, "<u2", tuple(range(panels)), kind="epix10ka", start=_ARRAY_HEADER)


def _jungfrau_layout(version: int) -> Callable[[Octets, int, Config | None], Layout]:
    def layout(head: Octets, size: int, config: Config | None) -> Layout:
        found = needed_config(config, "Jungfrau")
        if found.version not in _JUNGFRAU_CONFIGS:
            raise undecodable(found.type, found.version)
        modules, rows, columns = unpack("<3I", found.payload)
        _check_pixels("Jungfrau", modules, rows, columns)
        header, of_module = _JUNGFRAU_HEADERS[version]
        start, shape = header + modules * of_module, (modules, rows, columns)
        check_size("Jungfrau frames", size, start + 2 * modules * rows * columns)
        return Layout(shape, "<u2", tuple(range(modules)), kind="jungfrau", start=start)

    return layout


def _check_pixels(what: str, modules: int, rows: int, columns: int) -> None:
    if min(modules, rows, columns) < 1:
        raise ValueError(f"{what} of {modules} x {rows} x {columns} pixels cannot be")


PANEL_KINDS: dict[tuple[int, int], Kind] = {
    **{(TypeId.EPIX_ELEMENT, version): Kind(_epix_layout, flat) for version in (1, 2, 3)},
    (TypeId.EPIX_10KA_ARRAY, 1): Kind(_array_layout, flat),
    **{
        (TypeId.JUNGFRAU_ELEMENT, version): Kind(_jungfrau_layout(version), flat)
        for version in _JUNGFRAU_HEADERS
    },
}
"""The images that can be decoded here, by type and version."""
