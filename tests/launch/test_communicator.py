"""Launchers: MPI is used when one says so, and a launch that cannot work is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.campaigns import Campaign

from spring_mpi.cli.index import main as spring_index
from spring_mpi.errors import LaunchError
from spring_mpi.launch.communicator import NullCommunicator, connect

SHELL = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PTY_PORT": "40001", "PMI_SIZE": "8", "PMI_RANK": "0"}


def test_no_launcher_no_mpi() -> None:
    """Alone there is no other rank, no message, and nothing to send to."""
    alone = connect("auto", {})
    assert isinstance(alone, NullCommunicator)
    assert (alone.rank, alone.size, alone.receive()) == (0, 1, None)
    with pytest.raises(LaunchError, match="no other rank"):
        alone.send("hello", 1)


def test_local_on_request() -> None:
    """``--transport local`` overrides what a launcher says."""
    assert isinstance(connect("local", {"PMI_SIZE": "4"}), NullCommunicator)


@pytest.mark.parametrize("options", [["--check"], ["--workers", "2"]])
def test_a_shell_in_a_step_runs_alone(
    small_mpi: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """A shell of ``srun -n 8 --pty``, where MPI would wait for seven others, works as elsewhere."""
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)
    code, output = small_mpi().run(*options)
    assert code == 0, output
    assert "one of 8 tasks, not an MPI launch" in output


def test_every_command_is_local_on_request(
    small_mpi: Callable[..., Campaign],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where a launcher's words would make them wait for others, that many do not exist."""
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "5")
    np.save(tmp_path / "frames.npy", np.ones((2, 8, 8)))
    index = str(tmp_path / "index.h5")
    local = ["--transport", "local"]
    assert spring_index(["build", str(tmp_path / "frames.npy"), "-o", index, *local]) == 0
    assert spring_index(["stats", index, *local]) == 0
    assert spring_index(["check", index, *local]) == 0
    assert "2 events in 1 sources: all read" in capsys.readouterr().out
    code, output = small_mpi().run("--check", *local)
    assert code == 0, output


def test_tasks_that_do_not_find_each_other(
    small_mpi: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several tasks, each rank 0 of 1, would run the campaign several times: refused."""
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "3")
    code, output = small_mpi().run()
    assert code == 2
    assert "the launcher started 3 tasks, but each is alone in its MPI" in output
    assert "--mpi=pmix" in output
    assert "--transport local" in output


def test_wrong_config_ends_all_ranks(small_mpi: Callable[..., Campaign]) -> None:
    """Rank 0 tells the fault once, all ranks end, and the launcher passes exit 2 on."""
    campaign = small_mpi(events={"slice": "nonsense"})
    code, output = campaign.run(ranks=3)
    assert code == 2
    assert output.count("events.slice") == 1
    assert "Traceback" not in output
