"""Submission: a script of ``jobs/`` with the values of one campaign, handed to SLURM or LSF."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shlex import join, quote
from shutil import which

from ..errors import LaunchError

SCHEDULERS = {"slurm": "sbatch", "lsf": "bsub"}


@dataclass(frozen=True)
class Request:
    """What is asked of a scheduler."""

    config: Path
    """Absolute."""
    scheduler: str
    """``slurm`` or ``lsf``."""
    minutes: int
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
    """The script of a request."""
    text = (files("spring_mpi") / "jobs" / request.script).read_text(encoding="utf-8")
    directives = _slurm(request) if request.scheduler == "slurm" else _lsf(request)
    for option, value in directives.items():
        text = _directed(text, option, value)
    text = _replaced(text, r"config=.*", f"config={quote(str(request.config))}")
    text = _replaced(text, r"limit=\d+(.*)", rf"limit={request.minutes}")
    text = _replaced(text, r"gpus=\d+ (.*)", rf"gpus={request.gpus} \g<1>")
    extra = [word for one in request.overrides for word in ("--set", one)]
    if extra:
        text = _replaced(text, r"options=\((.*)\).*", rf"options=(\g<1> {_literal(join(extra))})")
    if request.launch:
        text = _replaced(text, r"launch=.*", f"launch=({_literal(join(request.launch))})")
    here = Path(sys.executable).parent
    text = _replaced(text, r"# module load .*", f"PATH={_literal(quote(str(here)))}:$PATH")
    return text


def submit(script: str, scheduler: str, *, wait: bool) -> tuple[str, subprocess.Popen[str]]:
    """Hand a script to the scheduler.

    Returns
    -------
    The job's id, and the process that ends with the job where ``wait`` is set.

    Raises
    ------
    LaunchError
        If there is no such scheduler here, or it refuses.
    """
    command = [SCHEDULERS[scheduler]]
    if scheduler == "slurm":
        command += ["--parsable", *(["--wait"] if wait else [])]
    else:
        command += ["-K"] if wait else []
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None,
            encoding=sys.getfilesystemencoding(), errors="surrogateescape",
        )  # fmt: skip
    except FileNotFoundError:
        raise LaunchError(
            f"{command[0]} is not here: submit on a login node, choose --scheduler, or see --print"
        ) from None
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(script)
    process.stdin.close()
    said = process.stdout.readline()
    job = re.match(r"(?:Job <)?(\d+)", said)
    if job is None:
        process.stdout.close()
        raise LaunchError(
            f"{command[0]} did not take the job (exit {process.wait()}) {said}".strip()
        )
    return job[1], process


def _slurm(request: Request) -> dict[str, str]:
    tasks = request.workers + 1
    found = {"--time=": f"{request.minutes}"}
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
    found = {"-W ": f"{request.minutes}"}
    if request.gpus:
        found["-nnodes "] = f"{request.nodes}"
    else:
        found["-n "] = f"{request.nodes * request.workers + 1}"
    return found | {"-q ": request.queue, "-P ": request.account}


def _directed(text: str, option: str, value: str) -> str:
    """The script with a directive set, added, or without it where the value is empty."""
    mark = "#SBATCH" if text.startswith("#SBATCH", text.find("\n#SBATCH") + 1) else "#BSUB"
    line = f"{mark} {option}{value}\n" if value else ""
    changed, number = re.subn(rf"^{mark} {re.escape(option)}.*\n", _literal(line), text, flags=re.M)
    if number:
        return changed
    return re.sub(rf"^{mark} ", lambda found: line + found[0], text, count=1, flags=re.M)


def _replaced(text: str, pattern: str, line: str) -> str:
    """The script with the one line of that pattern replaced."""
    return re.sub(rf"^{pattern}$", line, text, count=1, flags=re.M)


def _literal(text: str) -> str:
    return text.replace("\\", r"\\")
