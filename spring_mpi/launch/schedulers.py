"""Schedulers, and the scripts for them: all are made from one template, also those of ``jobs/``.

A line of ``jobs/job.template`` is left out where a name in it has no value. Names that say what a
script is for, such as ``~{slurm}`` or ``~{gpu}``, have an empty one. ``python -m
spring_mpi.launch.schedulers jobs`` writes the scripts that people edit.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shlex import join, quote
from shutil import which
from string import Template

from ..errors import LaunchError
from ..model.durations import TimeLimit

_NOTE, _COLUMN = "# EDIT", 36
"""What marks a line that people change, and where in the line it stands."""


@dataclass(frozen=True)
class Request:
    """What is asked of a scheduler."""

    config: Path | None
    """Absolute; None: people name it in the script, or when they submit that."""
    scheduler: str
    """A key of `SCHEDULERS`."""
    time: TimeLimit
    nodes: int = 1
    gpus: int = 0
    """Of a node."""
    workers: int = 1
    """Of a node."""
    threads: int = 1
    parts: int = 1
    """Elements of an array job, each with its share of the events."""
    is_live: bool = False
    queue: str = ""
    """Partition or queue; empty: the site's own choice."""
    account: str = ""
    launch: tuple[str, ...] = ()
    """The command that starts ranks, all but ``-n``; empty: the script's."""
    overrides: tuple[str, ...] = ()
    """``KEY=VALUE`` of the config."""

    @property
    def kind(self) -> str:
        """What the script is for: ``cpu``, ``gpu``, ``array`` or ``live``."""
        if self.is_live:
            return "live"
        return "array" if self.parts > 1 else "gpu" if self.gpus else "cpu"

    @property
    def script(self) -> str:
        """The name of the script of this kind in ``jobs/``."""
        return f"{self.scheduler}_{self.kind}.sh"


@dataclass(frozen=True)
class Scheduler:
    """How a scheduler takes jobs."""

    command: tuple[str, ...]
    """Takes a script on stdin, and says which job it is now."""
    wait: str
    """The option with which the command ends with the job, and with its exit code."""
    listing: str
    """The command that lists one's jobs."""
    examples: tuple[Request, ...]
    """One for each kind of script that there is."""
    silencers: tuple[str, ...] = ()
    """Variables with which the command does not say on stdout which job it has submitted."""


_4_HOURS, _12_HOURS = TimeLimit(4 * 3600.0), TimeLimit(12 * 3600.0)
SCHEDULERS = {
    "slurm": Scheduler(
        ("sbatch", "--parsable"), "--wait", "squeue --me",
        (
            Request(None, "slurm", _4_HOURS, gpus=4, workers=4),
            Request(None, "slurm", _4_HOURS, workers=16),
            Request(None, "slurm", _4_HOURS, gpus=4, workers=4, parts=4),
            Request(None, "slurm", _12_HOURS, gpus=4, workers=4, is_live=True),
        ),
    ),
    "lsf": Scheduler(
        ("bsub",), "-K", "bjobs",
        (
            Request(None, "lsf", _4_HOURS, nodes=2, gpus=6, account="PROJECT"),
            Request(None, "lsf", _4_HOURS, workers=16, queue="normal"),
        ),
        ("BSUB_QUIET", "BSUB_QUIET2", "BSUB_STDERR"),
    ),
}  # fmt: skip


def default_scheduler() -> str:
    """The one whose command is on the path; SLURM where none is."""
    here = (name for name, scheduler in SCHEDULERS.items() if which(scheduler.command[0]))
    return next(here, "slurm")


def render(request: Request) -> str:
    """The script of a request.

    Raises
    ------
    LaunchError
        If there is none, or a word of the request cannot stand in a script.
    """
    if request.kind not in [example.kind for example in SCHEDULERS[request.scheduler].examples]:
        raise LaunchError(
            f"there is no script of the kind {request.kind!r} for {request.scheduler.upper()}: "
            "edit one of jobs/"
        )
    _refuse_unquotable(request)
    values = {name: value for name, value in _values(request).items() if value is not None}
    template = (files("spring_mpi") / "jobs" / "job.template").read_text("utf-8")
    return "".join(f"{line}\n" for line in _lines(template, values))


class _Line(Template):
    """A line of the template; shells and schedulers have uses of their own for other marks."""

    delimiter = "~"


def _lines(template: str, values: Mapping[str, str]) -> Iterator[str]:
    for line in template.splitlines():
        text, mark, note = line.partition(_NOTE)
        names = _Line(text).get_identifiers()
        if not all(name in values for name in names):
            continue
        filled = _Line(text).substitute(values)
        # What a campaign has chosen nobody needs to change.
        is_chosen = "campaign" in values and any(values[name] for name in names)
        if mark and filled:
            filled = filled.rstrip()
            yield filled if is_chosen else f"{filled:<{_COLUMN}}{mark}{note}"
        else:
            yield filled + mark + note


def _values(request: Request) -> Mapping[str, str | None]:
    """Of the names in the template; None: its lines are left out."""
    minutes, kind = request.time.minutes, request.kind
    extra = [word for override in request.overrides for word in ("--set", override)]
    return {
        request.scheduler: "",
        kind: "",
        "example" if request.config is None else "campaign": "",
        "batch": None if request.is_live else "",
        "single": None if kind == "array" else "",
        "by_node": None if kind == "cpu" else "",
        "unlimited": "" if minutes is None else None,
        "default_launch": None if request.launch else "",
        "script": request.script,
        "config": quote(str(request.config)),
        "path": quote(str(Path(sys.executable).parent)),
        "launch": join(request.launch) or None,
        "overrides": f" {join(extra)}" if extra else "",
        "queue": request.queue or None,
        "account": request.account or None,
        "parts": f"{request.parts}",
        "nodes": f"{request.nodes}",
        "gpus": f"{request.gpus}" if request.gpus else None,
        "tasks": f"{request.nodes * request.workers + 1}",
        "tasks_per_node": f"{request.workers + 1}",
        "threads": f"{request.threads}",
        "minutes": None if minutes is None else f"{minutes}",
        "clock": time.strftime("%H:%M:%S", time.gmtime(60 * (minutes or 0))),
        "host": f"/{request.time.host}" if request.time.host else "",
        # By the node's own clock; 0 where it cannot be told when the end comes.
        "limit": "0" if request.time.host else f"{minutes or 0}",
    }


def _refuse_unquotable(request: Request) -> None:
    for word in (str(request.config), *request.overrides, *request.launch):
        if re.search(r"[\x00-\x1f\x7f]", word):
            raise LaunchError(
                f"{word!r} has a line break or another control character, which a script cannot "
                "pass on: rename it, or write the value into the config"
            )
    for word in (request.queue, request.account):
        # A directive is read by the scheduler, whose quotes are not those of a shell.
        if not re.fullmatch(r"[\w.,:+@%/-]*", word):
            raise LaunchError(f"{word!r} is no name of a queue or an account")


def examples() -> dict[str, str]:
    """File name -> text of the scripts in ``jobs/``."""
    requests = [example for scheduler in SCHEDULERS.values() for example in scheduler.examples]
    return {request.script: render(request) for request in requests}


if __name__ == "__main__":
    for name, script in examples().items():
        Path(sys.argv[1], name).write_text(script, "utf-8")
