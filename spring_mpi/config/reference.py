"""The reference config and the schema for editors: ``python -m spring_mpi.config.reference``."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from ..system.streams import standard_streams
from .document import to_yaml
from .forms import KeyForm, SectionForm
from .json_schema import Json
from .sections import Config
from .sweep import SettingsForm

_COMMAND = "python -m spring_mpi.config.reference"
_HEAD = f"""\
# yaml-language-server: $schema=schema.json
# Every key of a config, with its default. Only name, data.source and pattern.cropsize are required.
# Made from the options in the code, as schema.json is, by: {_COMMAND}
"""


def reference_yaml() -> str:
    """A config with every key, its default, type, range and description."""
    return _HEAD + "\n".join(_section(SectionForm(Config), "")) + "\n"


def schema_json() -> str:
    """The JSON schema of a config, draft 7, which editors know best."""
    form = SectionForm(Config)
    head: Json = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Config of spring-batch",
        "description": form.description(),
    }
    return json.dumps(head | form.schema(), indent=1) + "\n"


def _section(form: SectionForm, indent: str) -> Iterator[str]:
    for name, key in form.key_forms().items():
        if not indent:
            yield ""
        yield from _key(name, key, indent)


def _key(name: str, key: KeyForm, indent: str) -> Iterator[str]:
    form, text, deeper = key.form, key.option.text, indent + "  "
    if key.option.instead:
        yield from _comment(f"{name} {key.elsewhere}", indent)
    elif isinstance(form, SectionForm):
        yield from _titled(name, text, indent)
        yield from _section(form, deeper)
    elif isinstance(form, SettingsForm):
        yield from _titled(name, text, indent)
        for section, inner in form.sections().items():
            yield from _titled(section, inner.description(), deeper)
            yield from _section(inner, deeper + "  ")
    else:
        required = ", required" if key.option.required else ""
        yield from _comment(f"{text} ({key.text}{required})", indent)
        # A scalar as a whole document is followed by a line with its end.
        yield f"{indent}{name}: {to_yaml(key.shown).splitlines()[0]}"


def _titled(name: str, text: str, indent: str) -> Iterator[str]:
    yield from _comment(text, indent)
    yield f"{indent}{name}:"


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in textwrap.wrap(text, 98 - len(indent)):
        yield f"{indent}# {line}"


def main(folder: str = "configs") -> None:
    """Write both files into a folder."""
    for name, text in (("reference.yaml", reference_yaml()), ("schema.json", schema_json())):
        path = Path(folder, name)
        path.write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    with standard_streams():
        main(*sys.argv[1:])
