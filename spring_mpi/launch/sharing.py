"""Work shared by the ranks of a launch: rank 0 hands it out and has the results in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..errors import LaunchError
from ..system.relayed_warnings import RelayedWarning, relaying_warnings, repeat_warning
from .communicator import Communicator, RankDied

Item = TypeVar("Item")
Result = TypeVar("Result")
_PAUSE = 0.001
"""Seconds between two looks for messages."""


@dataclass(frozen=True)
class _Work:
    """What a rank is to do with the items that follow."""

    work: Callable[[Any], Any]


@dataclass(frozen=True)
class _Task:
    number: int
    item: Any


@dataclass(frozen=True)
class _Done:
    number: int
    result: Any = None
    fault: Exception | None = None
    said: tuple[RelayedWarning, ...] = ()
    """Warnings."""


@dataclass(frozen=True)
class _Quit:
    """The last message to a rank, and its last answer."""


def shared(
    communicator: Communicator,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ahead: int | None = None,
) -> Iterator[Result]:
    """The result of every item, in the order of the items, whichever rank finds it.

    For rank 0; all others `serve`. Alone it does the work itself, one item at a time.

    Parameters
    ----------
    work
        Picklable; raises for an item that is at fault, and the fault is raised here in its turn.
        After it nothing more can be shared: `dismiss` the ranks.
    ahead
        How many results may wait for the one that is next; None: any number.

    Raises
    ------
    LaunchError
        If a rank died.
    """
    if communicator.size == 1:
        yield from map(work, items)
        return
    for rank in range(1, communicator.size):
        communicator.send(_Work(work), rank)
    tasks = (_Task(number, item) for number, item in enumerate(items))
    yield from _handed_out(communicator, tasks, ahead)


def _handed_out(
    communicator: Communicator, tasks: Iterator[_Task], ahead: int | None
) -> Iterator[Any]:
    idle, done, turn = list(range(1, communicator.size)), dict[int, _Done](), 0
    task = next(tasks, None)
    while task or len(idle) < communicator.size - 1:
        while idle and task and (ahead is None or task.number <= turn + ahead):
            communicator.send(task, idle.pop())
            task = next(tasks, None)
        sender, answer = _received(communicator)
        if isinstance(answer, RankDied):
            raise LaunchError(f"rank {sender} died; run the command again")
        done[answer.number] = answer
        for said in answer.said:
            repeat_warning(said)
        idle.append(sender)
        while turn in done:
            found = done.pop(turn)
            if found.fault:
                raise found.fault
            yield found.result
            turn += 1


def serve(communicator: Communicator) -> None:
    """The life of every rank but 0: do what it hands out, until `dismiss`."""
    work: Callable[[Any], Any] | None = None
    while True:
        sender, order = _received(communicator)
        if isinstance(order, _Work):
            work = order.work
        elif isinstance(order, _Task) and work:
            communicator.send(_answer(work, order), 0)
        elif isinstance(order, _Quit) or (isinstance(order, RankDied) and sender == 0):
            communicator.send(_Quit(), 0)
            communicator.close()
            return


def dismiss(communicator: Communicator) -> None:
    """Let all other ranks end; what they still say is heard, for a message waits for that."""
    working = set(range(1, communicator.size))
    for rank in working:
        communicator.send(_Quit(), rank)
    # A death is heard once only, and after one MPI has no orderly end.
    while working and not communicator.has_lost_ranks:
        sender, answer = _received(communicator)
        if isinstance(answer, _Quit | RankDied):
            working.discard(sender)
    communicator.close()


def _answer(work: Callable[[Any], Any], task: _Task) -> _Done:
    said: list[RelayedWarning] = []
    with relaying_warnings(said.append):
        try:
            done = _Done(task.number, result=work(task.item))
        except Exception as fault:
            done = _Done(task.number, fault=fault)
    return replace(done, said=tuple(said))


def _received(communicator: Communicator) -> tuple[int, Any]:
    """The next message, when it comes."""
    while (arrived := communicator.receive()) is None:
        time.sleep(_PAUSE)
    return arrived
