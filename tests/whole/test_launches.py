"""Wrong launches: one clear message, exit code 2, and no rank is left."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.campaigns import Campaign, finish, started

BATCH = [sys.executable, "-m", "spring_mpi.cli.batch"]


def run_apart(
    campaign: Campaign, config: str, *prefix: str, options: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Rank 0 as it is, rank 1 with mpirun's options and behind a prefix of its own."""
    one = [*campaign.launcher, "1"]
    second = [*campaign.launcher[-1:], "1", *options, *prefix, *BATCH, config]
    return finish(started([*one, *BATCH, config, ":", *second], campaign.config.parent))


def assert_refused(code: int, output: str, text: str) -> None:
    assert code == 2, output
    assert output.count(text) == 1, output
    assert "Traceback" not in output


def test_two_versions(small_mpi: Callable[..., Campaign], tmp_path: Path) -> None:
    """A rank of another installation is not let in."""
    other = tmp_path / "site" / "spring_mpi-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: spring-mpi\nVersion: 9.9\n")
    paths = os.pathsep.join(filter(None, [str(other.parent), os.environ.get("PYTHONPATH")]))
    campaign = small_mpi()
    code, output = run_apart(campaign, str(campaign.config), "env", f"PYTHONPATH={paths}")
    assert_refused(code, output, "runs spring-mpi 9.9, rank 0 runs ")


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")
def test_run_directory_of_one_node_only(small_mpi: Callable[..., Campaign], tmp_path: Path) -> None:
    """A path that means another folder for rank 1 stands for a disk of its own."""
    campaign = small_mpi(output="/proc/self/cwd/run")
    (tmp_path / "elsewhere").mkdir()
    options = ("--wdir", str(tmp_path / "elsewhere"))
    code, output = run_apart(campaign, str(campaign.config), options=options)
    assert_refused(code, output, "does not see the run directory of rank 0")
    assert (tmp_path / "run" / "rank0.log").read_text().endswith("exit 2\n")


def test_no_gpu_anywhere(small_mpi: Callable[..., Campaign]) -> None:
    """Every worker looks for one; told once, not once per worker."""
    campaign = small_mpi(workers={"device": "cuda:9"})
    code, output = campaign.run(ranks=3)
    assert_refused(code, output, "no worker can start: ")
    assert campaign.journal()[-1]["exit"] == 2


def test_the_check_shows_places(small_mpi: Callable[..., Campaign]) -> None:
    """``--check --placement`` under a launcher names every worker, and starts nothing."""
    campaign = small_mpi(workers={"device": "cpu"})
    code, output = campaign.run("--check", "--placement", "--workers", "5", ranks=3)
    assert code == 0, output
    assert output.count("--workers is for runs without MPI: 2 ranks are workers") == 1
    for worker in (1, 2):
        assert f"worker {worker} on {os.uname().nodename}: " in output
    assert not campaign.rundir.exists()


def test_placement_without_check(small: Callable[..., Campaign]) -> None:
    code, output = small().run("--placement")
    assert code == 2
    assert "--placement goes with --check" in output
