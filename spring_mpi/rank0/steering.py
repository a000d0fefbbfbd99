"""Steering: what people ask of a living campaign becomes decisions of the queue, and replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import MessageError, SpringError
from ..model.names import file_name
from ..model.verdict import counts_by_key
from ..rundir.mailbox_messages import Reply
from ..rundir.verbs import VERBS, Changes, Verb
from .console import info_lines, livelog_lines, reply_lines, worker_lines
from .decisions import Decision, Refusal, Why
from .jobs import Jobs, Request
from .overview import Busy
from .progress import Progress
from .queue import Queue


@dataclass(frozen=True)
class Answer:
    """What follows from a message."""

    reply: Reply
    decision: Decision = Decision()
    requests: Mapping[str, Request] = field(default_factory=dict)
    """Name -> request of added jobs, for the journal."""


class Steering:
    """Answers messages; changes the queue, and nothing else."""

    def __init__(self, queue: Queue, progress: Progress, jobs: Jobs) -> None:
        self._queue, self._progress, self._jobs = queue, progress, jobs
        # All other verbs are methods of the queue.
        self._own: Mapping[str, Callable[..., Answer]] = {
            "info": self._info,
            "livelog": self._livelog,
            "workers": self._workers,
            "append": self._append,
            "prepend": self._prepend,
        }

    def answer(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Carry out a verb; what cannot be is refused with the reason."""
        try:
            if (verb := VERBS.get(name)) is None:
                raise MessageError(f"No command {name!r}; known: {', '.join(VERBS)}")
            return self._carried_out(verb, verb.checked(arguments))
        except SpringError as fault:
            return Answer(Reply((str(fault),), refused=True))

    def _carried_out(self, verb: Verb, arguments: Mapping[str, Any]) -> Answer:
        if verb.name in self._own:
            return self._own[verb.name](**arguments)
        return _answer(verb.changes, getattr(self._queue, verb.name)(**arguments))

    def _info(self, *, all: bool) -> Answer:
        data = {
            "running": list(self._queue.running),
            "waiting": list(self._queue.waiting),
            "paused": self._queue.is_paused,
            "draining": self._queue.is_draining,
            "verdicts": counts_by_key(self._queue.jobs.verdicts),
        }
        return Answer(Reply(tuple(info_lines(self._queue, everything=all)), data=data))

    def _livelog(self) -> Answer:
        lines = livelog_lines(self._queue, self._progress.devices, self._progress.paces)
        progress = {name: run.progress for name, run in self._queue.running.items()}
        return Answer(Reply(tuple(lines), data={"running": progress}))

    def _workers(self) -> Answer:
        working = [self._progress.busy(name, run) for name, run in self._queue.running.items()]
        lines = worker_lines(self._queue, self._progress.devices, working)
        at_work = {busy.worker: busy for busy in working}
        data = [
            {"worker": worker, "host": ready.host, "device": ready.device}
            | _course(at_work.get(worker))
            for worker, ready in self._progress.devices.items()
        ]
        return Answer(Reply(tuple(lines), data=data))

    def _append(self, **arguments: Any) -> Answer:
        return self._added(self._queue.append, self._requested("append", arguments))

    def _prepend(self, **arguments: Any) -> Answer:
        queue = self._queue
        wanted = {file_name(name): (name, request)
                  for name, request in self._requested("prepend", arguments)}  # fmt: skip
        for name, request in wanted.values():
            if "job" not in request and queue.jobs.known_as(name) in queue.waiting:
                return _answer(Changes.JOBS, Decision(refusal=Refusal(Why.WAITS_ALREADY, name)))
        return self._added(queue.prepend, list(wanted.values()))

    def _requested(self, verb: str, arguments: Mapping[str, Any]) -> Sequence[tuple[str, Request]]:
        """The jobs that a message asks for; nothing is changed yet."""
        try:
            return self._jobs.requested(arguments)
        except SpringError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            # Within a mapping, such as the settings of a pattern, anything may stand.
            raise MessageError(f"{verb}: the message is not as it should be: {fault!r}") from fault

    def _added(
        self, put: Callable[[Iterable[str]], Decision], wanted: Sequence[tuple[str, Request]]
    ) -> Answer:
        """Queue the jobs; a planned one that was done is made anew."""
        decision = put(name for name, _ in wanted)
        new = {
            name: request
            for name, (_, request) in zip(decision.names, wanted, strict=True)
            if not self._jobs.knows(name)
        }
        for name, request in new.items():
            self._jobs.add(name, request)
        return replace(_answer(Changes.JOBS, decision), requests=new)


def _answer(changes: Changes, decision: Decision) -> Answer:
    """What follows from a decision of the queue; programs get the names of the jobs it is about."""
    names = [*decision.names, *decision.interrupted]
    data = names if changes is Changes.JOBS else None
    reply = Reply(reply_lines(decision), refused=decision.refusal is not None, data=data)
    return Answer(reply, decision)


def _course(busy: Busy | None) -> dict[str, Any]:
    """How far a worker is with its job, for programs."""
    if busy is None:
        return {"job": None}
    return {"job": busy.name} | busy.figures()
