"""Raw values that mean "no measurement here", as files of data and geometries name them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RELATIONS: MappingProxyType[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {"<": operator.lt, ">": operator.gt, "=": operator.eq}
)


@dataclass(frozen=True)
class Limit:
    """Excluded are pixels whose raw value is less than, more than or equal to a number."""

    relation: str
    """``<``, ``>`` or ``=``."""
    value: float
    """An int where it is a whole number, so that 64-bit values are compared exactly."""

    def __str__(self) -> str:
        return f"{self.relation} {self.value!r}"

    def excluded(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """True where a raw value is excluded; same shape as ``values``."""
        # Beside frames of single precision a plain float would lose digits.
        is_exact = values.dtype.kind in "iu" and isinstance(self.value, int)
        value = self.value if is_exact else np.float64(self.value)
        with np.errstate(invalid="ignore"):
            return np.asarray(_RELATIONS[self.relation](values, value))


def as_limit(relation: str, value: float) -> Limit:
    """The limit of a number of any type; raises `ValueError` for one that is not a number."""
    number = float(value)
    if np.isnan(number):
        raise ValueError("a limit must be a number")
    is_whole = np.isfinite(number) and value == int(value)
    return Limit(relation, int(value) if is_whole else number)
