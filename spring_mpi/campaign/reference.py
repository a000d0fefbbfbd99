"""The reference config, made from the schema: ``python -m spring_mpi.campaign.reference``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from ..events.calibration import ArraySpec, MaskSpec
from ..events.geometry import GeometrySpec
from ..schema import Option, alternatives, options, type_name
from ..settings import SECTIONS, Settings
from ..streams import standard_streams
from .config import plain
from .document import join, to_yaml
from .sections import (
    Config,
    ConfigPath,
    Data,
    EventSelection,
    HerePath,
    PatternSection,
    ReaderText,
    SourceText,
    Workers,
)  # fmt: skip
from .sweep import PYTHON_ONLY, Sweep

_HEAD = """\
# Every key of a config, with its default. Only name, data.source and pattern.cropsize are required.
# Made from the schema by: python -m spring_mpi.campaign.reference > configs/reference.yaml
"""


def reference_yaml() -> str:
    """A config with every key, its default, type, range and description."""
    return _HEAD + "\n".join(_section(Config, "", "")) + "\n"


def _section(kind: type, path: str, indent: str) -> Iterator[str]:
    for one in options(kind):
        here = join(path, one.name)
        if not indent:
            yield ""
        if one.hint in (Data, PatternSection, Sweep, Workers):
            yield from _comment(one.text, indent)
            yield f"{indent}{one.name}:"
            yield from _section(one.hint, here, indent + "  ")
        elif one.hint is Settings:
            yield from _comment(one.text, indent)
            yield f"{indent}{one.name}:"
            yield from _settings(indent + "  ")
        else:
            yield from _option(one, here, indent)


def _settings(indent: str) -> Iterator[str]:
    for section, kind in SECTIONS.items():
        yield from _comment((kind.__doc__ or "").replace("`", ""), indent)
        yield f"{indent}{section}:"
        for one in options(kind):
            name = f"{section}.{one.name}"
            if name in PYTHON_ONLY:
                text = f"{one.name} is for MPR.run() in Python; here it is {PYTHON_ONLY[name]}"
                yield from _comment(text, indent + "  ")
            else:
                yield from _option(one, f"settings.{name}", indent + "  ")


def _option(one: Option, path: str, indent: str) -> Iterator[str]:
    kind = " ".join(part for part in (_type_text(one.hint), str(one.range)) if part)
    required = ", required" if one.required else ""
    yield from _comment(f"{one.text} ({kind}{required})", indent)
    value = _examples().get(path, one.default)
    # A scalar as a whole document is followed by a line with its end.
    yield f"{indent}{one.name}: {to_yaml(plain(value)).splitlines()[0]}"


def _examples() -> dict[str, Any]:
    """What is shown where there is no default, or where it is not written as it is kept."""
    return {
        "name": "demo", "data.source": "run34.cxi", "pattern.cropsize": 1024, "sweep.over": {},
    }  # fmt: skip


def _type_text(hint: Any) -> str:
    """The type as it is written, where that is not the type it is kept in."""
    texts = {
        HerePath: "path",
        ConfigPath: "path",
        ReaderText: "text",
        ArraySpec: "number, path or mapping",
        EventSelection: "all or mapping",
        GeometrySpec: "path or mapping",
        tuple[float, float]: "list of 2 numbers",
        tuple[str, ...]: "text or list of text",
        tuple[SourceText, ...]: "text or list of text",
        tuple[MaskSpec, ...]: "mapping or list of mappings",
        tuple[tuple[str, tuple[Any, ...]], ...]: "mapping of lists",
    }
    return " or ".join(texts.get(member, type_name(member)) for member in alternatives(hint))


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(text, 98 - len(indent)):
        yield f"{indent}# {line}"


if __name__ == "__main__":
    with standard_streams():
        print(reference_yaml(), end="", flush=True)
