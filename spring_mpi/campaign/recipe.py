"""Recipes: all that a result depends on beside its event, part by part, so that changes have names.

Of settings and of the calibration only what differs from the defaults counts, so that an option
that is new, with its default, changes no recipe. Files count by name and content.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import attrgetter
from pathlib import PurePath
from typing import Any

from ..config.sections import Config, key_form
from ..config.sweep import sweepable
from ..engine.requirements import REVISION as ENGINE
from ..events.event import EventRef, file_digest
from ..events.formats.user_file import loader_digest
from ..events.geometry import read_geometry
from ..events.reading.calibration import Calibration, named_files
from ..events.reading.preparation import REVISION as PREPARATION
from ..model.settings import Settings
from . import version_0_1_0

RULE = 2
"""Of fingerprints; version 0.1.0 had the first one."""
REVISIONS = ("preparation", "engine")
"""The parts that change with the program alone."""
_KEYS = {"masks": "data.mask", "geometry": "data.geometry", "gain_bits": "data.gain_bits"}
"""Where a config has what a calibration has; the rest is in ``pattern``, by the same name."""
_CONTENT = "content of"
_PRIOR = "pattern.center, as other events have it"


@dataclass(frozen=True)
class Recipe:
    """All that a result depends on beside its event."""

    parts: Mapping[str, Any]
    """Name of each part, such as ``settings.init.supportsize`` -> its value, as JSON has it."""
    former: str = ""
    """Digest by the rule of version 0.1.0; empty where that version knew no such recipe."""

    @cached_property
    def digest(self) -> str:
        """Of all parts."""
        return digest(self.parts)

    def fingerprint(self, event: EventRef) -> str:
        """Of a result that is made from an event by this recipe."""
        return fingerprint(self.digest, event)

    def former_fingerprint(self, event: EventRef) -> str:
        """The same by the rule of version 0.1.0; empty where there is none."""
        return _of_event(self.former, event) if self.former else ""


@dataclass(frozen=True)
class Recorded:
    """What preparation depends on beside event and settings; each file is read once."""

    parts: Mapping[str, Any]
    former: str

    @classmethod
    def of(cls, calibration: Calibration, reader: str) -> Recorded:
        """Of a campaign's calibration and reader.

        Raises
        ------
        SourceError
            If a file cannot be read.
        """
        masks = read_geometry(calibration.geometry).masks if calibration.geometry else ()
        paths = [
            *(path for _, path in named_files(calibration)),
            *(mask.file for mask in masks if mask.file),
        ]
        contents = {path: file_digest(path) for path in dict.fromkeys(paths)}
        former = version_0_1_0.calibration(calibration, masks, contents)
        if loader := loader_digest(reader):
            contents[reader.rpartition(":")[0]] = loader
        parts = described(calibration, reader)
        for path, content in contents.items():
            parts.setdefault(f"{_CONTENT} {os.path.basename(path)}", []).append(content)
        return cls(parts, former and former + loader)

    def with_prior(self, prior: tuple[float, float] | None) -> Recorded:
        """With the centre that other events have, where one is known."""
        return self if prior is None else replace(self, parts={**self.parts, _PRIOR: list(prior)})

    def recipe(self, settings: Settings, cropsize: int, size: int, seed: int) -> Recipe:
        """With settings and what the pattern's shape depends on."""
        former = version_0_1_0.recipe(settings, self.former, cropsize, size, seed)
        return Recipe({**self.parts, **shape_parts(settings, cropsize, size, seed)}, former)


def of_spooled(
    calibration: Calibration, settings: Settings, cropsize: int, size: int, seed: int
) -> Recipe:
    """Of a pattern from Python, which is its own calibration but for the saturation value."""
    recorded = Recorded(described(calibration, "auto"), str(calibration.satvalue))
    return recorded.recipe(settings, cropsize, size, seed)


def shape_parts(settings: Settings, cropsize: int, size: int, seed: int) -> dict[str, Any]:
    """The parts beside the calibration."""
    values, defaults, counted = settings.to_dict(), Settings().to_dict(), sweepable()
    return {
        "preparation": PREPARATION,
        "engine": ENGINE,
        "seed": seed,
        "pattern.cropsize": cropsize,
        "pattern.size": size,
        **{
            f"settings.{section}.{key}": value
            for section, keys in values.items()
            for key, value in keys.items()
            if value != defaults[section][key] and f"{section}.{key}" in counted
        },
    }


def calibration_of(config: Config) -> Calibration:
    """The calibration that a config asks for."""
    keys = _calibration_keys().items()
    return Calibration(**{name: attrgetter(key)(config) for name, key in keys})


def _calibration_keys() -> dict[str, str]:
    return {
        of.name: _KEYS.get(of.name, f"pattern.{of.name}")
        for of in fields(Calibration)
        if of.name != "center_prior"
    }


def described(calibration: Calibration, reader: str) -> dict[str, Any]:
    """What a calibration and a reader say, without the contents of their files."""
    file, colon, function = reader.rpartition(":")
    given = _said(calibration) | {"data.reader": f"{os.path.basename(file)}{colon}{function}"}
    defaults = _defaults()
    return {part: value for part, value in given.items() if value != defaults[part]}


def _said(calibration: Calibration) -> dict[str, Any]:
    return {
        key: _named(key_form(key).write(getattr(calibration, name)))
        for name, key in _calibration_keys().items()
    }


def _defaults() -> dict[str, Any]:
    """What stands for parts that are left out."""
    settings = {
        f"settings.{section}.{key}": value
        for section, keys in Settings().to_dict().items()
        for key, value in keys.items()
    }
    return settings | _said(Calibration()) | {"data.reader": "auto"}


def _named(written: Any) -> Any:
    """A value as a config has it, but files by their names: moved files are the same ones."""
    if isinstance(written, list):
        return [_named(item) for item in written]
    if isinstance(written, dict) and "file" in written:
        return written | {"file": PurePath(written["file"]).name}
    return written


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What is different between two recipes' parts, a line each."""
    for part in sorted(before.keys() | now.keys()):
        if before.get(part) == now.get(part):
            continue
        if part.startswith(_CONTENT):
            if part in before and part in now:
                yield f"the {part} is another one"
        else:
            yield f"{part}: {_shown(before, part)} -> {_shown(now, part)}"


def _shown(parts: Mapping[str, Any], part: str) -> str:
    """A part's value, for people; what is left out is at its default."""
    value = parts.get(part, _defaults().get(part))
    if value is None or value == []:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def fingerprint(recipe: str, event: EventRef) -> str:
    """Digest of what a result depends on: its recipe, given by its digest, and its event.

    Data files count by name and size, not by folder: moved data are the same data. Files that were
    still written count by name, for their size is a matter of chance.
    """
    return f"{RULE}:{_of_event(recipe, event)}"


def _of_event(recipe: str, event: EventRef) -> str:
    """What both rules have in common: digest of a recipe's digest and the event's places."""
    places = [
        (os.path.basename(part.source.path), part.source.size, part.dataset, part.row)
        for part in event.parts
    ]
    return digest([recipe, event.pid, *places])


def digest(value: Any) -> str:
    """128-bit BLAKE2b of a value as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
