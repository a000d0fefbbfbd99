"""Geometry files of CrystFEL (``.geom``): panels, bad regions and masks as ``name/key = value``.

After the manual page ``crystfel_geometry(5)``. Read are of each panel ``min_fs``, ``max_fs``,
``min_ss``, ``max_ss`` (inclusive), ``corner_x``, ``corner_y``, ``fs``, ``ss``, ``res``,
``coffset``, ``dimN``, ``no_index``, ``mask_edge_pixels``, its masks, and the raw values that mark
bad and saturated pixels, ``flag_lessthan``, ``flag_morethan``, ``flag_equal``, ``max_adu``; of the
whole detector ``clen`` and ``detector_shift_x``, ``_y``; and the regions whose names begin with
``bad``. Whatever else there is, is about other things than places and bad pixels.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .fields import Fields
from .flags import Place, ValueFlag, extents
from .layout import FileMask, Geometry, lay_out
from .panels import Panel, positions_of
from .regions import Corners, mark_region

_LONGEST = 200
_MASKS = range(8)
_MASK_KEYS = ("data", "file", "goodbits", "badbits")
_SYNONYMS = {"mask": "mask0_data", "mask_file": "mask0_file", "mask_good": "mask0_goodbits",
             "mask_bad": "mask0_badbits"}  # fmt: skip
"""Older names of keys."""
_KEYS = re.compile(
    r"(min|max)_(fs|ss|x|y)|fs|ss|corner_[xy]|res|coffset|clen|dim[0-9]|no_index|mask_edge_pixels|"
    r"detector_shift_[xy]|mask|mask_(file|good|bad)|mask[0-7]_(data|file|goodbits|badbits)|panel|"
    r"flag_(lessthan|morethan|equal)|max_adu|saturation_map"
)
_FLAGS = {"flag_lessthan": "<", "flag_morethan": ">", "flag_equal": "=", "max_adu": ">"}
"""Keys with raw values that exclude pixels, and how; all are strict, not inclusive."""

_EXCLUDING = re.compile(r"mask[0-7]_data|mask_edge_pixels|no_index|flag_|max_adu")


@dataclass(frozen=True)
class _File:
    """All that a file says."""

    whole: Fields
    panels: dict[str, Fields]
    regions: dict[str, Fields]


def read(text: str, folder: str) -> Geometry:
    """The geometry that the text of a ``.geom`` file describes.

    Distances along the beam count from the sample where ``clen`` is a number, else from the
    detector. Panels with ``no_index``, edges by ``mask_edge_pixels`` and bad regions are bad.

    Parameters
    ----------
    folder
        Where relative names of mask files start.

    Raises
    ------
    ValueError
        With the number of the line that is wrong, and why.
    """
    file = _parsed(text)
    resolution = _common_resolution(file)
    panels = {name: _panel(fields, file.whole) for name, fields in file.panels.items()}
    positions = positions_of(list(panels.values()))
    bad = np.zeros(positions.shape[:3], np.bool_)
    for name, panel in panels.items():
        _mark_panel(bad[panel.place], file.panels[name])
    shift = _shift(file.whole)
    for region in file.regions.values():
        mark_region(bad, region, panels, Corners(resolution, shift))
    positions[..., :2] += shift
    pitch = 1 / resolution
    return lay_out(
        positions, (pitch, pitch), bad, is_part=True,
        masks=_masks(file, panels, folder),
        flags=tuple(_flags(file, panels)),
        unread=tuple(_unread(file)),
    )  # fmt: skip


def _parsed(text: str) -> _File:
    file = _File(Fields("the file", 1), {}, {})
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition(";")[0].strip()
        if not content:
            continue
        left, sign, value = (part.strip() for part in content.partition("="))
        name, _, key = left.rpartition("/")
        if not (sign and key):
            raise ValueError(f"line {number}: must be KEY = VALUE or PANEL/KEY = VALUE")
        fields = _fields_of(file, name, number)
        if not _KEYS.fullmatch(key):
            continue
        if len(value) > _LONGEST:
            raise ValueError(f"line {number}: {key} has more than {_LONGEST} characters")
        key = _SYNONYMS.get(key, key)
        if key.startswith("flag_"):
            # Each of these lines counts, beside those of the same key before it.
            key = f"{key} {number}"
        fields.values[key] = (value, number)
    if not file.panels:
        raise ValueError("names no panel")
    return file


def _fields_of(file: _File, name: str, line: int) -> Fields:
    """Of that panel or region, which may be a new one: a panel starts with what holds so far."""
    if not name:
        return file.whole
    if name.startswith("bad"):
        return file.regions.setdefault(name, Fields(name, line))
    if name not in file.panels:
        file.panels[name] = Fields(name, line, dict(file.whole.values))
    return file.panels[name]


def _common_resolution(file: _File) -> float:
    """Pixels per metre, the same for all panels."""
    found = None
    for panel in file.panels.values():
        value = panel.number("res")
        if value <= 1:
            raise panel.fault("res", "the number of pixels in a metre")
        if found not in (None, value):
            raise panel.fault("res", f"the same for all panels ({found:g})")
        found = value
    assert found is not None
    return found


def _panel(fields: Fields, whole: Fields) -> Panel:
    """Lengths in pixels become metres."""
    pitch = 1 / fields.number("res")
    clen = fields.length("clen") if "clen" in fields.values else whole.length("clen")
    first = (fields.number("corner_x") * pitch, fields.number("corner_y") * pitch)
    rows, columns = (
        slice(fields.whole(f"min_{axis}"), fields.whole(f"max_{axis}") + 1) for axis in ("ss", "fs")
    )
    for axis, span in (("ss", rows), ("fs", columns)):
        if span.stop <= span.start:
            raise fields.fault(f"max_{axis}", f"at least min_{axis} ({span.start})")
    ss, fs = fields.vector("ss", "y"), fields.vector("fs", "x")
    return Panel(
        name=fields.name,
        module=_module(fields),
        rows=rows,
        columns=columns,
        corner=(*first, (clen or 0.0) + fields.number("coffset", "0")),
        ss=(ss[0] * pitch, ss[1] * pitch, ss[2] * pitch),
        fs=(fs[0] * pitch, fs[1] * pitch, fs[2] * pitch),
    )


def _module(fields: Fields) -> int:
    """The number in front of ss and fs; ``%`` stands for the events.

    Raw data of AGIPD have the planes of values and gains between module and ss; that of the values
    is 0.
    """
    axes = sorted(key for key in fields.values if re.fullmatch(r"dim[0-9]", key))
    values = [(key, fields.text(key)) for key in axes if fields.text(key) != "%"]
    kinds = [text for _, text in values] or ["ss", "fs"]
    if kinds == ["ss", "fs"]:
        return 0
    if kinds[-2:] == ["ss", "fs"] and len(kinds) <= 4:
        if len(kinds) == 4 and fields.whole(values[1][0]):
            raise fields.fault(values[1][0], "0, the plane of the values; others are of gains")
        return fields.whole(values[0][0])
    raise fields.fault(axes[-1], "the last of: the events (%), a module's number, ss, fs")


def _shift(whole: Fields) -> tuple[float, float]:
    """How far the whole detector is moved, metres."""
    shifts = []
    for key in ("detector_shift_x", "detector_shift_y"):
        shift = whole.length(key) if key in whole.values else 0.0
        if shift is None:
            raise whole.fault(key, "a length, such as 1.5 mm; datasets are not read")
        shifts.append(shift)
    return shifts[0], shifts[1]


def _flags(file: _File, panels: Mapping[str, Panel]) -> Iterator[ValueFlag]:
    """What excludes pixels by their raw values: one for each key that is there."""
    for key, relation in _FLAGS.items():
        rules = tuple(
            (panels[name].place, fields.limit(entry, relation))
            for name, fields in file.panels.items()
            for entry in fields.values
            if entry.partition(" ")[0] == key
        )
        if rules:
            yield ValueFlag(key, rules)


def _unread(file: _File) -> Iterator[tuple[str, str]]:
    for number in _MASKS:
        data, _, *bits = (f"mask{number}_{key}" for key in _MASK_KEYS)
        named = {panel.text(data) for panel in file.panels.values()
                 if data in panel.values and not any(map(panel.bits, bits))}  # fmt: skip
        for mask in sorted(named):
            yield f"the geometry's mask {mask}", f"there is neither {bits[0]} nor {bits[1]} for it"
    last = max(panel.line for panel in file.panels.values())
    for key, (_, line) in file.whole.values.items():
        if line > last and _EXCLUDING.match(key):
            name = key.partition(" ")[0]
            yield (
                f"the geometry's {name} in line {line}",
                "it holds for no panel, as all begin before",
            )
    if any("saturation_map" in fields.values for fields in file.panels.values()):
        yield (
            "the geometry's saturation_map",
            "it is not read: give one value for all pixels (pattern.satvalue), or a mask",
        )


def _mark_panel(bad: NDArray[np.bool_], fields: Fields) -> None:
    no_index = fields.text("no_index", "0").lower()
    if no_index == "true" or (no_index != "false" and fields.number("no_index", "0")):
        bad[:] = True
    if width := fields.whole("mask_edge_pixels", "0"):
        bad[:width], bad[:, :width], bad[-width:], bad[:, -width:] = True, True, True, True


def _masks(file: _File, panels: Mapping[str, Panel], folder: str) -> tuple[FileMask, ...]:
    """All masks, each for the panels that have it."""
    owners: dict[FileMask, list[Place]] = {}
    for name, panel in file.panels.items():
        for mask in _masks_of(panel, folder):
            owners.setdefault(mask, []).append(panels[name].place)
    return tuple(
        mask if len(places) == len(panels) else replace(mask, places=tuple(map(extents, places)))
        for mask, places in owners.items()
    )


def _masks_of(panel: Fields, folder: str) -> Iterator[FileMask]:
    for number in _MASKS:
        data, file, good, bad = (f"mask{number}_{key}" for key in _MASK_KEYS)
        bits = panel.bits(good), panel.bits(bad)
        if data in panel.values and any(bits):
            path = panel.text(file, "")
            yield FileMask(os.path.join(folder, path) if path else None, panel.text(data), *bits)
