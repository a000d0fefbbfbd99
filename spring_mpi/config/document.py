"""YAML text to a tree of values that know their place, by the rules of YAML 1.2, and back."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

COMMAND_LINE = "--set "

# YAML 1.1, which PyYAML reads by itself, takes yes, 017, 1_000 and 12:30 for other than text,
# and 1e6 for text.
_CORE = (
    (re.compile(r"|~|null|Null|NULL"), lambda text: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?(0|[1-9][0-9]*)"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
)


@dataclass(frozen=True, order=True)
class Place:
    """Where a value was written; line and column count from 1."""

    source: str
    """Name of the file, or ``--set a.b=value``."""
    line: int = 1
    column: int = 1

    @property
    def on_command_line(self) -> bool:
        return self.source.startswith(COMMAND_LINE)

    def __str__(self) -> str:
        return self.source if self.on_command_line else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Scalar:
    """A number, text, true, false or null; ``text`` is what was written."""

    place: Place
    value: Any
    text: str = ""
    quoted: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    place: Place
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Entry:
    """A key with its value; ``place`` is the key's."""

    key: str
    place: Place
    node: Node


@dataclass(frozen=True)
class Section:
    """A mapping, its keys in the order they were written."""

    place: Place
    entries: tuple[Entry, ...]

    def get(self, key: str) -> Node | None:
        return next((entry.node for entry in self.entries if entry.key == key), None)


Node = Scalar | Items | Section


@dataclass(frozen=True)
class Problem:
    """One fault: where it was written, at which key, and what is wrong."""

    place: Place
    path: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), self.path, self.message) if part)


class RefusalError(Exception):
    """A value cannot be made, for one or more reasons."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Problems(list[Problem]):
    """Gathers the refusals of several values, so that all are told at once."""

    @contextmanager
    def gathered(self) -> Iterator[None]:
        try:
            yield
        except RefusalError as refusal:
            self.extend(refusal.problems)

    def raise_any(self) -> None:
        if self:
            raise RefusalError(self)


@contextmanager
def all_problems() -> Iterator[Problems]:
    """Gathers refusals within; at the end they are raised as one where there are any."""
    problems = Problems()
    yield problems
    problems.raise_any()


def resolve(text: str) -> Any:
    """The value of an unquoted scalar in the core schema of YAML 1.2."""
    for pattern, value in _CORE:
        if pattern.fullmatch(text):
            try:
                return value(text)
            except ValueError:  # more digits than Python converts
                return text
    return text


def parse(text: str, source: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one YAML document and its faults of form; None where it is empty.

    Raises
    ------
    RefusalError
        If the text is not YAML, or holds several documents.
    """
    import yaml

    start = Place(source)
    try:
        loader = yaml.SafeLoader(text)
        loader.yaml_implicit_resolvers = {}
        loader.DEFAULT_SCALAR_TAG = _UNTAGGED
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as fault:
        reason = ", ".join(part for part in (fault.context, fault.problem) if part)
        mark = fault.problem_mark or fault.context_mark
        place = _place(source, mark) if mark else start
        raise RefusalError([Problem(place, "", f"not YAML: {reason}{_remedy(reason)}")]) from None
    except yaml.reader.ReaderError as fault:
        place = place_at(source, text[: fault.position])
        reason = f"the character U+{fault.character:04X} is not allowed in YAML"
        raise RefusalError([Problem(place, "", reason)]) from None
    except RecursionError:
        raise RefusalError([Problem(start, "", "nested too deeply")]) from None
    if root is None:
        return None, []
    builder = _Builder(source)
    return builder.node(root, "", ()), builder.problems


def _remedy(reason: str) -> str:
    """What helps where a text has no quotes that needs them, such as a pattern of file names."""
    if "alias" in reason:
        return '; text that begins with * needs quotes, as in "*.cxi"'
    if "cannot start any token" in reason:
        return "; indent with spaces" if r"\t" in reason else "; such text needs quotes"
    return ""


def place_at(source: str, before: str) -> Place:
    """The place that follows the text ``before``."""
    return Place(source, before.count("\n") + 1, len(before) - before.rfind("\n"))


_UNTAGGED = "untagged"
_PLAIN_TAGS = (_UNTAGGED, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


def _place(source: str, mark: Any) -> Place:
    return Place(source, mark.line + 1, mark.column + 1)


class _Builder:
    """Copies PyYAML's nodes into ours; an aliased node is copied once, and never into itself."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self.made: dict[int, Node] = {}

    def node(self, node: Any, path: str, parents: tuple[int, ...]) -> Node:
        place = _place(self.source, node.start_mark)
        if id(node) in parents:
            self.problems.append(Problem(place, path, "an alias may not contain itself"))
            return Scalar(place, None)
        if id(node) not in self.made:
            if node.tag not in _PLAIN_TAGS:
                tag = node.tag.replace("tag:yaml.org,2002:", "!!")
                message = f"the tag {tag} is not supported; leave it out"
                self.problems.append(Problem(place, path, message))
            self.made[id(node)] = self.copy(node, place, path, (*parents, id(node)))
        return self.made[id(node)]

    def copy(self, node: Any, place: Place, path: str, parents: tuple[int, ...]) -> Node:
        if node.id == "mapping":
            return Section(place, tuple(self.entries(node, path, parents)))
        if node.id == "sequence":
            pairs = enumerate(node.value)
            return Items(place, tuple(self.node(x, f"{path}[{i}]", parents) for i, x in pairs))
        quoted = node.style is not None
        value = node.value if quoted else resolve(node.value)
        return Scalar(place, value, node.value, quoted)

    def entries(self, node: Any, path: str, parents: tuple[int, ...]) -> Iterator[Entry]:
        places: dict[str, Place] = {}
        for key, value in node.value:
            place = _place(self.source, key.start_mark)
            fault = _key_fault(key, places)
            here = join(path, key.value) if key.id == "scalar" else path
            if fault:
                self.problems.append(Problem(place, here, fault))
            else:
                places[key.value] = place
                yield Entry(key.value, place, self.node(value, here, parents))


def _key_fault(key: Any, places: dict[str, Place]) -> str:
    if key.id != "scalar":
        return "a key must be text"
    if key.value == "<<" and key.style is None:
        return "merge keys are not part of YAML 1.2; write the keys out"
    if key.value in places:
        return f"given twice, first at {places[key.value]}; keep one of them"
    return ""


def absolute(folder: str, path: str) -> str:
    """A path from a folder; that one from the current folder."""
    return os.path.abspath(os.path.join(folder, path))


def join(path: str, key: str) -> str:
    """The path of a key in the section ``path``."""
    return f"{path}.{key}" if path else key


def put(tree: Node | None, keys: Sequence[str], node: Node) -> Node:
    """The tree with the node at that path of keys; what is no section there makes way for one."""
    if not keys:
        return node
    section = tree if isinstance(tree, Section) else Section(node.place, ())
    entry = Entry(keys[0], node.place, put(section.get(keys[0]), keys[1:], node))
    entries = section.entries
    names = [other.key for other in entries]
    # A key that is there already keeps its place among the others: sweep.over depends on it.
    index = names.index(keys[0]) if keys[0] in names else len(entries)
    return replace(section, entries=(*entries[:index], entry, *entries[index + 1 :]))


def find(tree: Node | None, *keys: str) -> Node | None:
    """The node at that path of keys, or None."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Section) else None
    return tree


def to_yaml(value: Any) -> str:
    """Mappings, lists and scalars as YAML that `parse` reads back to the same values."""
    import yaml

    dumper: Any = type("Dumper", (yaml.SafeDumper,), {})
    dumper.add_representer(str, _represent_text)
    return str(
        yaml.dump(
            value, Dumper=dumper, sort_keys=False, allow_unicode=True, default_flow_style=None,
            width=100,
        )
    )  # fmt: skip


def _represent_text(dumper: Any, text: str) -> Any:
    # PyYAML quotes what YAML 1.1 would misread; here for YAML 1.2: 1e6, 0o17; and it takes some
    # control characters for spaces unless they are quoted.
    is_plain = isinstance(resolve(text), str) and text.isprintable()
    style = None if is_plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
