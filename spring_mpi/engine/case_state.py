"""Where a job stands: the runs that are over, and what the current one is up to."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..model.settings import Settings
from .average import Average, average
from .backend import Arrays, Errors, Problem
from .bounds import ModulusBounds, modulus_bounds
from .case import Case, Progress
from .evolution import Stage
from .requirements import MADE, support_size
from .state_arrays import finishing, named, part_of
from .stopping import FINISHING, Budget

_LARGER = 1.35
"""How many times as large the initial support of the third run is (measured: it tells more wrong
answers from right ones than other sizes do)."""
_SEARCHED = "searched"
"""Name of the array of a checkpoint that holds the history of a search that is over."""


@dataclass(frozen=True)
class Run:
    """A run that is over."""

    average: Average
    error: float
    """Of its best individual."""
    history: Errors
    """(generations, popsize)."""

    def arrays(self) -> Arrays:
        """As a checkpoint has it."""
        own = {"error": np.array(self.error), "history": self.history}
        return own | {name: np.asarray(value) for name, value in vars(self.average).items()}

    @classmethod
    def of(cls, arrays: Arrays) -> Run:
        """The inverse of `arrays`; raises KeyError where one is missing."""
        values = {field.name: arrays[field.name] for field in fields(Average)}
        made: dict[str, Any] = {
            name: value if value.ndim else value.item() for name, value in values.items()
        }
        return cls(Average(**made), arrays["error"].item(), arrays["history"])


@dataclass(frozen=True)
class CaseState:
    """Where the job of one case stands."""

    case: Case
    settings: Settings
    bounds: ModulusBounds
    budget: Budget
    runs: tuple[Run, ...] = ()
    searched: Errors | None = None
    """History of the current run's search, once that is over."""
    has_light: bool = True
    """False where no individual of a run kept any density."""

    @classmethod
    def of(cls, case: Case, settings: Settings) -> CaseState:
        """Before the first generation."""
        bounds = modulus_bounds(
            case.pattern, symmetric=settings.object.is_real, bounded=bool(settings.global_.bounds)
        )
        return cls(case, settings, bounds, Budget.of(settings))

    @property
    def goes_on(self) -> bool:
        """Whether one more run is to be made."""
        return self.has_light and self.budget.has_another

    @property
    def supportsize(self) -> int:
        """Linear size of the initial supports of the first run."""
        pattern = self.case.pattern
        return support_size(self.settings.init, pattern.object_size, pattern.size)

    @property
    def problem(self) -> Problem:
        """That of the current run."""
        number, size = len(self.runs), self.supportsize
        if number == 2:
            size = min(round(_LARGER * size), self.bounds.size // 2)
        return Problem(self.bounds, self.case.key(number), size)

    def is_over(self, stage: Stage) -> bool:
        """Whether the stage of the current run ends here."""
        if stage.is_finishing:
            return self.budget.ends_finishing(
                stage.history, self._generations(stage) - stage.generation
            )
        return self.budget.ends_search(stage.history)

    def ends_run(self, stage: Stage) -> bool:
        """Whether the current run ends here, too: no finishing generations follow."""
        return self.is_over(stage) and (
            stage.is_finishing or not self.budget.must_finish(stage.generation)
        )

    def must_finish(self, arrays: Arrays) -> bool:
        """Whether finishing generations follow a stage that ended with these arrays."""
        return self.searched is None and self.budget.must_finish(len(arrays["history"]))

    def ends_job(self, stage: Stage) -> bool:
        """Whether nothing more is to be done after this generation."""
        if not self.ends_run(stage):
            return False
        return not self.budget.after(self._generations(stage)).has_another

    def finishing(self, arrays: Arrays) -> tuple[CaseState, Arrays]:
        """With the search over that ended with these arrays; those of the next stage."""
        return replace(self, searched=arrays["history"]), finishing(arrays)

    def after(self, arrays: Arrays) -> CaseState:
        """With the current run over, which ended with these arrays."""
        history = self._history(arrays["history"])
        budget = self.budget.after(len(history))
        densities = arrays["archive.density"]
        if not densities.any():
            return replace(self, budget=budget, searched=None, has_light=False)
        fitness, errors = arrays["archive.scores"], arrays["archive.errors"]
        final = average(
            densities, arrays["archive.support"], fitness, self.case.pattern, self.settings
        )
        run = Run(final, float(errors[fitness.argmin()]), history)
        return replace(self, runs=(*self.runs, run), budget=budget, searched=None)

    def progress(self, stage: Stage) -> Progress:
        """How far the job is."""
        now = self._generations(stage)
        return Progress(
            generation=sum(self.budget.used) + now,
            generations=self._expected(stage, now),
            best=float(stage.best),
            median=float(np.median(self._history(stage.history)[-1])),
        )

    def arrays(self, state: Arrays) -> Arrays:
        """All that the rest of the job depends on, as a checkpoint has it.

        ``state`` is what `Evolution.save` gave of this case.
        """
        searched = np.empty((0, 0)) if self.searched is None else self.searched
        made = sum(self.budget.used) + len(searched) + len(state["history"])
        runs = {
            name: array
            for number, run in enumerate(self.runs)
            for name, array in named(f"run{number}", run.arrays()).items()
        }
        return {**state, **runs, _SEARCHED: searched, MADE: np.array(made)}

    def restored(self, arrays: Arrays) -> CaseState:
        """The state that `arrays` were made of; KeyError or ValueError where they are not."""
        found, number = self, 0
        while arrays_of_run := part_of(f"run{number}", arrays):
            run = Run.of(arrays_of_run)
            budget = found.budget.after(len(run.history))
            found = replace(found, runs=(*found.runs, run), budget=budget)
            number += 1
        # Earlier versions had one run, and no other stage than its search.
        searched = arrays.get(_SEARCHED)
        is_known = searched is not None and searched.size
        return replace(found, searched=searched if is_known else None)

    def _generations(self, stage: Stage) -> int:
        """Of the current run so far."""
        return stage.generation + (0 if self.searched is None else len(self.searched))

    def _history(self, latest: Errors) -> Errors:
        """Of the current run, stage by stage."""
        return latest if self.searched is None else np.vstack([self.searched, latest])

    def _expected(self, stage: Stage, now: int) -> int:
        if self.ends_run(stage):
            return self.budget.expected(now, is_over=True)
        left = FINISHING
        if stage.is_finishing:
            left = max(FINISHING - stage.generation, 1)
        is_known = stage.is_finishing or self.is_over(stage)
        return self.budget.expected(now + left, is_over=is_known)
