"""Options: dataclass fields that carry their type, range and description, each declared once."""

from __future__ import annotations

import difflib
import math
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, Union


@dataclass(frozen=True)
class Range:
    """Limits of a number; None where there is no limit."""

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            (self.above is None or value > self.above)
            and (self.at_least is None or value >= self.at_least)
            and (self.below is None or value < self.below)
            and (self.at_most is None or value <= self.at_most)
        )

    def __str__(self) -> str:
        limits = ((">", self.above), (">=", self.at_least), ("<", self.below), ("<=", self.at_most))
        return " ".join(f"{sign}{_short(limit)}" for sign, limit in limits if limit is not None)

    def keywords(self) -> dict[str, float]:
        """The limits as keywords of JSON schema."""
        limits = {
            "exclusiveMinimum": self.above,
            "minimum": self.at_least,
            "exclusiveMaximum": self.below,
            "maximum": self.at_most,
        }
        return {word: limit for word, limit in limits.items() if limit is not None}


def _short(limit: float) -> str:
    return str(limit) if isinstance(limit, int) else f"{limit:g}"


@dataclass(frozen=True)
class Option:
    """One option of a section: what the reference file, the tables and the checks need."""

    name: str
    hint: Any
    default: Any
    text: str
    range: Range = Range()
    example: Any = None
    """What a config shows of an option that has no default."""
    instead: str = ""
    """The key of a config that takes its place there; empty: it is a key itself."""

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def type_name(self) -> str:
        return type_name(self.hint)

    def convert(self, value: Any) -> Any:
        """The value in the option's own type.

        Raises
        ------
        ValueError
            Saying what the value must be, without naming the option.
        """
        converted = convert(self.hint, value)
        self.verify(converted)
        return converted

    def verify(self, value: Any) -> None:
        """Check the range of a value that has the option's type.

        Raises
        ------
        ValueError
            Saying what the value must be, without naming the option.
        """
        for number in value if isinstance(value, tuple) else (value,):
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if is_number and number not in self.range:
                raise ValueError(f"must be {self.range}, not {number!r}")


def option(
    default: Any, text: str, *, example: Any = None, instead: str = "", **limits: float
) -> Any:
    """A dataclass field with its description and the limits of `Range`; ``...`` = required.

    A default that is a class stands for a new object of it; for the others see `Option`.
    """
    metadata = {"text": text, "range": Range(**limits), "example": example, "instead": instead}
    if default is ...:
        return field(metadata=metadata)
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def options(section: type) -> Iterator[Option]:
    """The options of a section's dataclass, in the order they are written there."""
    hints = _hints(section)
    for declared in fields(section):
        metadata: dict[str, Any] = {"text": "", **declared.metadata}
        yield Option(declared.name, hints[declared.name], _default(declared), **metadata)


@cache
def _hints(section: type) -> dict[str, Any]:
    # Reading annotations is slow, and every setting that is changed asks for them.
    return typing.get_type_hints(section, include_extras=True)


def _default(declared: Field[Any]) -> Any:
    factory = declared.default_factory
    return declared.default if factory is MISSING else factory()


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the hint itself."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def list_length(hint: Any) -> int | None:
    """Number of items of a ``tuple[X, X]``; None for ``tuple[X, ...]``."""
    items = typing.get_args(hint)
    return None if items[-1] is Ellipsis else len(items)


def type_name(hint: Any) -> str:
    """The type as users read it: ``int``, ``float or null``, ``a or b``, ``list of int``."""
    if typing.get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        number = list_length(hint)
        return f"list of {f'{number} ' if number else ''}{type_name(typing.get_args(hint)[0])}"
    if hint is type(None):
        return "null"
    if len(alternatives(hint)) > 1:
        return " or ".join(type_name(member) for member in alternatives(hint))
    return {str: "text", bool: "true or false"}.get(hint, getattr(hint, "__name__", str(hint)))


def suggest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or the list of what is known where that is short enough to read."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1)
    if near:
        return f"; did you mean {names[near[0]]!r}?"
    return f"; known: {', '.join(names.values())}" if len(names) <= 12 else ""


def convert(hint: Any, value: Any) -> Any:
    """The value as the hint's type; an int may stand for a float, nothing else is bent.

    Raises
    ------
    ValueError
        Saying what the value must be.
    """
    for member in alternatives(hint):
        try:
            return _convert_to(member, value)
        except (TypeError, OverflowError):
            continue
    raise ValueError(f"must be {type_name(hint)}, not {value!r}")


def _convert_to(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is Literal and value in typing.get_args(hint):
        return value
    if origin is tuple and isinstance(value, list | tuple):
        if list_length(hint) not in (None, len(value)):
            raise TypeError(type_name(hint))
        return tuple(_convert_to(typing.get_args(hint)[0], item) for item in value)
    if hint is type(None) and value is None:
        return None
    if isinstance(hint, type) and origin is None:
        return _convert_scalar(hint, value)
    raise TypeError(type_name(hint))


def _convert_scalar(hint: type, value: Any) -> Any:
    # A bool is an int to Python; numpy's numbers are no int and seldom a float.
    if isinstance(value, bool) and hint is not bool:
        raise TypeError(type_name(hint))
    if hint is int and isinstance(value, Integral):
        return int(value)
    if hint is float and isinstance(value, Real):
        if not math.isfinite(value):
            raise ValueError(f"must be finite, not {value!r}")
        return float(value)
    if isinstance(value, hint):
        return value
    raise TypeError(type_name(hint))
