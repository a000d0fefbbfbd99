"""The runs of jobs, one after the other: each a search, then generations that finish it.

Several cases of equal settings are worked on as one population. Each leaves it when its stage is
over, and comes back for the next one, so that it has the numbers that it has where it is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..model.settings import Settings
from .backend import Arrays, Backend
from .case import Case
from .case_state import CaseState
from .evolution import Evolution, Stage, State


@dataclass(frozen=True)
class Solver:
    """Makes the runs of cases on a backend.

    ``pulse`` is called several times in every generation.
    """

    settings: Settings
    backend: Backend
    pulse: Callable[[], None]

    def solve(self, cases: Sequence[Case]) -> list[CaseState]:
        """Where each case stands when all its runs are over."""
        states = [CaseState.of(case, self.settings) for case in cases]
        first: list[Arrays] | None = None
        if len(cases) == 1 and (found := self._continued(states[0])):
            states, first = [found[0]], [found[1]]
        while going := [number for number, case_state in enumerate(states) if case_state.goes_on]:
            ended = self._run([states[number] for number in going], first)
            first = None
            for number, case_state in zip(going, ended, strict=True):
                states[number] = case_state
        return states

    def _continued(self, case_state: CaseState) -> tuple[CaseState, Arrays] | None:
        """What the only case's checkpoint holds."""

        def restored(arrays: Arrays) -> tuple[CaseState, Arrays]:
            found = case_state.restored(arrays)
            evolution = self._evolution([found])
            (stage,) = evolution.stages(evolution.restore([arrays]))  # raises for other patterns
            case_state.case.report(found.progress(stage))
            return found, arrays

        return case_state.case.checkpoints.load(restored)

    def _run(self, group: Sequence[CaseState], start: list[Arrays] | None) -> list[CaseState]:
        """The states after one more run of each; ``start``: where its stage goes on."""
        group, arrays = list(group), self._stage(group, start)
        going = [n for n, last in enumerate(arrays) if group[n].must_finish(last)]
        for number in going:
            group[number], arrays[number] = group[number].finishing(arrays[number])
        if going:
            finished = self._stage([group[n] for n in going], [arrays[n] for n in going])
            for number, last in zip(going, finished, strict=True):
                arrays[number] = last
        return [case_state.after(last) for case_state, last in zip(group, arrays, strict=True)]

    def _stage(self, group: Sequence[CaseState], start: list[Arrays] | None) -> list[Arrays]:
        """Step each case to the end of its stage; what `Evolution.save` gives of it then."""
        ended: dict[int, Arrays] = {}
        left = list(range(len(group)))
        evolution = self._evolution(group)
        state = evolution.start() if start is None else evolution.restore(start)
        while True:
            stages = evolution.stages(state)
            over = {n for n, stage in zip(left, stages, strict=True) if group[n].is_over(stage)}
            if over:
                saved = dict(zip(left, map(_copied, evolution.save(state)), strict=True))
                for number, stage in zip(left, stages, strict=True):
                    if number in over:
                        ended[number] = saved[number]
                        _offer(group[number], stage, saved[number])
                left = [number for number in left if number not in over]
                if not left:
                    return [ended[number] for number in range(len(group))]
                evolution = self._evolution([group[number] for number in left])
                state = evolution.restore([saved[number] for number in left])
            state = evolution.step(state)
            self._tell([group[number] for number in left], evolution, state)

    def _evolution(self, group: Sequence[CaseState]) -> Evolution:
        """The evolution of the cases' current runs, which the backend is loaded with."""
        problems = [case_state.problem for case_state in group]
        self.backend.load(problems, self.settings)
        keys = [problem.key for problem in problems]
        return Evolution(self.backend, self.settings, keys, group[0].bounds.size, self.pulse)

    def _tell(self, group: Sequence[CaseState], evolution: Evolution, state: State) -> None:
        """Report how far each case is, and keep its state where one is due."""
        due = set()
        for number, stage in enumerate(evolution.stages(state)):
            case_state = group[number]
            progress, every = case_state.progress(stage), case_state.case.checkpoints.every
            case_state.case.report(progress)
            if every and progress.generation % every == 0 and not case_state.ends_job(stage):
                due.add(number)
        for number, arrays in enumerate(evolution.save(state) if due else ()):
            if number in due:
                group[number].case.checkpoints.save(group[number].arrays(arrays))


def _offer(case_state: CaseState, stage: Stage, arrays: Arrays) -> None:
    """The arrays of the last generation: they are saved only if the result cannot be."""
    if case_state.ends_job(stage):
        case_state.case.checkpoints.offer_last(lambda: case_state.arrays(arrays))


def _copied(arrays: Arrays) -> Arrays:
    return {name: np.array(array) for name, array in arrays.items()}
