"""Steering: what people ask of a living campaign becomes decisions of the queue, and replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Protocol

from ..errors import SpringError
from .console import info_lines, livelog_lines, worker_lines
from .decisions import Decision
from .known import Known
from .overview import Busy
from .queue import Queue

Request = dict[str, Any]


class Jobs(Protocol):
    """All jobs there are, and those that people add."""

    def names(self) -> Iterable[str]:
        """Of all jobs."""

    def knows(self, name: str) -> bool:
        """Whether there is a job of that name."""

    def requested(self, arguments: Mapping[str, Any]) -> list[tuple[str, Request]]:
        """(name, request) of the jobs asked for; raises `SpringError` if that cannot be."""

    def add(self, name: str, request: Request) -> None:
        """Know a requested job by the name that the queue gave it."""


@dataclass(frozen=True)
class Answer:
    """What follows from a message."""

    decision: Decision
    requests: Mapping[str, Request] = field(default_factory=dict)
    """Name -> request of added jobs, for the journal."""
    front: tuple[str, ...] = ()
    """Names that went to the front, in their order, for the journal."""
    data: Any = None
    """The reply for programs."""


class Steering:
    """Answers messages; changes the queue, and nothing else."""

    def __init__(self, queue: Queue, known: Known, jobs: Jobs) -> None:
        self._queue, self._known, self._jobs = queue, known, jobs
        self._verbs: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "info": self._info,
            "livelog": self._livelog,
            "workers": self._workers,
            "append": self._append,
            "prepend": self._prepend,
            "remove": self._remove,
            "stop": lambda arguments: Answer(queue.stop(arguments.get("name"))),
            "kill": lambda arguments: Answer(queue.kill()),
            "pause": lambda arguments: Answer(queue.pause()),
            "resume": lambda arguments: Answer(queue.unpause()),
            "drain": lambda arguments: Answer(queue.drain()),
            "retry": self._retry,
        }

    def answer(self, verb: str, arguments: Mapping[str, Any]) -> Answer:
        """Carry out a verb; what cannot be is refused with the reason."""
        if verb not in self._verbs:
            return _refusal(f"No command {verb!r}; known: {', '.join(self._verbs)}")
        try:
            return self._verbs[verb](arguments)
        except SpringError as fault:
            return _refusal(str(fault))
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            return _refusal(f"{verb}: the message is not as it should be: {fault!r}")

    def _info(self, arguments: Mapping[str, Any]) -> Answer:
        lines = info_lines(self._queue, everything=bool(arguments.get("all")))
        data = {
            "running": list(self._queue.running),
            "waiting": list(self._queue.waiting),
            "paused": self._queue.is_paused,
            "draining": self._queue.is_draining,
        }
        return Answer(Decision(reply=tuple(lines)), data=data)

    def _livelog(self, arguments: Mapping[str, Any]) -> Answer:
        lines = livelog_lines(self._queue, self._known.devices, self._known.paces)
        return Answer(Decision(reply=tuple(lines)), data={"running": self._progress()})

    def _workers(self, arguments: Mapping[str, Any]) -> Answer:
        working = [self._known.busy(name, run) for name, run in self._queue.running.items()]
        lines = worker_lines(self._queue, self._known.devices, working)
        busy = {one.worker: one for one in working}
        data = [
            {"worker": worker, "host": ready.host, "device": ready.device}
            | _course(busy.get(worker))
            for worker, ready in self._known.devices.items()
        ]
        return Answer(Decision(reply=tuple(lines)), data=data)

    def _append(self, arguments: Mapping[str, Any]) -> Answer:
        wanted = self._jobs.requested(arguments)
        decision = self._queue.append(name for name, _ in wanted)
        return self._added(decision, [request for _, request in wanted])

    def _prepend(self, arguments: Mapping[str, Any]) -> Answer:
        wanted = dict(self._jobs.requested(arguments))
        for name, request in wanted.items():
            if "job" not in request and self._queue.known_as(name) in self._queue.waiting:
                return _refusal(f"{name} is waiting already; give the other one a tag")
        decision = self._queue.prepend(wanted)
        answer = self._added(decision, list(wanted.values()))
        return replace(answer, front=decision.reply)

    def _added(self, decision: Decision, requests: list[Request]) -> Answer:
        """The jobs of a decision, known from now on; a planned one that was done is made anew."""
        new = {
            name: request
            for name, request in zip(decision.reply, requests, strict=True)
            if not self._jobs.knows(name)
        }
        for name, request in new.items():
            self._jobs.add(name, request)
        reply = tuple(f"Adding {name} to queue" for name in decision.reply)
        return Answer(replace(decision, reply=reply), new, data=list(decision.reply))

    def _remove(self, arguments: Mapping[str, Any]) -> Answer:
        decision = self._queue.remove(str(arguments["item"]), is_name=bool(arguments.get("name")))
        return Answer(decision, data=[record.name for record in decision.records])

    def _retry(self, arguments: Mapping[str, Any]) -> Answer:
        item = str(arguments.get("item", "*"))
        known = self._queue.known_as(item)
        names = [known] if self._jobs.knows(known) else self._jobs.names()
        matching = (name for name in names if name == known or fnmatchcase(name, item))
        return Answer(self._queue.retry(list(matching)))

    def _progress(self) -> dict[str, float]:
        return {name: run.progress for name, run in self._queue.running.items()}


def _course(busy: Busy | None) -> dict[str, Any]:
    """How far a worker is with its job, for programs."""
    if busy is None:
        return {"job": None}
    return {"job": busy.name} | busy.figures()


def _refusal(reason: str) -> Answer:
    return Answer(Decision(reply=(reason,), refused=True))
