"""Checkpoints: where states of an evolution are kept, so that it can go on from the last one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .evolution import Evolution, State
from .population import Arrays


class Checkpoints(Protocol):
    """Keeps the last state of one evolution, as host arrays."""

    @property
    def every(self) -> int:
        """Generations between two states; 0 where none are kept."""

    def load(self, restore: Callable[[Arrays], State]) -> State | None:
        """The state that ``restore`` makes of what was kept; None where nothing usable was."""

    def save(self, arrays: Arrays) -> None:
        """Keep a state in place of the last one; the arrays are the caller's again afterwards."""


class NoCheckpoints:
    """Keeps nothing."""

    every = 0

    def load(self, restore: Callable[[Arrays], State]) -> State | None:
        return None

    def save(self, arrays: Arrays) -> None:
        return None


NO_CHECKPOINTS = NoCheckpoints()


def keep(checkpoints: Checkpoints, evolution: Evolution, state: State) -> None:
    """Save the state where one is due; the last generation needs none, its result follows."""
    is_due = checkpoints.every and state.generation % checkpoints.every == 0
    if is_due and not evolution.is_over(state):
        checkpoints.save(evolution.save(state))
