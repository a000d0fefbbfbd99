"""The queue of jobs: what happened goes in, decisions come out; no I/O, no clock.

Every job is in exactly one state. Waiting jobs keep an order that people may change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from ..model.names import file_name
from ..model.outcome import Outcome, State
from ..model.verdict import Verdict
from .decisions import Decision, Give, Interrupt, Mode, Record, Refusal, Switched, Why
from .job_states import JobStates
from .waiting import Waiting

_WINDOW = 1000
"""Waiting jobs among which those of equal kind are looked for; of 10^6 a look would take long."""
_WITHOUT_RESULT = (State.FAILED, State.REMOVED, State.STOPPED)


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
    waiting: Waiting = field(default_factory=Waiting)
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
    outdated: dict[str, Verdict | None] = field(default_factory=dict)
    """Jobs done by an earlier revision of the engine -> verdict on their results."""
    jobs: JobStates = field(default_factory=JobStates)
    """Every job there ever was."""
    is_paused: bool = False
    """No job is given out until `resume`; running ones go on."""
    is_draining: bool = False
    """No job is given out any more: the campaign ends with the running ones."""
    is_serving: bool = False
    """The campaign goes on when no job is left: people will add some."""

    # ---- what people ask for; see `spring_mpi.rundir.verbs`

    def append(self, names: Iterable[str]) -> Decision:
        """Put new jobs at the back; a taken name becomes ``name~2``."""
        records = []
        for name in map(self.jobs.free_name, names):
            self.waiting[name] = 0
            records.append(self._enter(name, State.WAITING))
        return Decision(tuple(records))

    def prepend(self, names: Iterable[str]) -> Decision:
        """Put jobs at the front in the given order; waiting ones move, new ones are added."""
        chosen: dict[str, None] = {}
        for name in {file_name(name): name for name in names}.values():
            known = self.jobs.known_as(name)
            if known not in self.waiting and known not in chosen:
                known = self.jobs.free_name(name)
                self.jobs.enter(known, State.WAITING)
            chosen[known] = None
        for name in reversed(chosen):
            self.waiting.put_first(name, self.waiting.get(name, 0))
        return Decision(tuple(Record(name, State.WAITING, reason="front") for name in chosen))

    def postpone(self, names: Iterable[str]) -> None:
        """Move waiting jobs to the back in the given order."""
        for name in names:
            self.waiting.move_to_end(name)

    def remove(self, item: str, *, name: bool = False) -> Decision:
        """Remove waiting jobs: by position (digits, unless they are a name), name, or wildcard."""
        if item.isdecimal() and not name:
            chosen = list(islice(self.waiting, int(item), int(item) + 1))
        else:
            chosen = self.jobs.matching(item, self.waiting)
        if not chosen:
            return Decision(refusal=Refusal(Why.NOT_WAITING, item))
        for job in chosen:
            del self.waiting[job]
        return Decision(tuple(self._enter(job, State.REMOVED) for job in chosen))

    def stop(self, name: str | None = None) -> Decision:
        """Stop a running job, or all of them; the next waiting ones start by themselves."""
        wanted = None if name is None else self.jobs.known_as(name)
        chosen = {job: run for job, run in self.running.items() if wanted in (None, job)}
        if not chosen:
            why = Why.NOTHING_RUNS if name is None else Why.NOT_RUNNING
            return Decision(refusal=Refusal(why, name or ""))
        for run in chosen.values():
            run.is_stopping = True
        return Decision(
            instructions=tuple(Interrupt(run.worker, job) for job, run in chosen.items())
        )

    def kill(self) -> Decision:
        """Remove every waiting job, then stop every running one."""
        if not (self.waiting or self.running):
            return Decision(refusal=Refusal(Why.NO_JOBS))
        return Decision(self.remove("*").records, self.stop().instructions)

    def pause(self) -> Decision:
        """Give out no more jobs; the running ones go on."""
        return self._switched(Mode.PAUSED, Why.PAUSED_ALREADY, is_paused=True)

    def resume(self) -> Decision:
        """Give out jobs again, also after `drain`."""
        return self._switched(Mode.RESUMED, Why.NOT_PAUSED, is_paused=False, is_draining=False)

    def drain(self) -> Decision:
        """Let the running jobs end, then the campaign; waiting jobs are left for another run."""
        return self._switched(Mode.DRAINING, Why.DRAINING_ALREADY, is_draining=True)

    def retry(self, item: str) -> Decision:
        """Put jobs at the back again, by name or wildcard: those that failed, were removed or
        stopped, and those that an earlier revision of the engine made."""
        chosen = [
            name
            for name in self.jobs.matching(item, self.jobs.names)
            if self.jobs.of(name) in _WITHOUT_RESULT or name in self.outdated
        ]
        for name in chosen:
            if name in self.outdated:
                self.jobs.verdicts[self.outdated.pop(name)] -= 1
            self.waiting[name] = 0
            self.unpacked.discard(name)
            self.alone.discard(name)
        if not chosen:
            return Decision(refusal=Refusal(Why.NOT_ENDED, item))
        return Decision(tuple(self._enter(name, State.WAITING) for name in chosen))

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
        if self.runs(worker, name):
            self.running[name].progress = progress
        return Decision()

    def done(self, worker: int, name: str, verdict: Verdict | None = None) -> Decision:
        """A job's result is complete."""
        decision = self._ended(worker, name, State.DONE)
        self.jobs.verdicts[verdict] += len(decision.records)
        return decision

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
        if not self.runs(worker, name):
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

    def follow_up(self, names: Iterable[str]) -> Decision:
        """Put jobs that follow from results behind all others, each once and for all."""
        records = []
        for name in names:
            if self.jobs.of(name) is None:
                self.waiting.set_behind(name)
                self.waiting[name] = 0
                records.append(self._enter(name, State.WAITING))
        return Decision(tuple(records))

    def settle(
        self, name: str, state: State, attempts: int = 0, done: Outcome | None = None
    ) -> None:
        """Take over a planned job in the state that an earlier run left it in, as it was done."""
        self.jobs.enter(name, state)
        if done:
            self.jobs.verdicts[done.verdict] += 1
            if done.is_of_earlier_engine:
                self.outdated[name] = done.verdict
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

    def _switched(self, mode: Mode, unless: Why, **flags: bool) -> Decision:
        if all(getattr(self, name) == value for name, value in flags.items()):
            return Decision(refusal=Refusal(unless))
        for name, value in flags.items():
            setattr(self, name, value)
        return Decision(switched=Switched(mode, tuple(self.running), len(self.waiting)))

    def runs(self, worker: int, name: str) -> bool:
        """Whether a job runs on that worker: what others say of it is late."""
        run = self.running.get(name)
        return run is not None and run.worker == worker

    def _ended(self, worker: int, name: str, state: State, reason: str = "") -> Decision:
        """A late report, of a worker that no longer has the job, changes nothing."""
        if not self.runs(worker, name):
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
        self.jobs.enter(name, state)
        return Record(name, state, worker, attempt, reason)
