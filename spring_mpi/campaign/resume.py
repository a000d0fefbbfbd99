"""Resume: what an earlier run left behind becomes the queue to start with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from ..engine.requirements import REVISION as ENGINE
from ..errors import SourceError
from ..model.outcome import Outcome, State
from ..model.result import Result
from ..rank0.queue import Queue
from ..rundir.lines import JobLine
from ..rundir.paths import RunDirectory
from ..worker.checkpoint import owner_of, saved_generation
from .earlier import Choice, Verdict, is_as_now, judge
from .past import Past
from .plan import Plan, checkpoint_file
from .version_0_1_0 import ENGINE as FORMER_ENGINE

_GIVEN_UP = "given up: {} runs in a row ended while it ran, the last one while it ran alone"


@dataclass(frozen=True)
class Interrupted:
    """A job that ran when the last run ended."""

    name: str
    attempts: int
    """In which its own child or worker was lost."""
    outages: int
    """So many runs in a row ended without notice while it ran, and it saved nothing in them."""
    generation: int
    """Of its checkpoint, 0 where there is none."""
    is_alone: bool
    """Whether it is to run alone."""
    is_given_up: bool
    """Whether it ran alone when the last run ended without notice, and saved nothing in it."""

    @classmethod
    def of(cls, plan: Plan, past: Past, name: str) -> Interrupted:
        """From what the journal says, and from its checkpoint."""
        line = past.jobs[name]
        owners = (owner_of(name, fingerprint) for fingerprint in plan.fingerprints(name))
        generation = saved_generation(plan.folder / checkpoint_file(name), *owners)
        outages = before = line.outages or 0
        if generation not in (0, line.generation or 0):
            outages = 0
        elif past.ended_under(name):
            outages += 1
        is_given_up = outages > before and bool(line.is_alone)
        is_alone = outages > plan.config.workers.retries
        return cls(name, (line.attempt or 1) - 1, outages, generation, is_alone, is_given_up)

    @property
    def line(self) -> JobLine:
        """As the journal keeps it."""
        return JobLine(
            Outcome(self.name, state=State.WAITING), attempt=self.attempts,
            outages=self.outages, generation=self.generation, is_alone=self.is_alone,
        )  # fmt: skip


@dataclass(frozen=True)
class Resumption:
    """A queue to start with, and what was found."""

    queue: Queue
    ended: tuple[Outcome, ...]
    """Jobs of earlier runs that stay as they are, as they go into ``summary.csv``."""
    adopted: tuple[JobLine, ...]
    """Journal lines of results that were complete but not yet in the journal."""
    given_up: tuple[Outcome, ...]
    """Jobs that were lost too often, now failed; they are among ``ended``, too."""
    interrupted: tuple[Interrupted, ...]
    """Jobs that ran when the last run ended and wait again."""
    retried: int
    """Failed jobs that are tried again."""
    unplanned: tuple[str, ...]
    """Jobs of earlier runs that the plan does not have any more; nothing is done about them."""
    following: tuple[str, ...]
    """Full jobs that follow from results, and are not yet in the journal."""
    earlier: Verdict
    """On the finished jobs of earlier runs."""


def resume(
    plan: Plan, past: Past, rundir: RunDirectory, choice: Choice = Choice.REFUSE
) -> Resumption:
    """Sort all planned jobs by what became of them.

    A job is done when its result is there; failed ones are tried again, removed and stopped ones
    stay so. Jobs that ran when the last run ended come first. A paused campaign stays paused.

    Raises
    ------
    ConfigError
        If a finished job would come out differently now; see `earlier.judge`.
    """
    present = rundir.results_present()
    earlier = judge(plan, past, present, rundir, choice)
    past.jobs.update(earlier.renewed)
    if earlier.redone:
        files = [plan.result_file(name) for name in earlier.redone]
        rundir.set_results_aside(files, past.starts + 1)
        present.difference_update(files)
    workers = plan.config.workers
    queue = Queue(workers.retries, workers.pack, plan.kind, is_paused=past.is_paused)
    ended, adopted, given_up, interrupted, retried = [], [], [], [], 0
    for name in _interrupted_first(plan, past):
        line = past.jobs.get(name) or JobLine(Outcome(name, state=State.WAITING))
        state, attempts, outages = line.state, line.attempt or 0, line.outages or 0
        if state is State.DONE and plan.result_file(name) in present:
            ended.append(plan.identified(line.outcome))
        elif _may_be_complete(state, attempts + outages) and (found := _adopt(plan, past, name)):
            state = State.DONE
            adopted.append(found)
            ended.append(plan.identified(found.outcome))
        elif state is State.RUNNING:
            job = Interrupted.of(plan, past, name)
            attempts, outages, state = job.attempts, job.outages, State.WAITING
            if job.is_given_up:
                state = State.FAILED
                failed = Outcome(name, state=state, reason=_GIVEN_UP.format(outages))
                given_up.append(failed)
                ended.append(plan.identified(failed))
            else:
                interrupted.append(job)
        elif state is State.REMOVED or state is State.STOPPED:
            ended.append(plan.identified(line.outcome))
        elif state is State.FAILED or state is State.DONE:  # done, and its result is gone
            retried += state is State.FAILED
            attempts, state = 0, State.WAITING
        elif state is not State.WAITING:
            assert_never(state)
        if plan.is_full(name):
            queue.waiting.set_behind(name)
        # A job that is done was the last to be noted.
        queue.settle(name, state, attempts, ended[-1] if state is State.DONE else None)
        if outages and state is State.WAITING:
            queue.unpacked.add(name)
            if outages > workers.retries:
                queue.alone.add(name)
    following = queue.follow_up(filter(None, map(plan.follow_up, ended))).names
    queue.postpone([name for name in queue.waiting if name in queue.alone])
    for method, names in past.replays:
        getattr(queue, method)([name for name in names if name in queue.waiting])
    unplanned = tuple(name for name in past.jobs if not plan.knows(name))
    return Resumption(
        queue, tuple(ended), tuple(adopted), tuple(given_up), tuple(interrupted), retried,
        unplanned, following, earlier,
    )  # fmt: skip


def _may_be_complete(state: State, losses: int) -> bool:
    """Whether a child may have ended the job without the journal knowing."""
    return state is State.RUNNING or (state is State.WAITING and losses > 0)


def _interrupted_first(plan: Plan, past: Past) -> Iterator[str]:
    ran = [
        name for name, line in past.jobs.items() if plan.knows(name) and line.state is State.RUNNING
    ]
    yield from ran
    first = set(ran)
    yield from (name for name in plan.names() if name not in first)
    yield from (name for name in past.jobs if plan.is_full(name) and name not in first)


def complete(plan: Plan, name: str) -> Outcome | None:
    """What a job came to whose result file is complete; None where it is not."""
    result = _result(plan, name)
    is_ours = result is not None and result.provenance.fingerprint == plan.fingerprint(name)
    return replace(Outcome.of(result), name=name) if result and is_ours else None


def _adopt(plan: Plan, past: Past, name: str) -> JobLine | None:
    """The line of a result that was finished, but whose line the end of rank 0 prevented."""
    result = _result(plan, name)
    given, now = result.provenance.fingerprint if result else "", plan.fingerprint(name)
    if result is None or (name in past.again and given != now) or not is_as_now(plan, name, given):
        return None
    outcome = replace(Outcome.of(result), name=name, worker=0, reason="result found complete")
    if given != now and ENGINE != FORMER_ENGINE:
        outcome = outcome.made_by_engine(FORMER_ENGINE)
    return JobLine(outcome, fingerprint=now)


def _result(plan: Plan, name: str) -> Result | None:
    """A job's result; None where there is none that can be read."""
    try:
        return Result.load(plan.folder / plan.result_file(name))
    except SourceError:
        return None
