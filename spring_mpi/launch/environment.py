"""What launchers and schedulers say in the environment; no other module knows their variables."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "JSM_NAMESPACE_SIZE")
"""Of ``mpirun`` (Open MPI) and ``jsrun``, which tell nobody but the tasks that they start."""
_PMI_LAUNCHERS = ("MPI_LOCALNRANKS", "FLUX_TASK_RANK", "PALS_RANKID")
"""Set beside ``PMI_SIZE`` by Hydra (MPICH, Intel MPI), Flux and PALS, never by SLURM."""
_SIZES = ("PMI_SIZE", "PMIX_SIZE", "SLURM_STEP_NUM_TASKS")
_PRESENCE = "PMIX_RANK"
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")
_SHELLS = (
    "SLURM_PTY_PORT", "SLURM_PTY_WIN_COL",
    "JPY_PARENT_PID", "JUPYTER_SERVER_ROOT", "JUPYTER_SERVER_URL",
)  # fmt: skip
"""Set in the shell of ``srun --pty``, in notebooks and in their terminals."""
_TASK = "SLURM_TASK_PID"
_SCRIPT = "slurm_script"
"""What SLURM calls the copy of a batch job's script that it runs."""
_OWN_END = "SPRING_END_TIME"
"""Set by the scripts of ``jobs/``: seconds since 1970, or a date and time."""

PARENT = "SPRING_PARENT"
"""Set by a notebook for the hypervisor that it starts: the process with which that has to end."""
MPI_PREFIXES = ("OMPI_", "PMIX_", "PRTE_", "PMI_", "MPI_LOCAL", "HYDI", "HYDRA", "I_MPI")
"""Of the variables through which a process finds its place in an MPI launch."""
LAUNCH_PREFIXES = (*MPI_PREFIXES, "SLURM_", "JSM_")
"""Of all variables from which a library may conclude that it is part of a launch."""


@dataclass(frozen=True)
class _Scheduler:
    """The variables in which a scheduler tells of a job; empty: it has none of that kind."""

    name: str
    """As people know it."""
    job: str
    element: str = ""
    """Of an array whose elements share the id of the job."""
    restarts: str = ""
    """A number, or Y where the scheduler does not count."""
    end: str = ""
    processors: str = ""
    """Of this node, how many belong to the job."""


_SCHEDULERS = (
    _Scheduler(
        "SLURM", "SLURM_JOB_ID", restarts="SLURM_RESTART_COUNT",
        # Not yet in version 22.05.
        end="SLURM_JOB_END_TIME", processors="SLURM_CPUS_ON_NODE",
    ),
    _Scheduler("LSF", "LSB_JOBID", element="LSB_JOBINDEX", restarts="LSB_RESTART"),
)  # fmt: skip


@dataclass(frozen=True)
class Launch:
    """How this process was started."""

    size: int = 1
    """Tasks; 1 where no launcher says so."""
    is_counted: bool = False
    """Whether a launcher gave the number; one that only says that it is there may mean 1."""
    is_shell: bool = False
    """Whether people work here, in a shell or notebook that is one of these tasks."""
    is_first: bool = True
    """Whether this is task 0."""


class Starter(Enum):
    """Who started this process, as far as SLURM is concerned."""

    STEP = "a task of a step, or the script that is one"
    SCRIPT = "the script of a batch job"
    OTHERS = "not SLURM, or what it started in its own way, such as a shell"


def launch(environment: Mapping[str, str] = os.environ, starter: Starter | None = None) -> Launch:
    """What the environment says.

    The innermost launcher counts: ``mpirun`` in a step of SLURM starts its daemons by ``srun``, and
    their number is not that of its tasks. All commands in a shell of ``srun --pty`` inherit what
    SLURM told the shell, and tasks of an ``srun`` in that shell inherit that there is a shell: such
    a task is known by its process group. A batch job that was submitted from the shell inherits
    all of it, and is no step.

    Parameters
    ----------
    starter
        By default it is found out.
    """
    starter = starter or _starter(environment)
    own = [name for name in _LAUNCHERS if name in environment]
    if "PMI_SIZE" in environment and any(name in environment for name in _PMI_LAUNCHERS):
        own.append("PMI_SIZE")
    if not own and starter is Starter.SCRIPT:
        return Launch()
    sizes = _numbers(own or _SIZES, environment)
    is_shell = (
        not own and starter is Starter.OTHERS and any(name in environment for name in _SHELLS)
    )
    return Launch(
        size=max(sizes, default=2 if own or _PRESENCE in environment else 1),
        is_counted=bool(sizes),
        is_shell=is_shell,
        is_first=all(environment.get(name, "0") == "0" for name in _RANKS),
    )


def _numbers(names: Sequence[str], environment: Mapping[str, str]) -> list[int]:
    return [int(environment[name]) for name in names if environment.get(name, "").isdecimal()]


def _starter(environment: Mapping[str, str]) -> Starter:
    """An interactive shell is a task, and makes process groups of their own for its commands."""
    try:
        task = int(environment[_TASK])
        if Path(f"/proc/{task}/comm").read_text(errors="replace").strip() == _SCRIPT:
            return Starter.SCRIPT
        return Starter.STEP if os.getpgid(task) == os.getpgrp() else Starter.OTHERS
    except (KeyError, ValueError, OSError):
        return Starter.OTHERS


def scheduler_job(environment: Mapping[str, str] = os.environ) -> str | None:
    """The id of the scheduler's job that this process is part of; None where there is none."""
    for scheduler in _SCHEDULERS:
        if job := environment.get(scheduler.job):
            element = environment.get(scheduler.element, "0")
            return f"{job}[{element}]" if scheduler.element else job
    return None


def restarts(environment: Mapping[str, str] = os.environ) -> int:
    """How often the scheduler has started the job again; 1 where it tells no more than that."""
    return next((count for _, _, count in _restarts(environment)), 0)


def restart_words(environment: Mapping[str, str] = os.environ) -> str:
    """What the log says where the scheduler has started a job again; empty where it has not."""
    for name, text, _ in _restarts(environment):
        counted = f" (restart {text})" if text.isdecimal() else ""
        return f"{name} has started this job again{counted}"
    return ""


def _restarts(environment: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Scheduler, what it says, and the number that this means."""
    for scheduler in _SCHEDULERS:
        text = environment.get(scheduler.restarts, "")
        if count := int(text) if text.isdecimal() else int(text == "Y"):
            yield scheduler.name, text, count


def ends_of_allocation(environment: Mapping[str, str] = os.environ) -> Iterator[tuple[str, str]]:
    """Names and texts of the variables that speak of the allocation's end, ours first."""
    for name in (_OWN_END, *(scheduler.end for scheduler in _SCHEDULERS)):
        if name in environment:
            yield name, environment[name].strip()


def is_whole_node(processors: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a scheduler says that so many processors of this node are the job's own."""
    return any(
        environment.get(scheduler.processors) == str(processors) for scheduler in _SCHEDULERS
    )
