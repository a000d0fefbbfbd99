"""What launchers say in the environment: how many tasks they started, and whether we are one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
_SCRIPT = "slurm_script"
"""What SLURM calls the copy of a batch job's script that it runs."""


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
    is_shell = not own and starter is Starter.OTHERS and any(one in environment for one in _SHELLS)
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
        task = int(environment["SLURM_TASK_PID"])
        if Path(f"/proc/{task}/comm").read_text(errors="replace").strip() == _SCRIPT:
            return Starter.SCRIPT
        return Starter.STEP if os.getpgid(task) == os.getpgrp() else Starter.OTHERS
    except (KeyError, ValueError, OSError):
        return Starter.OTHERS
