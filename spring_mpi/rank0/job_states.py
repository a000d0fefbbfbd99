"""The state of every job there ever was in a campaign, and which names are the same job's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from fnmatch import translate
from re import compile as compile_pattern

from ..model.names import file_name
from ..model.outcome import State
from ..model.verdict import Verdict


class JobStates:
    """Jobs by name and state; two names are equal when their file names are."""

    def __init__(self) -> None:
        self.counts: Counter[State] = Counter()
        """Jobs by state."""
        self.verdicts: Counter[Verdict | None] = Counter()
        """Results by verdict; None counts those that nobody judged."""
        self._states: dict[str, State] = {}
        self._names: dict[str, str] = {}

    @property
    def names(self) -> Collection[str]:
        """Of all jobs, in the order in which they became known."""
        return self._names.values()

    def of(self, name: str) -> State | None:
        """The state of a job; None where there is none of that name."""
        return self._states.get(file_name(name))

    def known_as(self, name: str) -> str:
        """The job whose file has the same name, or the name itself where there is none."""
        return self._names.get(file_name(name), name)

    def free_name(self, name: str) -> str:
        """The name where it is not taken, else the first free one of ``name~2``, ``name~3``."""
        number, candidate = 1, name
        while file_name(candidate) in self._states:
            number += 1
            candidate = f"{name}~{number}"
        return candidate

    def matching(self, item: str, among: Collection[str]) -> list[str]:
        """Of these, the job of that name, else those whose names match the wildcard (`fnmatch`)."""
        if (known := self.known_as(item)) in among:
            return [known]
        matches = compile_pattern(translate(item)).match
        return [name for name in among if matches(name)]

    def enter(self, name: str, state: State) -> None:
        """A job, perhaps a new one, is in this state from now on."""
        key = file_name(name)
        if key in self._states:
            self.counts[self._states[key]] -= 1
        self._states[key] = state
        self._names.setdefault(key, name)
        self.counts[state] += 1
