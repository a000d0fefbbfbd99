"""SPRING's print-outs: of decisions, of queue and progress; and how a time looks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ..model.outcome import State
from ..model.verdict import tally_of_verdicts
from ..worker.messages import Ready
from .decisions import Decision, Mode, Why
from .overview import Busy
from .queue import Queue

_LISTED = 100
_IDLE_DASHES, _RUNNING_DASHES = 11, 21
_START_LINES = (
    "Initializing solver... Done.",
    "Initializing algorithms... Done.",
    "Initializing population... Done.",
    "... Running main loop ...",
)


_EFFECTS = {State.REMOVED: "Removing {} from queue", State.WAITING: "Adding {} to queue"}
"""State that a job has from now on -> what is said of it."""
_MODES = {Mode.PAUSED: "Paused", Mode.RESUMED: "Resumed", Mode.DRAINING: "Draining"}
_REFUSALS = {
    Why.NOT_WAITING: "No job matching {} in queue",
    Why.NOT_RUNNING: "No job matching {} is running",
    Why.NOTHING_RUNS: "No job is running",
    Why.NO_JOBS: "",
    Why.NOT_ENDED: "No such job has failed, was removed or stopped, or is of an earlier engine",
    Why.WAITS_ALREADY: "{} is waiting already; give the other one a tag",
    Why.PAUSED_ALREADY: "The campaign is already paused",
    Why.NOT_PAUSED: "The campaign is not paused",
    Why.DRAINING_ALREADY: "The campaign is already draining",
}


def reply_lines(decision: Decision) -> tuple[str, ...]:
    """What a person is told of a decision on what was asked."""
    if decision.refusal:
        text = _REFUSALS[decision.refusal.why].format(decision.refusal.item)
        return (text,) if text else ()
    changed = [_EFFECTS[record.state].format(record.name) for record in decision.records]
    stopped = decision.interrupted
    # The name is told where there are several; no full stop, as in SPRING.
    labels = [f" {name}" if len(stopped) > 1 else "" for name in stopped]
    changed += [f"Terminating running MPR process{label}... Done" for label in labels]
    if switched := decision.switched:
        running = ", ".join(switched.running) or "nothing"
        word = _MODES[switched.mode]
        changed.append(f"{word}: {running} running, {switched.waiting} jobs waiting")
    return tuple(changed)


def info_lines(queue: Queue, *, everything: bool = False) -> list[str]:
    """What is running, the waiting jobs with their positions, and results by verdict."""
    lines = [f"Running: {name}" for name in queue.running] or ["Idle."]
    if queue.is_paused:
        lines.append("Paused: no job is given out until resume.")
    if queue.is_draining:
        lines.append("Draining: no job is given out, and the campaign ends with the running ones.")
    verdicts = tally_of_verdicts(queue.jobs.verdicts)
    last = [f"Results: {verdicts}."] if verdicts else []
    if not queue.waiting:
        return [*lines, "Empty queue.", *last]
    total = len(queue.waiting)
    shown = total if everything else min(total, _LISTED)
    lines.append(f"Execution queue ({total} total):")
    lines += [f"{position}: {name}" for position, name in enumerate(queue.head(shown))]
    rest = [f"... and {total - shown} more"] if shown < total else []
    return [*lines, *rest, *last]


def status_lines(queue: Queue) -> list[str]:
    """The foot of the live log: a rule, then one line per running job, or IDLE."""
    if not queue.running:
        return [_rule(_IDLE_DASHES), "IDLE"]
    lines = [_running_line(name, run.progress) for name, run in queue.running.items()]
    if queue.waiting:
        lines[-1] += f" ({len(queue.waiting)} queued)"
    return [_rule(_RUNNING_DASHES), *lines]


def livelog_lines(queue: Queue, devices: Mapping[int, Ready], begun: Collection[str]) -> list[str]:
    """The devices at work, how far their start is, and the status.

    ``begun`` holds the names of jobs that were heard of since they were given out.
    """
    lines = []
    if queue.running:
        busy = [run.worker for run in queue.running.values()]
        lines = device_lines({worker: devices[worker] for worker in busy if worker in devices})
        lines += _START_LINES if any(name in begun for name in queue.running) else []
    return [*lines, *status_lines(queue)]


def worker_lines(queue: Queue, devices: Mapping[int, Ready], working: Iterable[Busy]) -> list[str]:
    """Every worker with its device, its job, and how far that is."""
    busy = {job.worker: _course(job) for job in working}
    doing = {worker: busy.get(worker, "idle") for worker in queue.workers}
    return [
        f"{worker}: {ready.label}, {doing.get(worker, 'lost')}" for worker, ready in devices.items()
    ] or ["No worker is ready."]


def device_lines(devices: Mapping[int, Ready]) -> list[str]:
    """The selected devices by worker: GPUs with their own ids, processors with their worker's."""
    kind = "GPUs" if any(ready.gpu is not None for ready in devices.values()) else "CPUs"
    lines = [
        f"- {ready.label} (Id: {worker if ready.gpu is None else ready.gpu}, "
        f"load: {round(100 * ready.load)}%)"
        for worker, ready in devices.items()
    ]
    return [f"Selected {kind}:", *lines]


def duration(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _course(busy: Busy) -> str:
    """A job, how far it is, and for how long."""
    if busy.latest is None:
        return busy.name
    text = f"{busy.name}, generation {busy.latest.generation} of {busy.latest.generations}"
    return text if busy.seconds_left is None else f"{text}, {duration(busy.seconds_left)} left"


def _running_line(name: str, progress: float) -> str:
    percent = int(100 * progress)
    cells = min(10, int(percent / 10 + 0.5))
    return f"RUNNING {name} [{'#' * cells}{'-' * (10 - cells)}] {percent}%"


def _rule(dashes: int) -> str:
    return " ".join("-" * dashes)
