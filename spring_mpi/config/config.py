"""The config file: read strictly, with every fault told at once, and written back complete."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..engine.sequence import check_sequence
from ..errors import ConfigError, SettingsError
from ..model.settings import Settings
from ..system.files import decoded
from .decode import refusal, shown
from .document import (
    COMMAND_LINE,
    Node,
    Place,
    Problem,
    Problems,
    RefusalError,
    Scalar,
    Section,
    absolute,
    find,
    parse,
    place_at,
    put,
    to_yaml,
)  # fmt: skip
from .forms import SectionForm
from .origin import origin_of
from .quick import Changes, of_both
from .sections import Config
from .sweep import Sweep

__all__ = ["Config", "dump_config", "load_config"]

_FORM = SectionForm(Config)


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Read a config file.

    Parameters
    ----------
    path
        The YAML file. Its folder is where ``data.root`` starts.
    overrides
        ``a.b=value`` each, the value in YAML; they replace what the file says. Paths start where
        those of the file do, but that of ``data.root`` at the current folder.

    Returns
    -------
    Config
        All values checked, all paths absolute. Files that it names may be missing.

    Raises
    ------
    ConfigError
        With one problem for every fault: ``file:line:column: key.path: message``.
    """
    source = os.fspath(path)
    folder = os.path.dirname(os.path.abspath(source))
    problems = Problems()
    config = None
    with problems.gathered():
        tree = _document(_read(source), source, problems)
        for text in overrides:
            with problems.gathered():
                tree = _overridden(tree, text, problems)
        config = _decoded(tree, folder, problems)
    if config is None:
        sources = [source, *(COMMAND_LINE + text for text in overrides)]
        problems.sort(key=lambda problem: (sources.index(problem.place.source), problem.place))
        raise ConfigError([str(problem) for problem in problems])
    return config


def _read(source: str) -> str:
    try:
        with open(source, "rb") as file:
            data = file.read()
    except OSError as fault:
        raise ConfigError([f"{source}: cannot be read: {fault.strerror}"]) from None
    try:
        return decoded(data)
    except UnicodeDecodeError as fault:
        place = place_at(source, decoded(data[: fault.start], "replace"))
        message = "not UTF-8 text; save the file with that encoding"
        raise RefusalError([Problem(place, "", message)]) from None


def _document(text: str, source: str, problems: Problems) -> Node:
    tree, faults = parse(text, source)
    problems.extend(faults)
    if tree is None:
        message = "is empty; a config has at least name, data and pattern"
        raise RefusalError([Problem(Place(source), "", message)])
    if not isinstance(tree, Section):
        message = f"must be a mapping with keys such as name, data and pattern, not {shown(tree)}"
        raise refusal(tree, "", message)
    return tree


def _overridden(tree: Node, text: str, problems: Problems) -> Node:
    source = COMMAND_LINE + text
    path, sign, value = text.partition("=")
    # The keys of sweep.over hold a dot themselves.
    head, over, swept = path.strip().partition("sweep.over.")
    keys = ["sweep", "over", swept] if over and not head else path.strip().split(".")
    if not sign or not all(keys):
        message = "must be KEY=VALUE, such as settings.init.supportsize=80"
        raise RefusalError([Problem(Place(source), "", message)])
    if value.lstrip().startswith("*"):
        # A pattern of file names: no anchor stands before it that an alias could mean.
        return put(tree, keys, Scalar(Place(source), value.strip(), value.strip()))
    node, faults = parse(value, source)
    problems.extend(faults)
    return put(tree, keys, node or Scalar(Place(source), None))


def _decoded(tree: Node, folder: str, problems: Problems) -> Config | None:
    values, faults = _FORM.given(tree, "", origin_of(tree, folder))
    problems.extend(faults)
    if all(key in values or not find(tree, key) for key in ("settings", "sweep", "quick")):
        settings, sweep = values.get("settings", Settings()), values.get("sweep", Sweep())
        problems.extend(_variant_problems(tree, sweep, settings, values.get("quick")))
    if problems:
        return None
    config = Config(**values)
    output = absolute("", config.output.replace("{name}", config.name))
    root = absolute(folder, config.data.root)
    return replace(config, output=output, data=replace(config.data, root=root))


def _variant_problems(
    tree: Node, sweep: Sweep, settings: Settings, quick: Changes | None
) -> Iterator[Problem]:
    try:
        variants = sweep.variants(settings)
    except SettingsError as fault:
        key = "over" if find(tree, "sweep", "tag") is None else "tag"
        node = find(tree, "sweep", key) or tree
        yield Problem(node.place, f"sweep.{key}", str(fault))
        return
    swept = dict(sweep.over)
    for name in (name for name, _ in quick or () if name in swept):
        place, path = _blamed(tree, "quick", *name.split("."))
        yield Problem(place, path, "is swept: a quick job has the value of its variant")
    general = {conflict for _, of in of_both(quick, settings) for conflict in _conflicts(of)}
    told = set()
    for variant in variants:
        for origin, of in of_both(quick, variant.settings):
            for conflict in _conflicts(of):
                if conflict not in told:
                    told.add(conflict)
                    section, key, message = conflict
                    label = "" if conflict in general else f" (variant {variant.tag!r})"
                    yield Problem(*_blamed(tree, origin, section, key), message + label)


def _conflicts(settings: Settings) -> Iterator[tuple[str, str, str]]:
    yield from settings.conflicts()
    if message := check_sequence(settings):
        yield "IA", "sequence", message


def _blamed(tree: Node, origin: str, section: str, key: str) -> tuple[Place, str]:
    """Where a setting that is in conflict was given, or else the nearest place to it."""
    swept = find(tree, "sweep", "over", f"{section}.{key}")
    if swept and origin == "settings":
        return swept.place, f"sweep.over.{section}.{key}"
    nearest = [("sweep", "over")] if origin == "settings" else []
    ways = [(origin, section, key), (origin, section), *nearest, (origin,)]
    node = next((node for way in ways if (node := find(tree, *way))), tree)
    return node.place, f"{origin}.{section}.{key}"


def dump_config(config: Config) -> str:
    """The complete config as YAML that `load_config` reads back to an equal one."""
    return to_yaml(_FORM.write(config))
