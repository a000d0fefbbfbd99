"""Which events a config chooses, as it is written: all, or by position, pid, list or condition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, final

from ..events.index.condition import parse_condition
from ..model.names import parse_pid
from ..model.options import option
from .decode import refusal, shown
from .document import Items, Node, Scalar
from .forms import Form, ListForm, SectionForm
from .json_schema import Json, array_of, has_value
from .origin import Origin
from .values import DataPath, PatternedText


def parse_slice(text: str) -> slice:
    """``a:b`` or ``a:b:c`` as in Python, each number optional.

    Raises
    ------
    ValueError
        If the text is no slice, or its step is zero.
    """
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise ValueError("a slice has two or three parts")
    numbers = [int(part) if part.strip() else None for part in parts]
    if numbers[2:] == [0]:
        raise ValueError("the step of a slice is not zero")
    return slice(*numbers)


def parse_part(text: str) -> slice:
    """The events of ``K/N``, one of N equal parts, counted from 1; ValueError where it is none."""
    number, of = (int(part) for part in text.split("/"))
    if not 1 <= number <= of:
        raise ValueError("a part is one of 1 to N")
    return slice(number - 1, None, of)


def _slice_fault(text: str) -> str | None:
    try:
        parse_slice(text)
    except ValueError:
        return f'must be "a:b" or "a:b:c", such as "0:100", not {text!r}'
    return None


def _part_fault(text: str) -> str | None:
    try:
        parse_part(text or "1/1")
    except ValueError:
        return f'must be "K/N" with K from 1 to N, not {text!r}'
    return None


def _condition_fault(text: str) -> str | None:
    try:
        parse_condition(text)
    except ValueError as fault:
        return f"{fault}, in {text!r}"
    return None


_PID = r"\d+(-\d+)*"


@final
class PidForm(Form):
    """A pid: numbers joined by ``-``, a list of them, or one integer."""

    text = "pid"

    def parse(self, node: Node, path: str, origin: Origin) -> tuple[int, ...]:
        if isinstance(node, Items) and node.nodes:
            return tuple(number for part in node.nodes for number in self.parse(part, path, origin))
        text = str(node.value) if isinstance(node, Scalar) else ""
        if re.fullmatch(_PID, text):
            return parse_pid(text)
        raise refusal(node, path, f"must be like 71-1-145, [71, 1, 145] or 145, not {shown(node)}")

    def write(self, value: tuple[int, ...]) -> list[int]:
        return list(value)

    def schema(self) -> Json:
        numbers = [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\d+(-\d+)*$"},
        ]
        return {"anyOf": [*numbers, array_of({"anyOf": numbers}, 1)]}


# int() also takes signs, blanks and underscores.
_INTEGER = r"[-+\d_\s]"
Slice = Annotated[
    str, PatternedText(_slice_fault, rf"{_INTEGER}*:{_INTEGER}*(:(?!\s*[-+]?0+\s*$){_INTEGER}*)?")
]
Part = Annotated[str, PatternedText(_part_fault, rf"|{_INTEGER}+/{_INTEGER}+")]
Condition = Annotated[str, PatternedText(_condition_fault, r"[\s\S]+")]
Pids = Annotated[tuple[tuple[int, ...], ...], ListForm(PidForm(), needs_one=True)]


@dataclass(frozen=True)
class EventSelection:
    """Which events; all of them where nothing is set, else exactly one is."""

    slice: Slice | None = option(None, 'positions in the index, "a:b" or "a:b:c"')
    pids: Pids | None = option(None, "list of pids, each 71-1-145, [71, 1, 145] or one integer")
    list: DataPath | None = option(None, "file with one pid on each line")
    where: Condition | None = option(
        None, 'condition, "sum > 1e5 and not damaged"; see spring-index stats'
    )


@final
class EventsForm(Form):
    """All events, or one way to choose some."""

    _SECTION = SectionForm(EventSelection)
    _ALL = "all"

    text = "all or mapping"

    def parse(self, node: Node, path: str, origin: Origin) -> EventSelection:
        *ways, last = self._SECTION.key_forms()
        kinds = f"one of {', '.join(ways)} and {last}"
        if isinstance(node, Scalar):
            if node.value == self._ALL:
                return EventSelection()
            message = f"must be all, or a mapping with {kinds}, not {shown(node)}"
            raise refusal(node, path, message)
        made: EventSelection = self._SECTION.parse(node, path, origin)
        if len(self._SECTION.write_given(made)) != 1:
            raise refusal(node, path, f"needs exactly {kinds}")
        return made

    def write(self, value: EventSelection) -> Any:
        return self._SECTION.write_given(value) or self._ALL

    def schema(self) -> Json:
        keys = self._SECTION.schema() | {"type": "object"}
        ways = {"oneOf": [has_value(key) for key in self._SECTION.key_forms()]}
        return {"anyOf": [{"const": self._ALL}, keys | ways]}


Events = Annotated[EventSelection, EventsForm()]
