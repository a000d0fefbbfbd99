"""Checkpoints: where the state of a job is kept, so that it can go on from the last one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from .backend import Arrays

Made = TypeVar("Made")


class Checkpoints(Protocol):
    """Keeps the last state of one job, as host arrays."""

    @property
    def every(self) -> int:
        """Generations between two states; 0 where none are kept."""

    def load(self, restore: Callable[[Arrays], Made]) -> Made | None:
        """What ``restore`` makes of the state that was kept; None where nothing usable was."""

    def save(self, arrays: Arrays) -> None:
        """Keep a state in place of the last one; the arrays are the caller's again afterwards."""

    def offer_last(self, arrays: Callable[[], Arrays]) -> None:
        """The state after the last generation, to be saved if the result cannot be.

        ``arrays`` may be called until the next job begins.
        """


class NoCheckpoints:
    """Keeps nothing."""

    every = 0

    def load(self, restore: Callable[[Arrays], Made]) -> Made | None:
        return None

    def save(self, arrays: Arrays) -> None:
        return None

    def offer_last(self, arrays: Callable[[], Arrays]) -> None:
        return None


NO_CHECKPOINTS = NoCheckpoints()
