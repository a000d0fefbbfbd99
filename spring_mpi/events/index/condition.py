"""Conditions on the columns of an index, such as ``sum > 1e5 and not damaged``."""

from __future__ import annotations

import ast
import operator
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from shlex import quote
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ...model.options import suggest
from ..flags import FLAGS
from .event_index import EventIndex

STATISTICS = ("sum", "lit")
"""Names of numbers that an index holds once they were measured."""
NAMES = (*STATISTICS, "step", *FLAGS)
"""Of columns; those of flags are true or false."""
_LONGEST = 1000
_COMPARISONS: MappingProxyType[type[ast.AST], Callable[[Any, Any], Any]] = MappingProxyType({
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
})  # fmt: skip
_ARITHMETIC: MappingProxyType[type[ast.AST], Callable[[Any, Any], Any]] = MappingProxyType({
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: np.divide,
})  # fmt: skip
_SIGNS: MappingProxyType[type[ast.AST], Callable[[Any], Any]] = MappingProxyType({
    ast.USub: operator.neg, ast.UAdd: operator.pos,
})  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """A condition whose text is known to be right; see `parse_condition`."""

    tree: ast.expr

    @property
    def names(self) -> frozenset[str]:
        """The columns that it asks for."""
        return frozenset(node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))

    def select(self, index: EventIndex) -> NDArray[np.bool_]:
        """(events,): for which events it holds; never for one that could not be measured.

        Raises
        ------
        SourceError
            If it asks for statistics that the index does not have.
        """
        found = np.zeros(len(index), np.bool_)
        with np.errstate(all="ignore"):
            found |= _value(self.tree, index)
        if self.names.intersection(STATISTICS):
            found &= np.isfinite(_column("sum", index))
        return found


def parse_condition(text: str) -> Condition:
    """A condition of names, numbers, comparisons, ``and or not``, ``+ - * /`` and brackets.

    Raises
    ------
    ValueError
        If the text is anything else; it says at which of its characters, counted from 1.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"has {len(text)} characters, at most {_LONGEST} are possible")
    # Leading blanks and broken lines would be Python's layout.
    line = text.replace("\n", " ").lstrip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(line, mode="eval").body
        if not _is_truth(tree):
            raise _refusal(tree, "a number is no condition; compare it, as in sum > 1e5")
    except SyntaxError as fault:
        # Where text is missing at the end, Python tells no place.
        place = len(text) - len(line) + (fault.offset or len(line) + 1)
        raise ValueError(f"character {place}: {_reason(fault)}") from None
    except (RecursionError, MemoryError):
        raise ValueError("has too many brackets or signs inside each other") from None
    return Condition(tree)


def _reason(fault: SyntaxError) -> str:
    return fault.msg if isinstance(fault, _RefusedError) else "cannot be read as a condition"


class _RefusedError(SyntaxError):
    """What Python would allow and a condition does not."""


def _refusal(node: ast.expr, reason: str) -> _RefusedError:
    return _RefusedError(reason, (None, 1, node.col_offset + 1, None))


def _is_truth(node: ast.expr) -> bool:
    """Whether a part is true or false, not a number; raises `_RefusedError` for what is neither."""
    for part, is_truth in _parts(node):
        if _is_truth(part) != is_truth:
            needed = "a condition" if is_truth else "a number"
            raise _refusal(part, f"{needed} is needed here")
    return isinstance(node, ast.BoolOp | ast.Compare) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    ) or (isinstance(node, ast.Name) and node.id in FLAGS)  # fmt: skip


def _parts(node: ast.expr) -> Iterator[tuple[ast.expr, bool]]:
    """What a node is made of, and whether that must be true or false."""
    match node:
        case ast.BoolOp(values=values):
            yield from ((value, True) for value in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand, True
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            yield operand, False
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            yield from ((left, False), (right, False))
        case ast.Compare(left=left, ops=ops, comparators=others) if all(
            type(op) in _COMPARISONS for op in ops
        ):
            yield from ((value, False) for value in (left, *others))
        case ast.Name(id=name):
            if name not in NAMES:
                raise _refusal(node, f"no column {name!r}{suggest(name, NAMES)}")
        case ast.Constant(value=int() | float() as value) if _is_number(value):
            pass
        case _:
            raise _refusal(
                node, "only names, numbers, comparisons, and, or, not, + - * / are possible"
            )


def _is_number(value: float) -> bool:
    """Whether it is one that columns can be compared with; true and false are none."""
    return not isinstance(value, bool) and value < 2**1000


def _value(node: ast.expr, index: EventIndex) -> Any:
    """The value for all events (events,), or one for all."""
    match node:
        case ast.BoolOp(op=op, values=values):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            return reduce(join, (_value(value, index) for value in values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return np.logical_not(_value(operand, index))
        case ast.UnaryOp(op=op, operand=operand):
            return _SIGNS[type(op)](_value(operand, index))
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, index), _value(right, index))
        case ast.Compare(left=left, ops=ops, comparators=others):
            numbers = [_value(part, index) for part in (left, *others)]
            pairs = zip(ops, numbers, numbers[1:], strict=False)
            return reduce(np.logical_and, (_COMPARISONS[type(op)](*sides) for op, *sides in pairs))
        case ast.Name(id=name):
            return _column(name, index)
        case ast.Constant(value=int() | float() as value):
            return np.float64(value)
    raise TypeError(f"{node} was let through")


def _remedy(index: EventIndex) -> str:
    if os.path.isabs(index.file):
        return f"spring-index stats {quote(index.file)}"
    # It was built for this campaign, and is not saved yet.
    build = f"{index.wanted.command} -o FILE"
    return f"{build}, then spring-index stats FILE, and name that file as data.index"


def _column(name: str, index: EventIndex) -> NDArray[Any]:
    if name in FLAGS:
        is_set: NDArray[np.bool_] = (index.flags & FLAGS[name]) != 0
        return is_set
    if name == "step":
        return index.steps
    if index.statistics is None:
        raise SourceError(
            f"the index has no statistics, so that {name!r} is not known: run {_remedy(index)}"
        )
    return np.asarray(getattr(index.statistics, name), np.float64)
