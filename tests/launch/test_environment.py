"""What launchers, schedulers, shells and notebooks leave in the environment, and what it means."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import spring_mpi
from spring_mpi.launch.environment import (
    Launch,
    Starter,
    launch,
    restart_words,
    restarts,
    scheduler_job,
)

STEP = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8",
        "SLURM_PROCID": "0"}  # fmt: skip
PMIX = STEP | {"PMIX_RANK": "0", "PMIX_NAMESPACE": "slurm.pmix.7.0"}
PMI2 = STEP | {"PMI_RANK": "0", "PMI_SIZE": "8", "PMI_FD": "11", "PMI_JOBID": "7.0"}
PTY = {"SLURM_PTY_PORT": "40001", "SLURM_PTY_WIN_COL": "120", "SLURM_PTY_WIN_ROW": "40"}
NOTEBOOK = {"JPY_PARENT_PID": "12"}
LSF = {"LSB_JOBID": "4711", "LSB_INTERACTIVE": "Y", "LSB_DJOB_NUMPROC": "8"}


@pytest.mark.parametrize(
    ("environment", "size"),
    [
        ({}, 1),
        ({"OMPI_COMM_WORLD_SIZE": "3", "PMIX_RANK": "0"}, 3),
        ({"OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0"}, 1),
        ({"PMI_SIZE": "4"}, 4),
        ({"PMIX_RANK": "2"}, 2),
        ({"JSM_NAMESPACE_SIZE": "6"}, 6),
        ({"SLURM_STEP_NUM_TASKS": "5"}, 5),
        ({"SLURM_STEP_NUM_TASKS": "1"}, 1),
        ({"SLURM_NTASKS": "8"}, 1),
        (LSF, 1),
        (LSF | {"JSM_NAMESPACE_SIZE": "3"}, 3),
        # mpirun starts its daemons by a step of srun: 8 nodes, one task of its own.
        (STEP | {"OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0"}, 1),
        (STEP | {"PMI_SIZE": "3", "MPI_LOCALNRANKS": "3"}, 3),
    ],
)
def test_what_launchers_say(environment: dict[str, str], size: int) -> None:
    """The number of tasks, by the variables of Open MPI, MPICH, SLURM and LSF."""
    found = launch(environment)
    assert (found.size, found.is_shell) == (size, False)


@pytest.mark.parametrize("step", [STEP, PMIX, PMI2])
@pytest.mark.parametrize("people", [PTY, NOTEBOOK, PTY | NOTEBOOK])
def test_a_shell_is_no_launch(step: dict[str, str], people: dict[str, str]) -> None:
    """Whatever SLURM told the shell of ``srun --pty`` or a notebook, its commands inherit."""
    assert launch(step | people) == Launch(8, is_counted=True, is_shell=True)


@pytest.mark.parametrize(
    ("launcher", "size"),
    [
        ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "0"}, 4),
        ({"PMI_SIZE": "4", "PMI_RANK": "0", "MPI_LOCALNRANKS": "4"}, 4),
        ({"JSM_NAMESPACE_SIZE": "2"}, 2),
    ],
)
def test_a_launch_in_a_shell(launcher: dict[str, str], size: int) -> None:
    """``mpirun`` in such a shell starts tasks of its own."""
    assert launch(PMI2 | PTY | launcher) == Launch(size, is_counted=True)


def test_a_task_of_srun_within_a_shell() -> None:
    """It inherits the shell's terminal; the process group of SLURM's task tells it from one."""
    ours = {"SLURM_TASK_PID": str(os.getpid())}
    assert not launch(PMIX | PTY | ours).is_shell
    # Process 1 is in another group, as the shell is for the commands that it starts.
    assert launch(PMIX | PTY | {"SLURM_TASK_PID": "1"}).is_shell
    assert launch(PMIX | PTY | {"SLURM_TASK_PID": ""}).is_shell
    assert not launch(PMIX | PTY, Starter.STEP).is_shell


def test_a_batch_job_that_a_shell_submitted() -> None:
    """It inherits what SLURM told the shell, and is alone; ``mpirun`` in it is not."""
    assert launch(PMIX | PTY, Starter.SCRIPT) == Launch()
    ranks = {"OMPI_COMM_WORLD_SIZE": "4"}
    assert launch(PMIX | PTY | ranks, Starter.SCRIPT) == Launch(4, is_counted=True)


def test_who_is_first() -> None:
    """By whichever variable tells; where none does, everyone is alone."""
    assert launch({}).is_first
    assert not launch(STEP | {"SLURM_PROCID": "3"}).is_first
    assert not launch({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}).is_first


@pytest.mark.parametrize(
    ("environment", "job", "count", "words"),
    [
        ({}, None, 0, ""),
        ({"SLURM_JOB_ID": "7"}, "7", 0, ""),
        ({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2"}, "7", 2,
         "SLURM has started this job again (restart 2)"),
        ({"LSB_JOBID": "9", "LSB_RESTART": "Y"}, "9[0]", 1, "LSF has started this job again"),
        ({"LSB_JOBID": "9", "LSB_JOBINDEX": "3", "LSB_RESTART": "N"}, "9[3]", 0, ""),
    ],
)  # fmt: skip
def test_the_job_and_its_restarts(
    environment: dict[str, str], job: str | None, count: int, words: str
) -> None:
    """As the lock and the log have them; LSF does not count, and its arrays have one id."""
    assert scheduler_job(environment) == job
    assert restarts(environment) == count
    assert restart_words(environment) == words


def literals(module: Path) -> Iterator[str]:
    """The strings of a module, those that only document it left out."""
    tree = ast.parse(module.read_bytes())
    documenting = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in documenting:
            yield from [node.value] if isinstance(node.value, str) else []


def test_one_module_knows_the_variables() -> None:
    """Another scheduler or launcher is a matter of this module alone, as far as variables go."""
    package = Path(spring_mpi.__file__).parent
    form = re.compile(r"\b(SLURM|LSB|OMPI|PMIX?|PRTE|JSM|FLUX|PALS|JPY|JUPYTER)_")
    found = {
        str(module.relative_to(package))
        for module in package.rglob("*.py")
        if any(form.search(text) for text in literals(module))
    }
    assert found == {"launch/environment.py"}
