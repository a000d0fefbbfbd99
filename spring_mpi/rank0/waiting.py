"""The waiting jobs in the order of their execution, some of them behind all others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from itertools import chain


class Waiting(MutableMapping[str, int]):
    """Name of a waiting job -> attempts so far, in the order of execution.

    A job that was set behind all others stays of that kind: whenever it waits again, it does so
    behind them, unless people put it to the front.
    """

    def __init__(self) -> None:
        self._first: OrderedDict[str, int] = OrderedDict()
        self._behind: OrderedDict[str, int] = OrderedDict()
        self._last_ones: set[str] = set()

    def set_behind(self, name: str) -> None:
        """From now on a job waits behind all others, also those that are added later."""
        self._last_ones.add(name)

    @property
    def behind(self) -> int:
        """How many wait behind all others."""
        return len(self._behind)

    def put_first(self, name: str, attempts: int = 0) -> None:
        """At the very front, wherever it was."""
        self._behind.pop(name, None)
        self._first[name] = attempts
        self._first.move_to_end(name, last=False)

    def move_to_end(self, name: str, *, last: bool = True) -> None:
        """To the back, or the front, of those among which it waits; KeyError if it does not."""
        self._part_with(name).move_to_end(name, last=last)

    def __getitem__(self, name: str) -> int:
        return self._part_with(name)[name]

    def __setitem__(self, name: str, attempts: int) -> None:
        """A job keeps its place; one that did not wait comes last of its kind."""
        is_last = name in self._behind or (name in self._last_ones and name not in self._first)
        (self._behind if is_last else self._first)[name] = attempts

    def __delitem__(self, name: str) -> None:
        del self._part_with(name)[name]

    def __contains__(self, name: object) -> bool:
        return name in self._first or name in self._behind

    def __iter__(self) -> Iterator[str]:
        return chain(self._first, self._behind)

    def __len__(self) -> int:
        return len(self._first) + len(self._behind)

    def _part_with(self, name: str) -> OrderedDict[str, int]:
        return self._behind if name in self._behind else self._first
