"""The sequence language: which algorithms an improvement runs, such as ``2*(RAAR*19 + ER*6) + SW``.

::

    sequence = term { "+" term }
    term     = [ count "*" ] atom [ "*" count ]
    atom     = name | "SW" | "(" sequence ")"

with the names of `ALGORITHMS`, which are letters alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from ..errors import SettingsError
from ..model.settings import Settings
from .algorithms import ALGORITHMS

SHRINKWRAP = "SW"
_TOKEN = re.compile(r"\s*(?:(?P<count>[0-9]+)|(?P<name>[A-Za-z]+)|(?P<sign>[+*()])|(?P<bad>\S))")
_MOST_STEPS = 100_000
"""Of an improvement: counts within counts multiply, and a slip would fill the memory."""
_DEEPEST = 20
"""Groups within one another, before Python's stack is at its end."""


@dataclass(frozen=True)
class Step:
    """One algorithm, run ``count`` times in a row."""

    algorithm: str
    count: int


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def parse(text: str) -> tuple[Step, ...]:
    """The steps of a sequence, equal neighbours joined.

    Raises
    ------
    SettingsError
        With the text, a caret under the fault, and what was expected there.
    """
    names = _Parser(text).parse()
    return tuple(Step(name, len(list(group))) for name, group in groupby(names))


def iterations(steps: tuple[Step, ...]) -> int:
    """Projections onto the data in one run of the steps; shrink-wrap costs none."""
    return sum(step.count for step in steps if step.algorithm != SHRINKWRAP)


def improvement_steps(settings: Settings) -> tuple[Step, ...]:
    """The steps of one improvement; ``auto`` is RAAR for 76 % of ``IA.it``, ER, then shrink-wrap.

    Raises
    ------
    SettingsError
        If the sequence has a fault, or disagrees with a given ``IA.it``.
    """
    if settings.IA.sequence == "auto":
        raar = round(0.76 * settings.IA.it)
        plan = (("RAAR", raar), ("ER", settings.IA.it - raar), (SHRINKWRAP, 1))
        return tuple(Step(name, count) for name, count in plan if count)
    steps = parse(settings.IA.sequence)
    total = iterations(steps)
    if total == 0:
        raise SettingsError(f"IA.sequence {settings.IA.sequence!r} has no iteration")
    if ("IA", "it") in settings.given and settings.IA.it != total:
        raise SettingsError(
            f"IA.sequence has {total} iterations, IA.it says {settings.IA.it}: "
            "leave one of them out"
        )
    return steps


def check_sequence(settings: Settings) -> str | None:
    """The fault of ``IA.sequence`` as text, or None."""
    try:
        improvement_steps(settings)
    except SettingsError as fault:
        return str(fault)
    return None


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = re.sub(r"\s", " ", text)
        self.tokens = list(_tokens(text))
        self.next = self.depth = 0

    def parse(self) -> list[str]:
        names = self.sequence()
        if self.peek().kind != "end":
            raise self.fault(self.peek(), "expected + or the end")
        return names

    def sequence(self) -> list[str]:
        names = self.term()
        while self.peek().text == "+":
            self.take()
            names += self.term()
        return names

    def term(self) -> list[str]:
        start, times = self.peek(), 1
        if start.kind == "count":
            times = self.count()
            self.expect("*")
        names = self.atom()
        if self.peek().text == "*":
            self.take()
            times *= self.count()
        if len(names) * times > _MOST_STEPS:
            raise self.fault(start, f"more than {_MOST_STEPS} steps")
        return names * times

    def atom(self) -> list[str]:
        token = self.take()
        if token.text == "(":
            return self.group(token)
        if token.text in (*ALGORITHMS, SHRINKWRAP):
            return [token.text]
        known = ", ".join((*ALGORITHMS, SHRINKWRAP))
        if token.kind == "name":
            raise self.fault(token, f"unknown algorithm {token.text!r}; known: {known}")
        raise self.fault(token, f"expected one of {known}, or a group in parentheses")

    def group(self, start: _Token) -> list[str]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.fault(start, f"more than {_DEEPEST} groups within one another")
        names = self.sequence()
        self.expect(")")
        self.depth -= 1
        return names

    def count(self) -> int:
        token = self.take()
        if not _is_count(token):
            raise self.fault(token, f"expected a number from 1 to {_MOST_STEPS}")
        return int(token.text)

    def expect(self, sign: str) -> None:
        token = self.take()
        if token.text != sign:
            raise self.fault(token, f"expected {sign}")

    def peek(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        token = self.peek()
        if token.kind != "end":
            self.next += 1
        return token

    def fault(self, token: _Token, message: str) -> SettingsError:
        return SettingsError(f"{message}\n  {self.text}\n  {' ' * token.position}^")


def _is_count(token: _Token) -> bool:
    # Digits are counted first, since int() refuses some thousands of them.
    digits = token.text.lstrip("0")
    is_short = len(digits) <= len(str(_MOST_STEPS))
    return token.kind == "count" and is_short and 0 < int(digits or 0) <= _MOST_STEPS


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        yield _Token(kind, match.group(kind), match.start(kind))
    yield _Token("end", "", len(text))
