"""Nodes of a document to scalars and keys, with every fault, its place and what mends it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..model.durations import seconds_meant
from ..model.options import alternatives, convert, suggest, type_name
from .document import Items, Node, Problem, Problems, RefusalError, Scalar, Section, join, resolve


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


def filled_text(node: Node, path: str) -> str:
    """Text that is not empty; raises `RefusalError`."""
    text: str = scalar(node, str, path)
    if not text:
        raise refusal(node, path, "must not be empty")
    return text


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
