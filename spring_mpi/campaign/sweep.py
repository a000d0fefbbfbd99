"""Sweeps: one settings object to its variants, each with a tag."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import SettingsError
from ..names import file_name
from ..schema import Option, option, options, suggest
from ..settings import SECTIONS, Settings

PYTHON_ONLY: Mapping[str, str] = MappingProxyType(
    {
        "global.gpus": "workers.device",
        "global.threads": "workers.threads",
        "global.workdir": "output",
    }
)
"""Settings that only `MPR.run` in Python heeds, and what takes their place in a config."""


@dataclass(frozen=True)
class Variant:
    """Settings with the tag that parts its jobs from those of the other variants."""

    tag: str
    settings: Settings


@dataclass(frozen=True)
class Sweep:
    """Which settings take which values."""

    tag: str | None = option(
        None,
        'label of a variant, made of settings: "suppsize:{init.supportsize}"; '
        "null: key:value for each swept key, joined by ,",
    )
    over: tuple[tuple[str, tuple[Any, ...]], ...] = option(
        (), "values of each swept setting: {init.supportsize: [80, 100]}; the last varies fastest"
    )

    def variants(self, settings: Settings) -> tuple[Variant, ...]:
        """All variants of the settings, the last swept key fastest; one where none is swept.

        Raises
        ------
        SettingsError
            If the tag has a fault, or two variants have the same one.
        """
        made = tuple(self._each(settings))
        seen: dict[str, str] = {}
        for number, variant in enumerate(made, start=1):
            name = file_name(variant.tag)
            label = f"variant {number} ({variant.tag!r})"
            if name in seen:
                raise SettingsError(f"{seen[name]} and {label} have the same tag")
            seen[name] = label
        return made

    def _each(self, settings: Settings) -> Iterator[Variant]:
        keys = [name.split(".") for name, _ in self.over]
        for values in itertools.product(*(values for _, values in self.over)):
            changed = settings.copy()
            for (section, key), value in zip(keys, values, strict=True):
                changed.set(section, key, value)
            yield Variant(self._label(changed), changed)

    def _label(self, settings: Settings) -> str:
        if self.tag is not None:
            return format_tag(self.tag, settings)
        names = [name for name, _ in self.over]
        return ",".join(f"{name.split('.')[1]}:{_value_of(name, settings)}" for name in names)


def sweepable() -> dict[str, Option]:
    """The options that a sweep may vary, by their name ``section.key``."""
    names = {f"{section}.{one.name}": one for section, kind in SECTIONS.items()
             for one in options(kind)}  # fmt: skip
    return {name: one for name, one in names.items() if name not in PYTHON_ONLY}


def format_tag(template: str, settings: Settings) -> str:
    """The template with ``{section.key}`` replaced by the settings' values.

    Raises
    ------
    SettingsError
        If braces do not match, a setting does not exist, or a format does not fit its value.
    """
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as fault:
        raise SettingsError(f"{template!r} is no format string: {fault}") from None
    return "".join(
        text + (_value_of(name, settings, spec or "") if name is not None else "")
        for text, name, spec, _ in pieces
    )


def _value_of(name: str, settings: Settings, spec: str = "") -> str:
    if name not in sweepable():
        raise SettingsError(f"no setting {name!r}{suggest(name, sweepable())}")
    value = settings.get(*name.split("."))
    try:
        return format(value, spec) if spec else value_text(value)
    except (ValueError, TypeError) as fault:
        raise SettingsError(f"{{{name}:{spec}}} does not fit {value!r}: {fault}") from None


def value_text(value: Any) -> str:
    """A setting's value as it would be written in the config."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return format(value, "g") if isinstance(value, float) else str(value)
