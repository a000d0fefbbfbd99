"""Submission: a script of ``jobs/`` with the values of one campaign, handed to SLURM or LSF."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shlex import join, quote
from shutil import which
from tempfile import TemporaryFile

from ..durations import TimeLimit
from ..errors import LaunchError
from ..files import read_text

SCHEDULERS = {"slurm": "sbatch", "lsf": "bsub"}
_LISTINGS = {"slurm": "squeue --me", "lsf": "bjobs"}
_JOB_IDS = (
    r"(?ai)^(\d+)(?:;\S*)?$",
    r"(?ai)^(?:\S+: )?job ?(?:id)? ?[:=#] ?(\d+)\.?$",
    r"(?ai)\bsubmitted\b.*\bjob ?(?:id)? ?[:=#]? ?<?(\d+)",
    r"(?ai)\bjob ?(?:id)? ?[:=#]? ?<?(\d+)\b.*\bsubmitted\b",
)
"""Forms of a line that names the job, which is the first group."""
_QUIET = ("BSUB_QUIET", "BSUB_QUIET2", "BSUB_STDERR")


@dataclass(frozen=True)
class Request:
    """What is asked of a scheduler."""

    config: Path
    """Absolute."""
    scheduler: str
    """``slurm`` or ``lsf``."""
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
    def script(self) -> str:
        """The name of its script in ``jobs/``.

        Raises
        ------
        LaunchError
            Where there is none.
        """
        kind = "gpu" if self.gpus else "cpu"
        kind = "live" if self.is_live else "array" if self.parts > 1 else kind
        if self.scheduler == "lsf" and kind in ("live", "array"):
            raise LaunchError(f"there is no script of the kind {kind!r} for LSF: edit one of jobs/")
        return f"{self.scheduler}_{kind}.sh"


def default_scheduler() -> str:
    """The one whose command is on the path; SLURM where none is."""
    return next((name for name, command in SCHEDULERS.items() if which(command)), "slurm")


def render(request: Request) -> str:
    """The script of a request.

    Raises
    ------
    LaunchError
        If there is none, or a word of the request cannot stand in a script.
    """
    _refuse_unquotable(request)
    text = read_text(str(files("spring_mpi") / "jobs" / request.script))
    directives = _slurm(request) if request.scheduler == "slurm" else _lsf(request)
    for option, value in directives.items():
        text = _directed(text, option, value)
    text = _replaced(text, "config=.*", "config=", quote(str(request.config)))
    text = _replaced(text, r"limit=\d+.*", "limit=", str(_known_minutes(request.time)))
    text = _replaced(text, r"gpus=\d+(?= )", "gpus=", str(request.gpus))
    extra = [word for one in request.overrides for word in ("--set", one)]
    if extra:
        text = _replaced(text, r"(options=\(.*)\).*", r"\1 ", f"{join(extra)})")
    if request.launch:
        text = _replaced(text, "launch=.*", "launch=", f"({join(request.launch)})")
    here = Path(sys.executable).parent
    return _replaced(text, "# module load .*", "PATH=", f"{quote(str(here))}:$PATH")


@dataclass
class Submitted:
    """A job that a scheduler took, and the command that handed it over, which may still run."""

    job: str
    """Its id."""
    _process: subprocess.Popen[str]
    _tell: Callable[[str], None]

    def wait(self) -> int:
        """Tell what else the command prints, wait for its end; its exit code."""
        assert self._process.stdout is not None
        # To the end: a command that cannot write would be stopped, or killed.
        for line in self._process.stdout:
            self._tell(line)
        self._process.stdout.close()
        return self._process.wait()


def submit(script: str, scheduler: str, tell: Callable[[str], None], *, wait: bool) -> Submitted:
    """Hand a script to the scheduler.

    Parameters
    ----------
    tell
        Takes the lines that the scheduler's command prints on stdout beside the job's id.
    wait
        Whether the command is to end with the job and its exit code.

    Raises
    ------
    LaunchError
        If there is no such scheduler here, it refuses, or names no job.
    """
    command = [SCHEDULERS[scheduler]]
    if scheduler == "slurm":
        command += ["--parsable", *(["--wait"] if wait else [])]
    else:
        command += ["-K"] if wait else []
    # Where these are set, bsub does not say on stdout which job it has submitted.
    environment = {name: text for name, text in os.environ.items() if name not in _QUIET}
    try:
        # From a file: a pipe would break, or fill up, where the command does not read it at once.
        with TemporaryFile("w+", encoding="utf-8", errors="surrogateescape") as stdin:
            stdin.write(script)
            stdin.seek(0)
            process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.PIPE, env=environment,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
    except FileNotFoundError:
        raise LaunchError(
            f"{command[0]} is not here: submit on a login node, choose --scheduler, or see --print"
        ) from None
    assert process.stdout is not None
    for line in process.stdout:
        if job := job_id(line):
            return Submitted(job, process, tell)
        tell(line)
    process.stdout.close()
    if code := process.wait():
        raise LaunchError(f"{command[0]} did not take the job (exit {code})")
    raise LaunchError(
        f"{command[0]} ended without a fault, but named no job in what it printed: before you "
        f"submit again, see whether the job is there ({_LISTINGS[scheduler]})"
    )


def job_id(line: str) -> str | None:
    """The id that a line names; None where it names none.

    ``sbatch --parsable`` prints ``ID`` or ``ID;CLUSTER``, without that ``Submitted batch job ID``,
    ``bsub`` prints ``Job <ID> is submitted to queue <NAME>.``; programs of a site that stand in for
    them say it in their own words. Other lines with numbers are remarks.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
    found = (re.search(form, text) for form in _JOB_IDS)
    return next((one[1] for one in found if one), None)


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


def _slurm(request: Request) -> dict[str, str]:
    tasks = request.workers + 1
    found = {"--time=": f"{request.time.minutes or 'UNLIMITED'}"}
    if request.script == "slurm_cpu.sh":
        found["--ntasks="] = f"{request.nodes * request.workers + 1}"
        found["--cpus-per-task="] = f"{request.threads}"
    else:
        found |= {"--nodes=": f"{request.nodes}", "--ntasks-per-node=": f"{tasks}"}
        found["--gpus-per-node="] = f"{request.gpus}" if request.gpus else ""
    if request.script == "slurm_array.sh":
        found["--array="] = f"1-{request.parts}"
    return found | {"--partition=": request.queue, "--account=": request.account}


def _lsf(request: Request) -> dict[str, str]:
    host = f"/{request.time.host}" if request.time.host else ""
    found = {"-W ": f"{request.time.minutes}{host}" if request.time.minutes else ""}
    if request.gpus:
        found["-nnodes "] = f"{request.nodes}"
    else:
        found["-n "] = f"{request.nodes * request.workers + 1}"
    return found | {"-q ": request.queue, "-P ": request.account}


def _known_minutes(time: TimeLimit) -> int:
    """When the end comes by the node's own clock; 0 where that cannot be told."""
    return 0 if time.host else time.minutes or 0


def _directed(text: str, option: str, value: str) -> str:
    """The script with a directive set, added, or without it where the value is empty."""
    mark = "#SBATCH" if text.startswith("#SBATCH", text.find("\n#SBATCH") + 1) else "#BSUB"
    line = f"{mark} {option}{value}\n" if value else ""
    pattern = rf"^{mark} {re.escape(option)}.*\n"
    changed, number = re.subn(pattern, lambda found: line, text, flags=re.M)
    if number:
        return changed
    return re.sub(rf"^{mark} ", lambda found: line + found[0], text, count=1, flags=re.M)


def _replaced(text: str, pattern: str, start: str, rest: str) -> str:
    """The script with its one line that begins with the pattern replaced.

    ``start`` may refer to the pattern's groups, ``rest`` is taken as it is.
    """
    return re.sub(
        f"^{pattern}", lambda found: found.expand(start) + rest, text, count=1, flags=re.M
    )
