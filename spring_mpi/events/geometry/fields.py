"""Values of a text file, read as numbers, directions or lengths; faults name the line."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from ..formats.bits import MOST_BITS
from ..formats.limits import Limit, as_limit
from .panels import Vector

_FARTHEST = 1e9
_LENGTH = {"": 1.0, "m": 1.0, "mm": 1e-3}
_TERM = re.compile(r"([+-]?)([0-9.]*(?:e[+-]?[0-9]+)?)([xyz])", re.IGNORECASE)


@dataclass(frozen=True)
class Fields:
    """The values of one section, with the lines that they are on; all raise `ValueError`."""

    name: str
    line: int
    """Where the section begins."""
    values: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Key -> text and line; of a key that may stand there several times ``key LINE``."""

    def text(self, key: str, default: str | None = None) -> str:
        """The value as it stands; there must be one where there is no default."""
        if key in self.values:
            return self.values[key][0]
        if default is None:
            raise ValueError(f"line {self.line}: {self.name} has no {key}")
        return default

    def fault(self, key: str, wanted: str) -> ValueError:
        """What to raise for a value that is not what it must be."""
        text, line = self.values.get(key, ("", self.line))
        name = key.partition(" ")[0]
        return ValueError(f"line {line}: {name} must be {wanted}, not {text[:40]!r}")

    def number(self, key: str, default: str | None = None) -> float:
        """A finite number, less than 1e9."""
        try:
            value = float(self.text(key, default))
        except ValueError:
            if key not in self.values:
                raise
            value = math.nan
        if not abs(value) < _FARTHEST:
            raise self.fault(key, "a number")
        return value

    def whole(self, key: str, default: str | None = None) -> int:
        """A whole number from 0; ``513.0`` is one."""
        value = self.number(key, default)
        if value < 0 or value != int(value):
            raise self.fault(key, "0 or a positive whole number")
        return int(value)

    def bits(self, key: str) -> int:
        """A pattern of 64 bits, decimal or hexadecimal; 0 where there is none."""
        try:
            value = int(self.text(key, "0"), 0)
        except ValueError:
            raise self.fault(key, "a number such as 0xffff") from None
        if not -MOST_BITS // 2 <= value < MOST_BITS:
            raise self.fault(key, "at most 64 bits, such as 0xffff")
        return value % MOST_BITS

    def limit(self, key: str, relation: str) -> Limit:
        """Raw values that are less than, more than or equal to the number of a key."""
        text = self.text(key)
        try:
            return as_limit(relation, int(text, 0))
        except ValueError:
            pass
        try:
            return as_limit(relation, float(text))
        except ValueError:
            raise self.fault(key, "a number") from None

    def vector(self, key: str, default: str) -> Vector:
        """x, y, z of a direction such as ``+0.004451x -0.999990y``."""
        text = "".join(self.text(key, default).split())
        terms = list(_TERM.finditer(text))
        is_whole = terms and "".join(term[0] for term in terms) == text
        try:
            found = {term[3].lower(): float(f"{term[1]}{term[2] or 1}") for term in terms}
        except ValueError:
            found = {}
        possible = all(abs(value) < _FARTHEST for value in found.values())
        if not (is_whole and possible and len(found) == len(terms)):
            raise self.fault(key, "a direction such as +0.1x -1.0y")
        return found.get("x", 0.0), found.get("y", 0.0), found.get("z", 0.0)

    def length(self, key: str) -> float | None:
        """Metres; None where it is not there, or is the name of a dataset."""
        number, _, unit = self.text(key, "").partition(" ")
        try:
            value = float(number) * _LENGTH[unit.strip()]
        except (ValueError, KeyError):
            return None
        if not abs(value) < _FARTHEST:
            raise self.fault(key, "a length")
        return value
