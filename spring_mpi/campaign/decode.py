"""Trees of YAML values to frozen dataclasses, with every fault and its place."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any

from ..durations import seconds_meant
from ..schema import Option, alternatives, convert, list_length, options, suggest, type_name
from .document import Items, Node, Problem, Problems, RefusalError, Scalar, Section, join, resolve


@dataclass(frozen=True)
class Decoder:
    """Turns nodes into values of a given type.

    ``hooks`` holds what decodes the types that have a form of their own:
    ``hook(decoder, node, path) -> value``, raising `RefusalError`.
    A list of one may be written without brackets, and null stands for an empty one.
    """

    hooks: Mapping[Any, Callable[[Decoder, Node, str], Any]]

    def decode(self, node: Node, hint: Any, path: str) -> Any:
        """The value of a node as the type ``hint``.

        Raises
        ------
        RefusalError
            With every fault of the node and of what lies below it.
        """
        if type(None) in alternatives(hint) and is_null(node):
            return None
        members = _fitting(node, hint)
        for member in (hint, *members):
            if member in self.hooks:
                return self.hooks[member](self, node, path)
        if typing.get_origin(members[0]) is tuple:
            return self._items(node, members[0], path)
        if is_dataclass(hint):
            return self._section(node, typing.cast(type, hint), path)
        return scalar(node, hint, path)

    def given(self, node: Node, kind: type, path: str) -> tuple[dict[str, Any], Problems]:
        """The values of those keys of a section that are given and legal, and all its faults."""
        known = {one.name: one for one in options(kind)}
        values: dict[str, Any] = {}
        problems = Problems()
        with problems.gathered():
            for key, child in entries(node, known, path, problems):
                with problems.gathered():
                    values[key] = self.option(child, known[key], join(path, key))
            problems.extend(_missing(node, known.values(), path))
        return values, problems

    def option(self, node: Node, one: Option, path: str) -> Any:
        """The value of one option, its range checked; null where that is the option's default."""
        if one.default is None and is_null(node):
            return None
        value = self.decode(node, one.hint, path)
        try:
            one.verify(value)
        except ValueError as fault:
            raise refusal(node, path, str(fault)) from None
        return value

    def _section(self, node: Node, kind: type, path: str) -> Any:
        values, problems = self.given(node, kind, path)
        problems.raise_any()
        return kind(**values)

    def _items(self, node: Node, hint: Any, path: str) -> tuple[Any, ...]:
        item, length = typing.get_args(hint)[0], list_length(hint)
        if is_null(node) and length is None:
            return ()
        nodes = node.nodes if isinstance(node, Items) else (node,)
        if length not in (None, len(nodes)):
            raise refusal(node, path, f"must be a {type_name(hint)}, not {shown(node)}")
        values = []
        problems = Problems()
        for index, child in enumerate(nodes):
            with problems.gathered():
                place = f"{path}[{index}]" if isinstance(node, Items) else path
                values.append(self.decode(child, item, place))
        problems.raise_any()
        return tuple(values)


def _fitting(node: Node, hint: Any) -> list[Any]:
    """The members of a union that a list, or what is no list, may stand for."""
    members = [member for member in alternatives(hint) if member is not type(None)]
    lists = [member for member in members if typing.get_origin(member) is tuple]
    others = [member for member in members if member not in lists]
    return (lists or others) if isinstance(node, Items) else (others or lists)


def entries(
    node: Node, known: Iterable[str], path: str, problems: Problems
) -> Iterator[tuple[str, Node]]:
    """(key, value) of a section for the known keys; the others go to ``problems``.

    An empty section, that is null, has no keys.

    Raises
    ------
    RefusalError
        If the node is no section.
    """
    if is_null(node):
        return
    if not isinstance(node, Section):
        raise refusal(node, path, f"must be a mapping of keys to values, not {shown(node)}")
    names = list(known)
    for entry in node.entries:
        if entry.key in names:
            yield entry.key, entry.node
        else:
            message = f"unknown key{suggest(entry.key, names)}"
            problems.append(Problem(entry.place, join(path, entry.key), message))


def _missing(node: Node, known: Iterable[Option], path: str) -> Iterator[Problem]:
    present = {entry.key for entry in node.entries} if isinstance(node, Section) else set()
    for one in known:
        if one.required and one.name not in present:
            yield Problem(node.place, join(path, one.name), f"is missing: {one.text}")


def scalar(node: Node, hint: Any, path: str) -> Any:
    """A number, text or truth value as ``hint``; raises `RefusalError`."""
    wanted = f"must be {type_name(hint)}, not {shown(node)}"
    if not isinstance(node, Scalar):
        raise refusal(node, path, wanted)
    try:
        return convert(hint, node.value)
    except ValueError as fault:
        infinite = "finite" in str(fault)
        message = f"must be finite, not {node.text}" if infinite else wanted + _advice(node, hint)
        raise refusal(node, path, message) from None


def _advice(node: Scalar, hint: Any) -> str:
    """How to mend a scalar of the wrong type."""
    members, text = alternatives(hint), node.text
    if isinstance(node.value, float) and int in members and node.value.is_integer():
        return f"; write {int(node.value)}"
    if str in members:
        return f"; put it in quotes: '{text}'" if text else ""
    if not isinstance(node.value, str):
        return ""
    if bool in members and text.lower() in ("yes", "no", "y", "n", "on", "off"):
        return "; write true or false"
    if int in members or float in members:
        return _number_advice(text, node.quoted)
    return ""


def _number_advice(text: str, quoted: bool) -> str:
    if quoted and not isinstance(resolve(text), str):
        return "; leave the quotes out"
    if re.fullmatch(r"[-+]?[0-9][0-9_]*_[0-9_.]*", text):
        return f"; write {text.replace('_', '')}"
    if re.fullmatch(r"[-+]?0[0-9]+", text):
        return "; leave the leading zero out, an octal number is 0o17"
    if (seconds := seconds_meant(text)) is not None:
        return f"; a time is given in seconds: write {seconds}"
    if re.fullmatch(r"[0-9]+(:[0-9]+)+", text):
        return "; a number has no colons"
    return ""


def refusal(node: Node, path: str, message: str) -> RefusalError:
    """The refusal of one node for one reason."""
    return RefusalError([Problem(node.place, path, message)])


def is_null(node: Node) -> bool:
    """True for null, ``~`` and nothing at all."""
    return isinstance(node, Scalar) and node.value is None


def shown(node: Node) -> str:
    """The node as an error message quotes it."""
    if isinstance(node, Section):
        return "a mapping"
    if isinstance(node, Items):
        return f"a list of {len(node.nodes)}"
    short = node.text if len(node.text) <= 40 else node.text[:37] + "..."
    if node.value is None:
        return "null"
    return repr(short) if isinstance(node.value, str) else short
