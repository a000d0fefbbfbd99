"""When a search has converged, and how many generations each run of a job may take.

Pure decisions: what they depend on is the history of errors alone, so that a job stops at the same
generation wherever it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..model.settings import Settings
from .backend import Errors

FINISHING = 2
"""Fewest generations at ``SW.sigma_end`` and ``SW.area_end`` after a search that ended early."""
_ALIKE = 1.05
_STALLED = 0.99
_LOOK_BACK = 2
_FEWEST = 3


def has_converged(history: Errors) -> bool:
    """Whether a search finds nothing better any more.

    The median error of the population is within 5 % of the lowest one, and the lowest one fell by
    less than 1 % in two generations.

    Parameters
    ----------
    history
        (generations, popsize): errors after every generation so far.
    """
    if len(history) < max(_FEWEST, _LOOK_BACK + 1):
        return False
    best, before = float(history[-1].min()), float(history[-1 - _LOOK_BACK].min())
    return bool(np.median(history[-1]) <= _ALIKE * best and best >= _STALLED * before)


def has_settled(history: Errors) -> bool:
    """Whether the finishing generations of a run are enough.

    The lowest error fell by less than 1 % in the last one.

    Parameters
    ----------
    history
        (generations, popsize): errors after every finishing generation so far.
    """
    if len(history) < FINISHING:
        return False
    return bool(history[-1].min() >= _STALLED * history[-2].min())


@dataclass(frozen=True)
class Budget:
    """What is left of the generations that all runs of a job share."""

    generations: int
    """``global.generations``."""
    runs: int
    """``global.runs``."""
    stops: bool
    """Whether searches end when they have converged."""
    used: tuple[int, ...] = ()
    """Generations of each run that is over."""

    @classmethod
    def of(cls, settings: Settings) -> Budget:
        """As the settings say."""
        wanted = settings.global_
        return cls(wanted.generations, wanted.runs, wanted.stop == "auto")

    @property
    def left(self) -> int:
        return self.generations - sum(self.used)

    @property
    def has_another(self) -> bool:
        """Whether one more run is wanted, and fits: it may take as many as the first one did."""
        return len(self.used) < self.runs and self.left >= (self.used[0] if self.used else 1)

    def ends_search(self, history: Errors) -> bool:
        """Whether the search of a run ends, with errors (generations, popsize) so far.

        The whole schedule needs no finishing generations, since it ends at the same values; else
        some are left for them.
        """
        made = len(history)
        if made >= self.generations:
            return True
        is_cut = made + FINISHING >= self.left and bool(self.used)
        can_finish = made + FINISHING <= self.left
        return is_cut or (self.stops and can_finish and has_converged(history))

    def ends_finishing(self, history: Errors, searched: int) -> bool:
        """Whether the finishing generations end, after a search of so many."""
        return searched + len(history) >= self.left or has_settled(history)

    def must_finish(self, searched: int) -> bool:
        """Whether finishing generations follow a search of so many."""
        return searched < self.generations

    def after(self, run: int) -> Budget:
        """With one more run of so many generations over."""
        return Budget(self.generations, self.runs, self.stops, (*self.used, run))

    def expected(self, now: int, *, is_over: bool = False) -> int:
        """Generations of all runs together, as far as one can tell.

        What is done over what is expected never falls from one generation to the next.

        Parameters
        ----------
        now
            Generations of the current run so far.
        is_over
            Whether the current run is over.
        """
        budget = self.after(now) if is_over else self
        if not budget.used:
            return self.generations
        done, first = sum(budget.used), budget.used[0]
        if not is_over:
            done += max(now, first)
        later = self.runs - len(budget.used) - (not is_over)
        fitting = max((self.generations - done) // first, 0)
        return min(done + min(later, fitting) * first, self.generations)
