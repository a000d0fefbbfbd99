"""What launchers say in the environment: how many tasks they started, and whether we are one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def launch(
    environment: Mapping[str, str] = os.environ, *, is_own_task: bool | None = None
) -> Launch:
    """What the environment says.

    The innermost launcher counts: ``mpirun`` in a step of SLURM starts its daemons by ``srun``, and
    their number is not that of its tasks. All commands in a shell of ``srun --pty`` inherit what
    SLURM told the shell, and tasks of an ``srun`` in that shell inherit that there is a shell: such
    a task is known by its process group.

    Parameters
    ----------
    is_own_task
        Whether SLURM itself started this process, as a task or in the script that is one; by
        default that is found out.
    """
    own = [name for name in _LAUNCHERS if name in environment]
    if "PMI_SIZE" in environment and any(name in environment for name in _PMI_LAUNCHERS):
        own.append("PMI_SIZE")
    sizes = _numbers(own or _SIZES, environment)
    is_shell = not own and any(name in environment for name in _SHELLS)
    if is_shell:
        is_shell = not (_is_task(environment) if is_own_task is None else is_own_task)
    return Launch(
        size=max(sizes, default=2 if own or _PRESENCE in environment else 1),
        is_counted=bool(sizes),
        is_shell=is_shell,
        is_first=all(environment.get(name, "0") == "0" for name in _RANKS),
    )


def _numbers(names: Sequence[str], environment: Mapping[str, str]) -> list[int]:
    return [int(environment[name]) for name in names if environment.get(name, "").isdecimal()]


def _is_task(environment: Mapping[str, str]) -> bool:
    """Whether we are in the process group of SLURM's task; an interactive shell makes new ones."""
    try:
        return os.getpgid(int(environment["SLURM_TASK_PID"])) == os.getpgrp()
    except (KeyError, ValueError, OSError):
        return False
