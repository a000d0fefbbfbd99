"""What tests ask of whole reconstructions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from spring_mpi.engine.backend import Arrays
from spring_mpi.model.result import Result

Made = TypeVar("Made")


@dataclass
class Memory:
    """Keeps all states that it is given, and offers one."""

    every: int = 1
    offered: Arrays | None = None
    saved: list[Arrays] = field(default_factory=list)
    last: Arrays | None = None

    def load(self, restore: Callable[[Arrays], Made]) -> Made | None:
        return None if self.offered is None else restore(self.offered)

    def save(self, arrays: Arrays) -> None:
        self.saved.append({name: array.copy() for name, array in arrays.items()})

    def offer_last(self, arrays: Callable[[], Arrays]) -> None:
        self.last = {name: array.copy() for name, array in arrays().items()}


def arrays_of(result: Result) -> dict[str, bytes]:
    """All arrays of a result, bit by bit."""
    return {
        name: value.tobytes() for name, value in vars(result).items() if hasattr(value, "tobytes")
    }
