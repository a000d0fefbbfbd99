"""Resume: what an earlier run left behind becomes the queue to start with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError, SourceError
from ..hypervisor.decisions import State
from ..hypervisor.journal import replay
from ..hypervisor.messages import Summary
from ..hypervisor.queue import Queue
from ..hypervisor.status import Finished
from ..result import Result
from .config import load_config, plain
from .plan import Plan
from .rundir import RunDirectory

_OPEN = (State.RUNNING, State.WAITING)
_PAUSED_AFTER = {"pause": True, "resume": False}
"""What people asked for -> whether the campaign is paused from then on."""


@dataclass
class Past:
    """The last word of a journal on every job it names."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> last line, with the number of its run."""
    last_exit: int | None = None
    """Exit code of the last run; None where it ended without a word."""
    starts: int = 0
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the jobs that people added."""
    moves: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    """Jobs that people put to the front (True) or, by `retry`, to the back; oldest first."""
    answered: dict[str, tuple[tuple[str, ...], bool]] = field(default_factory=dict)
    """Id of a message that was applied -> its reply, and whether it was refused."""
    is_sharded: bool | None = None
    """Whether results lie in sub-folders; None before the first run."""
    is_paused: bool = False
    """Whether people paused the campaign and did not resume it. `drain` ends with its run."""

    @classmethod
    def read(cls, path: Path) -> Past:
        """From a journal; a missing one says nothing."""
        past = cls()
        if path.exists():
            for line in replay(path):
                past._take(line)
        return past

    def _take(self, line: dict[str, Any]) -> None:
        if "journal" in line:
            self.is_sharded = bool(line.get("sharded"))
        elif "start" in line:
            self.starts, self.last_exit = line["start"], None
        elif "exit" in line:
            self.last_exit = line["exit"]
            for job in self._running():
                # The end was orderly: it is no fault of the jobs that ran.
                job["attempt"] -= 1
        elif "message" in line:
            self.answered[line["message"]] = tuple(line["reply"]), bool(line["refused"])
            for record in line["records"]:
                self._take(record)
            if line.get("front"):
                self.moves.append((tuple(line["front"]), True))
            if line["verb"] == "retry":
                self.moves.append((tuple(record["job"] for record in line["records"]), False))
            if not line["refused"]:
                self.is_paused = _PAUSED_AFTER.get(line["verb"], self.is_paused)
        elif "job" in line:
            if "request" in line:
                self.requests[line["job"]] = line["request"]
            self.jobs[line["job"]] = line | {"run": self.starts}

    def ending(self) -> str:
        """How the last run ended, in words."""
        running = sum(1 for _ in self._running())
        how = "was killed without a word"
        if self.last_exit is not None:
            how = f"ended with exit {self.last_exit}"
        return f"{how} while {running} jobs ran" if running else how

    def _running(self) -> Iterator[dict[str, Any]]:
        """The jobs that the last run had given out when it ended."""
        return (
            line
            for line in self.jobs.values()
            if line["state"] == State.RUNNING and line["run"] == self.starts
        )


@dataclass(frozen=True)
class Resumption:
    """A queue to start with, and what was found."""

    queue: Queue
    finished: tuple[Finished, ...]
    """Of earlier runs, as they go into ``summary.csv``."""
    adopted: tuple[dict[str, Any], ...]
    """Journal lines of results that were complete but not yet in the journal."""
    given_up: tuple[tuple[str, str], ...]
    """(job, reason) of jobs that were lost too often, now failed."""
    retried: int
    """Failed jobs that are tried again."""
    unplanned: tuple[str, ...]
    """Jobs of earlier runs that the plan does not have any more; nothing is done about them."""


def resume(plan: Plan, past: Past, rundir: RunDirectory) -> Resumption:
    """Sort all planned jobs by what became of them.

    A job is done when its result is there; failed ones are tried again, removed and stopped ones
    stay so. Jobs that ran when the last run ended come first. A paused campaign stays paused.

    Raises
    ------
    ConfigError
        If a finished job would come out differently now.
    """
    present = rundir.results_present()
    refuse_changes(plan, past, present, rundir)
    workers = plan.config.workers
    queue = Queue(workers.retries, workers.pack, plan.kind, is_paused=past.is_paused)
    finished, adopted, given_up, retried = [], [], [], 0
    for name in _interrupted_first(plan, past):
        line = past.jobs.get(name, {})
        state, attempts = State(line.get("state", State.WAITING)), int(line.get("attempt", 0))
        if state is State.DONE and plan.result_file(name) in present:
            finished.append(_finished(plan, line))
        elif _may_be_complete(state, attempts) and (found := _adopt(plan, name)):
            state = State.DONE
            adopted.append(found)
            finished.append(_finished(plan, found))
        elif state is State.RUNNING and attempts > workers.retries:
            state = State.FAILED
            given_up.append((name, f"given up after {attempts} attempts: the run ended with it"))
        elif state not in (State.REMOVED, State.STOPPED):
            retried += state is State.FAILED
            attempts = attempts if state in _OPEN else 0
            state = State.WAITING
        queue.settle(name, state, attempts)
    for names, to_front in past.moves:
        move = queue.prepend if to_front else queue.postpone
        move([name for name in names if name in queue.waiting])
    unplanned = tuple(name for name in past.jobs if not plan.knows(name))
    return Resumption(queue, tuple(finished), tuple(adopted), tuple(given_up), retried, unplanned)


def _may_be_complete(state: State, attempts: int) -> bool:
    """Whether a child may have ended the job without the journal knowing."""
    return state is State.RUNNING or (state is State.WAITING and attempts > 0)


def _interrupted_first(plan: Plan, past: Past) -> Iterator[str]:
    ran = [
        name
        for name, line in past.jobs.items()
        if plan.knows(name) and line["state"] == State.RUNNING
    ]
    yield from ran
    first = set(ran)
    yield from (name for name in plan.names() if name not in first)


def refuse_changes(plan: Plan, past: Past, present: set[str], rundir: RunDirectory) -> None:
    """Raise `ConfigError` if a finished job would come out differently now."""
    for name, line in past.jobs.items():
        if line["state"] != State.DONE or not plan.knows(name):
            continue
        if plan.result_file(name) in present and line["fingerprint"] != plan.fingerprint(name):
            raise ConfigError(
                [
                    f"{name} is already done in {rundir.path}, but not with this config:",
                    *(f"  {change}" for change in _changes(plan, rundir)),
                    "start anew with --fresh, or choose another output",
                ]
            )


def _changes(plan: Plan, rundir: RunDirectory) -> Iterator[str]:
    """What the config says now and said before, a line each; or that the data are others."""
    try:
        before = dict(_leaves(plain(load_config(rundir.config))))
    except ConfigError:
        before = {}
    now = dict(_leaves(plain(plan.config)))
    changed = [key for key in now if before and before.get(key) != now[key]]
    for key in changed:
        yield f"{key}: {before.get(key)} -> {now[key]}"
    if not changed:
        yield "its source, a mask or another file of the data has other content, or another name"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path, value


def complete(plan: Plan, name: str) -> Summary | None:
    """What a job came to whose result file is complete; None where it is not."""
    try:
        result = Result.load(plan.folder / plan.result_file(name))
    except SourceError:
        return None
    is_ours = result.provenance.fingerprint == plan.fingerprint(name)
    return Summary.of(result) if is_ours else None


def _adopt(plan: Plan, name: str) -> dict[str, Any] | None:
    """The line of a result that was finished, but whose line the end of rank 0 prevented."""
    summary = complete(plan, name)
    if summary is None:
        return None
    return {
        "job": name,
        "state": State.DONE.value,
        "worker": 0,
        "reason": "result found complete",
        "fingerprint": plan.fingerprint(name),
        **summary.to_line(),
    }


def _finished(plan: Plan, line: Mapping[str, Any]) -> Finished:
    return plan.finished(line["job"], line["worker"], Summary.from_line(line))
