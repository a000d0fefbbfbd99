"""The queue of jobs: what happened goes in, decisions come out; no I/O, no clock.

Every job is in exactly one state. Waiting jobs keep an order that people may change; jobs are
known by name, and two names are equal when their file names are.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from itertools import islice
from re import compile as compile_pattern

from ..names import file_name
from ..outcome import State
from .decisions import Decision, Give, Interrupt, Record

_WINDOW = 1000
"""Waiting jobs among which those of equal kind are looked for."""


@dataclass
class Run:
    """A running job."""

    worker: int
    attempt: int
    is_stopping: bool = False
    progress: float = 0.0
    """0 to 1."""


@dataclass
class Queue:
    """All jobs of a campaign.

    Parameters
    ----------
    retries
        How often a job that was lost with its child or worker is tried again.
    pack
        Most jobs that a worker gets at once.
    kind
        Jobs of equal kind may be given out together; None: that one alone.
    """

    retries: int = 2
    pack: int = 1
    kind: Callable[[str], Hashable] = lambda name: None
    waiting: OrderedDict[str, int] = field(default_factory=OrderedDict)
    """Name -> attempts so far, in the order of execution."""
    unpacked: set[str] = field(default_factory=set)
    """Jobs that are given to a worker without others: a run ended while they ran."""
    alone: set[str] = field(default_factory=set)
    """Jobs that run last, and only while no other job does: they may have ended several runs."""
    running: dict[str, Run] = field(default_factory=dict)
    idle: dict[int, None] = field(default_factory=dict)
    """Workers without a job, longest idle first (a dict for its order)."""
    loads: Counter[int] = field(default_factory=Counter)
    """Running jobs of every worker."""
    workers: set[int] = field(default_factory=set)
    states: dict[str, State] = field(default_factory=dict)
    """File name -> state, of every job there ever was."""
    names: dict[str, str] = field(default_factory=dict)
    """File name -> name, of every job there ever was."""
    counts: Counter[State] = field(default_factory=Counter)
    """Jobs by state."""
    is_paused: bool = False
    """No job is given out until `unpause`; running ones go on."""
    is_draining: bool = False
    """No job is given out any more: the campaign ends with the running ones."""
    is_serving: bool = False
    """The campaign goes on when no job is left: people will add some."""

    # ---- what people ask for

    def append(self, names: Iterable[str]) -> Decision:
        """Put new jobs at the back; a taken name becomes ``name~2``. The reply holds the names."""
        fresh = []
        for name in names:
            fresh.append(self._free(name))
            self.waiting[fresh[-1]] = 0
            self._set(fresh[-1], State.WAITING)
        return Decision(tuple(Record(name, State.WAITING) for name in fresh), reply=tuple(fresh))

    def prepend(self, names: Iterable[str]) -> Decision:
        """Put jobs at the front in the given order; waiting ones move, new ones are added."""
        chosen: dict[str, None] = {}
        for name in {file_name(name): name for name in names}.values():
            known = self.known_as(name)
            if known not in self.waiting and known not in chosen:
                known = self._free(name)
                self._set(known, State.WAITING)
            chosen[known] = None
        fresh = tuple(chosen)
        for name in reversed(fresh):
            self.waiting[name] = self.waiting.get(name, 0)
            self.waiting.move_to_end(name, last=False)
        records = [Record(name, State.WAITING, reason="front") for name in fresh]
        return Decision(tuple(records), reply=fresh)

    def postpone(self, names: Iterable[str]) -> None:
        """Move waiting jobs to the back in the given order."""
        for name in names:
            self.waiting.move_to_end(name)

    def remove(self, item: str, *, is_name: bool = False) -> Decision:
        """Remove waiting jobs: by position (digits), by exact name, or by wildcard (fnmatch)."""
        chosen = self._matching(item, is_name)
        if not chosen:
            return Decision(reply=(f"No job matching {item} in queue",), refused=True)
        for name in chosen:
            del self.waiting[name]
        return Decision(
            tuple(self._enter(name, State.REMOVED) for name in chosen),
            reply=tuple(f"Removing {name} from queue" for name in chosen),
        )

    def stop(self, name: str | None = None) -> Decision:
        """Stop a running job, or all of them; the next waiting ones start by themselves."""
        wanted = None if name is None else self.known_as(name)
        chosen = [one for one in self.running if wanted is None or one == wanted]
        if not chosen:
            missing = "No job is running" if name is None else f"No job matching {name} is running"
            return Decision(reply=(missing,), refused=True)
        for one in chosen:
            self.running[one].is_stopping = True
        # The name is told where there are several; the last word has no full stop.
        labels = [f" {one}" if len(chosen) > 1 else "" for one in chosen]
        return Decision(
            instructions=tuple(Interrupt(self.running[one].worker, one) for one in chosen),
            reply=tuple(f"Terminating running MPR process{label}... Done" for label in labels),
        )

    def kill(self) -> Decision:
        """Remove every waiting job, then stop every running one."""
        removed = self.remove("*") if self.waiting else Decision()
        stopped = self.stop() if self.running else Decision()
        return Decision(
            removed.records, stopped.instructions, removed.reply + stopped.reply,
            refused=not (removed.records or stopped.instructions),
        )  # fmt: skip

    def pause(self) -> Decision:
        """Give out no more jobs; the running ones go on."""
        return self._switched("Paused", "is already paused", is_paused=True)

    def unpause(self) -> Decision:
        """Give out jobs again, also after `drain`."""
        return self._switched("Resumed", "is not paused", is_paused=False, is_draining=False)

    def drain(self) -> Decision:
        """Let the running jobs end, then the campaign; waiting jobs are left for another run."""
        return self._switched("Draining", "is already draining", is_draining=True)

    def retry(self, names: Iterable[str]) -> Decision:
        """Put jobs that failed, were removed or stopped at the back again."""
        ended = (State.FAILED, State.REMOVED, State.STOPPED)
        records = []
        for name in map(self.known_as, names):
            if self.states.get(file_name(name)) in ended:
                self.waiting[name] = 0
                self.unpacked.discard(name)
                self.alone.discard(name)
                records.append(self._enter(name, State.WAITING))
        if not records:
            return Decision(reply=("No such job has failed, was removed or stopped",), refused=True)
        return Decision(
            tuple(records), reply=tuple(f"Adding {record.name} to queue" for record in records)
        )

    # ---- what workers report

    def joined(self, worker: int) -> Decision:
        """A worker is there and free."""
        self.workers.add(worker)
        if not self.loads[worker]:
            self.idle.setdefault(worker)
        return Decision()

    def gone(self, worker: int, reason: str) -> Decision:
        """A worker is lost, with what it ran."""
        self.workers.discard(worker)
        self.idle.pop(worker, None)
        lost = [name for name, run in self.running.items() if run.worker == worker]
        return Decision(
            tuple(record for name in lost for record in self.lost(worker, name, reason).records)
        )

    def progressed(self, worker: int, name: str, progress: float) -> Decision:
        """A running job came so far."""
        if self._runs(worker, name):
            self.running[name].progress = progress
        return Decision()

    def done(self, worker: int, name: str) -> Decision:
        """A job's result is complete."""
        return self._ended(worker, name, State.DONE)

    def failed(self, worker: int, name: str, reason: str) -> Decision:
        """A job cannot be done."""
        return self._ended(worker, name, State.FAILED, reason)

    def stopped(self, worker: int, name: str) -> Decision:
        """A job was stopped."""
        return self._ended(worker, name, State.STOPPED)

    def lost(self, worker: int, name: str, reason: str, *, is_innocent: bool = False) -> Decision:
        """A job's child died: try again from the front, or give up after ``retries``.

        An attempt that ended because of another job does not count.
        """
        if not self._runs(worker, name):
            return Decision()
        run = self.running[name]
        if run.is_stopping:
            return self.stopped(worker, name)
        attempts = run.attempt - is_innocent
        if attempts > self.retries:
            return self.failed(worker, name, f"given up after {attempts} attempts: {reason}")
        self._release(worker, name)
        self.waiting[name] = attempts
        self.waiting.move_to_end(name, last=False)
        return Decision((self._enter(name, State.WAITING, attempt=attempts, reason=reason),))

    # ---- what follows

    def assign(self) -> Decision:
        """Give waiting jobs to idle workers, unless paused or draining."""
        records, orders = [], []
        while self.idle and self.waiting and not (self.is_paused or self.is_draining):
            worker, names = next(iter(self.idle)), self._next()
            if not names:
                break
            del self.idle[worker]
            for name in names:
                attempt = self.waiting.pop(name) + 1
                self.running[name] = Run(worker, attempt)
                records.append(self._enter(name, State.RUNNING, worker, attempt))
            self.loads[worker] = len(names)
            orders.append(Give(worker, names))
        return Decision(tuple(records), tuple(orders))

    def settle(self, name: str, state: State, attempts: int = 0) -> None:
        """Take over a planned job in the state that an earlier run left it in."""
        self._set(name, state)
        if state is State.WAITING:
            self.waiting[name] = attempts

    @property
    def is_over(self) -> bool:
        """Nothing runs, and nothing that waits will."""
        if self.running:
            return False
        return self.is_draining or not (self.waiting or self.is_serving)

    def head(self, number: int) -> Iterator[str]:
        """The first waiting jobs."""
        return islice(self.waiting, number)

    def known_as(self, name: str) -> str:
        """The job whose file has the same name, or the name itself where there is none."""
        return self.names.get(file_name(name), name)

    def _next(self) -> tuple[str, ...]:
        """The first waiting job, and those of its kind that go with it; none if it must wait.

        No worker gets more than its share of the waiting jobs: others would be idle in the end. A
        job that was lost before is tried alone, so that it takes no others with it.
        """
        if not self.alone.isdisjoint(self.running):
            return ()
        first = next((name for name in self.waiting if name not in self.alone), None)
        if first is None:
            return () if self.running else (next(iter(self.waiting)),)
        share = min(self.pack, -(-len(self.waiting) // len(self.workers)))
        if share == 1 or not self._may_be_packed(first) or (kind := self.kind(first)) is None:
            return (first,)
        near = islice(self.waiting, _WINDOW)
        alike = (name for name in near if self._may_be_packed(name) and self.kind(name) == kind)
        return tuple(islice(alike, share))

    def _may_be_packed(self, name: str) -> bool:
        return not self.waiting[name] and name not in self.unpacked and name not in self.alone

    def _switched(self, done: str, refused: str, **flags: bool) -> Decision:
        if all(getattr(self, name) == value for name, value in flags.items()):
            return Decision(reply=(f"The campaign {refused}",), refused=True)
        for name, value in flags.items():
            setattr(self, name, value)
        running = ", ".join(self.running) or "nothing"
        return Decision(reply=(f"{done}: {running} running, {len(self.waiting)} jobs waiting",))

    def _matching(self, item: str, is_name: bool) -> list[str]:
        if item.isdecimal() and not is_name:
            return list(islice(self.waiting, int(item), int(item) + 1))
        if self.known_as(item) in self.waiting:
            return [self.known_as(item)]
        matches = compile_pattern(translate(item)).match
        return [name for name in self.waiting if matches(name)]

    def _free(self, name: str) -> str:
        number, candidate = 1, name
        while file_name(candidate) in self.states:
            number += 1
            candidate = f"{name}~{number}"
        return candidate

    def _runs(self, worker: int, name: str) -> bool:
        run = self.running.get(name)
        return run is not None and run.worker == worker

    def _ended(self, worker: int, name: str, state: State, reason: str = "") -> Decision:
        """A late report, of a worker that no longer has the job, changes nothing."""
        if not self._runs(worker, name):
            return Decision()
        attempt = self.running[name].attempt
        self._release(worker, name)
        return Decision((self._enter(name, state, worker, attempt, reason),))

    def _release(self, worker: int, name: str) -> None:
        del self.running[name]
        self.loads[worker] -= 1
        if worker in self.workers and not self.loads[worker]:
            self.idle.setdefault(worker)

    def _enter(
        self, name: str, state: State, worker: int | None = None, attempt: int = 0, reason: str = ""
    ) -> Record:
        self._set(name, state)
        return Record(name, state, worker, attempt, reason)

    def _set(self, name: str, state: State) -> None:
        key = file_name(name)
        if key in self.states:
            self.counts[self.states[key]] -= 1
        self.states[key] = state
        self.names.setdefault(key, name)
        self.counts[state] += 1
