"""Settings in a config, and sweeps: one settings object to its variants, each with a tag."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, final

from ..errors import SettingsError
from ..model.names import file_name
from ..model.options import option, suggest
from ..model.settings import SECTIONS, Settings, all_options
from .decode import entries, refusal, shown
from .document import Items, Node, all_problems, join
from .forms import Form, KeyForm, SectionForm
from .json_schema import Json, array_of, mapping_of, or_null
from .origin import Origin

Swept = tuple[tuple[str, tuple[Any, ...]], ...]
"""(name, values) of each swept setting."""


@final
class SettingsForm(Form):
    """The settings by section and key, each section with its own options."""

    text = "mapping"

    def sections(self) -> dict[str, SectionForm]:
        """The form of each section."""
        return {section: SectionForm(kind) for section, kind in SECTIONS.items()}

    def parse(self, node: Node, path: str, origin: Origin) -> Settings:
        settings, forms = Settings(), self.sections()
        with all_problems() as problems:
            for section, child in entries(node, forms, path, problems):
                values, faults = forms[section].given(child, join(path, section), origin)
                problems.extend(faults)
                for key, value in values.items():
                    settings.set(section, key, value)
        return settings

    def write(self, value: Settings) -> Json:
        values = {name: form.write(value.section(name)) for name, form in self.sections().items()}
        # Written beside an explicit sequence, a default of `it` would look like a given one.
        if value.IA.sequence != "auto" and ("IA", "it") not in value.given:
            del values["IA"]["it"]
        return values

    def schema(self) -> Json:
        return or_null(mapping_of({
            name: {"description": form.description()} | form.schema()
            for name, form in self.sections().items()
        }))  # fmt: skip


@final
class OverForm(Form):
    """Swept settings by their names, each with its values."""

    text = "mapping of lists"

    def parse(self, node: Node, path: str, origin: Origin) -> Swept:
        over, keys = [], _keys()
        with all_problems() as problems:
            for name, child in entries(node, keys, path, problems):
                with problems.gathered():
                    over.append((name, _values(keys[name], child, join(path, name), origin)))
        return tuple(over)

    def write(self, value: Swept) -> Json:
        return {name: list(items) for name, items in value}

    def schema(self) -> Json:
        return or_null(mapping_of({
            name: {"description": key.option.text} | array_of(key.value_schema(), 1)
            for name, key in _keys().items() if not key.option.instead
        }))  # fmt: skip


def _keys() -> dict[str, KeyForm]:
    return {name: KeyForm(option) for name, option in all_options().items()}


def _values(key: KeyForm, node: Node, path: str, origin: Origin) -> tuple[Any, ...]:
    key.check_is_key(node, path)
    if not isinstance(node, Items) or not node.nodes:
        raise refusal(node, path, f"must be a list of values, not {shown(node)}")
    values = []
    with all_problems() as problems:
        for index, child in enumerate(node.nodes):
            with problems.gathered():
                values.append(key.parse(child, f"{path}[{index}]", origin))
    return tuple(values)


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
    over: Annotated[Swept, OverForm()] = option(
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


def sweepable() -> list[str]:
    """Names of the settings that a sweep may vary, ``section.key``."""
    return [name for name, option in all_options().items() if not option.instead]


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
