"""The key ``quick``: settings with which every job runs first, for an answer while data come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

from ..model.settings import Settings
from .decode import refusal, shown
from .document import Node, Scalar, Section
from .forms import Form
from .json_schema import Json
from .origin import Origin
from .sweep import SettingsForm

Changes = tuple[tuple[str, Any], ...]
"""(name, value) of each setting that a quick job has otherwise, by ``section.key``."""

PRESET: Mapping[str, Any] = {
    "global.popsize": 8,
    "global.generations": 6,
    "global.islands": 1,
    "global.runs": 1,
    "IA.sequence": "auto",
    "IA.it": 20,
}
"""What ``quick: true`` stands for; see ``benchmarks/pace.py``."""


@final
class QuickForm(Form):
    """Settings by section and key, or ``true`` for `PRESET`."""

    text = "true or a mapping"

    def parse(self, node: Node, path: str, origin: Origin) -> Changes | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return tuple(sorted(PRESET.items())) if node.value else None
        if not isinstance(node, Section) or not node.entries:
            raise refusal(
                node, path, f"must be true, or a mapping as settings has, not {shown(node)}"
            )
        changed = SettingsForm().parse(node, path, origin)
        return tuple((f"{section}.{key}", changed.get(section, key))
                     for section, key in sorted(changed.given))  # fmt: skip

    def write(self, value: Changes) -> dict[str, dict[str, Any]]:
        written: dict[str, dict[str, Any]] = {}
        for name, item in value:
            section, key = name.split(".")
            written.setdefault(section, {})[key] = item
        return written

    def schema(self) -> Json:
        return {"anyOf": [{"type": "boolean"}, {"$ref": "#/properties/settings"}]}


def quickened(settings: Settings, changes: Changes) -> Settings:
    """A copy of the settings with those of a quick job."""
    changed = settings.copy()
    for name, value in changes:
        section, key = name.split(".")
        changed.set(section, key, value)
    return changed


def of_both(changes: Changes | None, settings: Settings) -> Iterator[tuple[str, Settings]]:
    """The key of the config, and the settings, of all jobs that may be made of these settings."""
    yield "settings", settings
    if changes is not None:
        yield "quick", quickened(settings, changes)
