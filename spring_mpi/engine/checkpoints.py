"""Checkpoints: where states of an evolution are kept, so that it can go on from the last one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Protocol

from .backend import Arrays
from .evolution import Evolution, State


class Checkpoints(Protocol):
    """Keeps the last state of one problem's evolution, as host arrays."""

    @property
    def every(self) -> int:
        """Generations between two states; 0 where none are kept."""

    def load(self, restore: Callable[[Arrays], State]) -> State | None:
        """The state that ``restore`` makes of what was kept; None where nothing usable was."""

    def save(self, arrays: Arrays) -> None:
        """Keep a state in place of the last one; the arrays are the caller's again afterwards."""

    def offer_last(self, arrays: Callable[[], Arrays]) -> None:
        """The state after the last generation, to be saved if the result cannot be.

        ``arrays`` may be called until the next evolution begins.
        """


class NoCheckpoints:
    """Keeps nothing."""

    every = 0

    def load(self, restore: Callable[[Arrays], State]) -> State | None:
        return None

    def save(self, arrays: Arrays) -> None:
        return None

    def offer_last(self, arrays: Callable[[], Arrays]) -> None:
        return None


NO_CHECKPOINTS = NoCheckpoints()


def keep(checkpoints: Sequence[Checkpoints], evolution: Evolution, state: State) -> None:
    """Save each problem's state where one is due; the last one only if its result cannot be."""
    if evolution.is_over(state):
        for number, kept in enumerate(checkpoints):
            kept.offer_last(partial(_state_of, evolution, state, number))
        return
    due = [kept for kept in checkpoints if kept.every and state.generation % kept.every == 0]
    if due:
        for kept, arrays in zip(checkpoints, evolution.save(state), strict=True):
            if kept in due:
                kept.save(arrays)


def _state_of(evolution: Evolution, state: State, number: int) -> Arrays:
    """The state of one of the problems."""
    return next(islice(evolution.save(state), number, None))
