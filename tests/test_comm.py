"""Launchers: MPI is used when one says so, and a launch that cannot work is refused."""

from __future__ import annotations

import pytest

from spring_mpi.comm import NullCommunicator, connect, launched_size
from spring_mpi.errors import LaunchError


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
    ],
)
def test_what_launchers_say(environment, size):
    """The number of tasks, by the variables of Open MPI, MPICH, SLURM and LSF."""
    assert launched_size(environment) == size


def test_no_launcher_no_mpi():
    """Alone there is no other rank, no message, and nothing to send to."""
    alone = connect("auto", {})
    assert isinstance(alone, NullCommunicator)
    assert (alone.rank, alone.size, alone.receive()) == (0, 1, None)
    with pytest.raises(LaunchError, match="no other rank"):
        alone.send("hello", 1)


def test_local_on_request():
    """``--transport local`` overrides what a launcher says."""
    assert isinstance(connect("local", {"PMI_SIZE": "4"}), NullCommunicator)


def test_tasks_that_do_not_find_each_other(small_mpi, monkeypatch):
    """Several tasks, each rank 0 of 1, would run the campaign several times: refused."""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    code, output = small_mpi().run()
    assert code == 2
    assert "the launcher started 3 tasks, but each is alone in its MPI" in output
    assert "--mpi=pmix" in output


def test_wrong_config_ends_all_ranks(small_mpi):
    """Rank 0 tells the fault once, all ranks end, and the launcher passes exit 2 on."""
    campaign = small_mpi(events={"slice": "nonsense"})
    code, output = campaign.run(ranks=3)
    assert code == 2
    assert output.count("events.slice") == 1
    assert "Traceback" not in output
