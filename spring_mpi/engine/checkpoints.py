"""Checkpoints: where states of an evolution are kept, so that it can go on from the last one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from .evolution import Evolution, State
from .population import Arrays


class Checkpoints(Protocol):
    """Keeps the last state of one problem's evolution, as host arrays."""

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


def keep(checkpoints: Sequence[Checkpoints], evolution: Evolution, state: State) -> None:
    """Save each problem's state where one is due; the last generation's result follows at once."""
    due = [one for one in checkpoints if one.every and state.generation % one.every == 0]
    if due and not evolution.is_over(state):
        for one, arrays in zip(checkpoints, evolution.save(state), strict=True):
            if one in due:
                one.save(arrays)
