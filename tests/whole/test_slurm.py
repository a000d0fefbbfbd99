"""SLURM for real: submitted scripts run, are interrupted and go on; workers get their GPUs."""

from __future__ import annotations

import csv
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import missing
from helpers.campaigns import Campaign, assert_same_results, make_campaign
from helpers.slurm import COMMANDS, Slurm

_TESTS = Path(__file__).parents[1]
_BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def slurm(tool: Callable[[str], str]) -> Iterator[Slurm]:
    """A cluster of this module's own; needs slurm-wlm and munge, and root."""
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    for command in COMMANDS:
        tool(command)
    if os.geteuid() != 0:
        pytest.skip("SLURM's daemons are started as root here")
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        slurm = Slurm(Path(folder))
        try:
            slurm.start()
            yield slurm
        finally:
            slurm.stop()


@pytest.fixture
def submit(slurm: Slurm, tmp_path: Path, launcher: list[str]) -> Callable[..., str]:
    """``submit(campaign, *options)``: the id of the job that spring-submit started."""
    # What the virtual environment's activation would do, for commands that are not installed.
    command = tmp_path / "bin" / "spring-batch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m spring_mpi.cli.batch "$@"\n')
    command.chmod(0o755)
    paths = [str(command.parent), str(_BIN), slurm.environment["PATH"]]

    def run(campaign: Campaign, *options: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "spring_mpi.cli.submit", str(campaign.config), *options],
            cwd=tmp_path, capture_output=True, text=True,
            env=slurm.environment | {"PATH": os.pathsep.join(paths)} | environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = re.match(r"job: (\d+)\nrun directory: (.+)\nlog: tail -F (.+)\n", done.stdout)
        assert found, done.stdout
        return found[1]

    return run


def output(folder: Path) -> str:
    """What the jobs of a folder printed."""
    return "\n".join(path.read_text() for path in folder.glob("spring-*.out"))


@pytest.mark.parametrize("launch", ["mpirun --bind-to none", "srun --mpi=pmix"])
def test_a_campaign_over_three_ranks(
    slurm: Slurm, submit: Callable[..., str], small: Callable[..., Campaign], launch: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    """The rendered script runs to its end, with either launcher."""
    if "pmix" in launch and not slurm.says("srun", "-p", "single", "--mpi=pmix", "echo", "ok"):
        missing("the library that srun --mpi=pmix loads (libpmix-dev)")
    campaign = small(workers={"device": "cpu"})
    job = submit(campaign, "--workers", "2", "--launch", launch, "--queue", "single")
    assert slurm.ended(job) == ("COMPLETED", "0:0"), output(tmp_path)
    assert len(campaign.results()) == 4
    assert campaign.log().count("This allocation ends at ") == 1
    assert {line["worker"] for line in campaign.journal() if "worker" in line} <= {1, 2}


def test_no_common_mpi(slurm: Slurm, small: Callable[..., Campaign], launcher: list[str]) -> None:
    """``srun --mpi=none`` would start the campaign three times: refused, once, exit 2."""
    campaign = small()
    command = ["srun", "--mpi=none", "-n", "3", "-K0", sys.executable, "-m", "spring_mpi.cli.batch"]
    done = subprocess.run(
        [*command, str(campaign.config)], capture_output=True, text=True, env=slurm.environment
    )
    assert done.returncode == 2
    assert done.stderr.count("each is alone in its MPI") == 1, done.stderr
    assert not campaign.rundir.exists()


def test_a_shell_of_srun(
    slurm: Slurm, small: Callable[..., Campaign], launcher: list[str], tmp_path: Path
) -> None:
    """In the shell of ``srun -n 3 --pty`` a command is alone, also in a batch job submitted there;
    ``srun`` there starts ranks again.
    """
    if not slurm.says("srun", "-p", "single", "--mpi=pmix", "echo", "ok"):
        missing("the library that srun --mpi=pmix loads (libpmix-dev)")
    campaign = small(workers={"device": "cpu"})
    batch = f"{sys.executable} -m spring_mpi.cli.batch {campaign.config}"
    typed = (
        f"{batch} --check >{tmp_path}/alone 2>&1; echo $? >>{tmp_path}/alone\n"
        f"sbatch --wait -p single -o {tmp_path}/submitted {tmp_path}/job.sh\n"
        f"srun --overlap --mpi=pmix -n 3 {batch} >{tmp_path}/ranks 2>&1; exit $?\n"
    )
    (tmp_path / "job.sh").write_text(f"#!/bin/bash\n{batch} --check 2>&1; echo $?\n")
    shell = ["srun", "-p", "single", "-n", "3", "--overlap", "--mpi=pmix", "--pty"]
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("srun", [*shell, "bash", "--norc", "-i"], slurm.environment)
    os.write(terminal, typed.encode())
    code = os.waitstatus_to_exitcode(_drained(process, terminal))
    alone = (tmp_path / "alone").read_text()
    assert alone.endswith("\n0\n"), alone
    assert "one of 3 tasks, not an MPI launch" in alone
    submitted = (tmp_path / "submitted").read_text()
    assert submitted.endswith("\n0\n"), submitted
    assert "MPI launch" not in submitted
    assert code == 0, (tmp_path / "ranks").read_text()
    assert "not an MPI launch" not in (tmp_path / "ranks").read_text()
    assert len(campaign.results()) == 4
    assert {line["worker"] for line in campaign.journal() if "worker" in line} == {1, 2}


def _drained(process: int, terminal: int) -> int:
    """Read what a terminal shows until its process has ended; the status of that."""
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass
    os.close(terminal)
    return os.waitpid(process, 0)[1]


def test_notice_and_requeue(
    slurm: Slurm, submit: Callable[..., str], tmp_path: Path, small: Callable[..., Campaign]
) -> None:
    """After the notice the job ends in order and goes on from the queue; nothing is done twice."""
    settings = {"global": {"generations": 60, "popsize": 8, "stop": "never"},
                "init": {"supportsize": 30}, "IA": {"it": 10}}  # fmt: skip
    campaign = small(settings=settings, workers={"device": "cpu", "checkpoint": 1})
    job = submit(campaign, "--workers", "2", "--launch", "mpirun --bind-to none")
    slurm.wait_until(lambda: bool(campaign.in_state("done")))
    first = campaign.results()
    assert slurm.says("scancel", "--batch", "--signal=USR1", job) == ""
    slurm.wait_until(lambda: any("exit" in line for line in campaign.journal()))
    assert [line["exit"] for line in campaign.journal() if "exit" in line] == [3]
    slurm.wait_until(lambda: slurm.state(job)["JobState"] == "PENDING")
    # Not in the same second: SLURM would take the new start for the one that it has just ended.
    slurm.says("scontrol", "update", f"jobid={job}", "StartTime=now+3")
    assert slurm.ended(job) == ("COMPLETED", "0:0"), output(tmp_path)
    done = campaign.in_state("done")
    assert len(done) == len(set(done)) == 4
    assert first.items() <= campaign.results().items()
    assert "SLURM has started this job again (restart 1)" in campaign.log()


@pytest.fixture
def gpus(tool: Callable[[str], str], tmp_path: Path) -> dict[str, str]:
    """The environment of nodes with two GPUs each, as far as our processes can tell."""
    tool("g++")
    program = tmp_path / "gpus" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\nfor one in 0 1; do\n"
        '  echo "$one, GPU-$SLURMD_NODENAME-$one, NVIDIA Fake, 7, 10, 24576"\ndone\n'
    )
    program.chmod(0o755)
    paths = [str(_TESTS / "helpers" / "fakegpu"), str(_TESTS), os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "SPRING_FAKE_FOLDER": str(tmp_path),
    }


def test_two_nodes_with_gpus(
    slurm: Slurm, submit: Callable[..., str], small: Callable[..., Campaign],
    gpus: dict[str, str], tmp_path: Path,
) -> None:  # fmt: skip
    """Four workers, four GPUs, one each."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "gpus" / "nvidia-smi").rename(tmp_path / "bin" / "nvidia-smi")
    campaign = small(workers={"device": "cuda"})
    job = submit(
        campaign, "--nodes", "2", "--gpus", "2", "--launch", "mpirun --bind-to none", **gpus
    )
    assert slurm.ended(job) == ("COMPLETED", "0:0"), output(tmp_path)
    places = re.findall(r"worker (\d) on .*: GPU \d, NVIDIA Fake, (GPU-n\d-\d)", campaign.log())
    assert [worker for worker, _ in places] == ["1", "2", "3", "4"]
    assert sorted(gpu for _, gpu in places) == ["GPU-n1-0", "GPU-n1-1", "GPU-n2-0", "GPU-n2-1"]


def test_an_array_of_parts(
    slurm: Slurm, submit: Callable[..., str], small: Callable[..., Campaign], tmp_path: Path
) -> None:
    """Three elements make one report, and the results of the undivided campaign."""
    campaign = small(workers={"device": "cpu"})
    job = submit(campaign, "--parts", "3", "--workers", "1", "--launch", "mpirun --bind-to none")
    for element in (1, 2, 3):
        assert slurm.ended(f"{job}_{element}") == ("COMPLETED", "0:0"), output(tmp_path)
    code, told = campaign.run("--merge")
    assert code == 0, told
    assert re.search(r"^all 3 parts: 4 done; 4 results \([^()]+\) in ", told, re.MULTILINE)
    with open(campaign.rundir / "summary.csv", newline="") as summary:
        files = [campaign.rundir / row["file"] for row in csv.DictReader(summary)]
    assert len(files) == 4
    whole = make_campaign(tmp_path, {"output": str(tmp_path / "whole")})
    assert whole.run()[0] == 0
    (tmp_path / "merged" / "results").mkdir(parents=True)
    for file in files:
        file.rename(tmp_path / "merged" / "results" / file.name)
    assert_same_results(
        Campaign(whole.config, tmp_path / "whole"), Campaign(whole.config, tmp_path / "merged")
    )
