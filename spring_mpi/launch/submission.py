"""Submission: handing a script to a scheduler, and finding the job's id in what that prints."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryFile

from ..errors import LaunchError
from .schedulers import Scheduler

_JOB_IDS = (
    r"(?ai)^(\d+)(?:;\S*)?$",
    r"(?ai)^(?:\S+: )?job ?(?:id)? ?[:=#] ?(\d+)\.?$",
    r"(?ai)\bsubmitted\b.*\bjob ?(?:id)? ?[:=#]? ?<?(\d+)",
    r"(?ai)\bjob ?(?:id)? ?[:=#]? ?<?(\d+)\b.*\bsubmitted\b",
)
"""Forms of a line that names the job, which is the first group."""


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


def submit(
    script: str, scheduler: Scheduler, tell: Callable[[str], None], *, wait: bool
) -> Submitted:
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
    command = [*scheduler.command, *([scheduler.wait] if wait else [])]
    environment = {
        name: text for name, text in os.environ.items() if name not in scheduler.silencers
    }
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
        f"submit again, see whether the job is there ({scheduler.listing})"
    )


def job_id(line: str) -> str | None:
    """The id that a line names; None where it names none.

    ``sbatch --parsable`` prints ``ID`` or ``ID;CLUSTER``, without that ``Submitted batch job ID``,
    ``bsub`` prints ``Job <ID> is submitted to queue <NAME>.``; programs of a site that stand in for
    them say it in their own words. Other lines with numbers are remarks.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
    found = (re.search(form, text) for form in _JOB_IDS)
    return next((match[1] for match in found if match), None)
