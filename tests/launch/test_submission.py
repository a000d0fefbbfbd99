"""spring-submit: the scripts of ``jobs/`` with a campaign's values; LSF through a stand-in."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.campaigns import Campaign, make_campaign

from spring_mpi.cli.submit import main
from spring_mpi.launch.environment import _SCHEDULERS
from spring_mpi.launch.schedulers import SCHEDULERS, examples
from spring_mpi.model.durations import TimeLimit, time_limit

_JOBS = Path(__file__).parents[2] / "jobs"
_SCRIPTS = sorted(path.name for path in _JOBS.glob("*.sh"))
_LSF_SAMPLE = {"LSB_JOBID": "4711", "LSB_DJOB_HOSTFILE": "hosts"}
"""As IBM documents them for a job; under jsrun the first line of the file is the launch node."""


def rendered(campaign: Campaign, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main([str(campaign.config), "--print", *options]) == 0
    return capsys.readouterr().out


def program(folder: Path, name: str, text: str) -> None:
    """A command on the path of a test."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("options", "name", "lines"),
    [
        (
            "--scheduler slurm --gpus 4 --nodes 2 --time 1:30:00 --queue fast --account us",
            "slurm_gpu.sh",
            ["#SBATCH --nodes=2", "#SBATCH --gpus-per-node=4", "#SBATCH --ntasks-per-node=9",
             "#SBATCH --time=90", "#SBATCH --partition=fast", "#SBATCH --account=us"],
        ),
        (
            "--scheduler slurm --nodes 2 --workers 32 --set seed=5",
            "slurm_cpu.sh",
            ["#SBATCH --ntasks=65", "#SBATCH --cpus-per-task=1"],
        ),
        ("--scheduler slurm --parts 8 --gpus 4", "slurm_array.sh", ["#SBATCH --array=1-8"]),
        ("--scheduler slurm --live --gpus 4", "slurm_live.sh", ["options=(--serve)"]),
        ("--scheduler lsf --gpus 6 --nodes 4 --account us --time 45", "lsf_gpu.sh",
         ["#BSUB -nnodes 4", "#BSUB -P us", "#BSUB -W 45", "limit=45", "gpus=6", "cores=42"]),
        ("--scheduler lsf --workers 8 --queue short", "lsf_cpu.sh",
         ["#BSUB -n 9", "#BSUB -q short", "#BSUB -W 240", "limit=240"]),
        ("--scheduler slurm --time 1-12:00:00", "slurm_cpu.sh", ["#SBATCH --time=2160"]),
        ("--scheduler slurm --time 1:30", "slurm_cpu.sh", ["#SBATCH --time=2"]),
        ("--scheduler slurm --time UNLIMITED", "slurm_cpu.sh", ["#SBATCH --time=UNLIMITED"]),
        ("--scheduler lsf --time 1:30/hostA", "lsf_cpu.sh", ["#BSUB -W 90/hostA", "limit=0"]),
        ("--scheduler lsf --time UNLIMITED", "lsf_cpu.sh", ["limit=0"]),
    ],
)  # fmt: skip
def test_rendered_scripts(
    small: Callable[..., Campaign], capsys: pytest.CaptureFixture[str],
    tool: Callable[[str], str], options: str, name: str, lines: list[str],
) -> None:  # fmt: skip
    """They are the script of ``jobs/`` but for the lines that were asked for, and right."""
    campaign = small(workers={"per_device": 2})
    text = rendered(campaign, capsys, *options.split())
    for line in [*lines, f"config={campaign.config}"]:
        assert any(one.startswith(line) for one in text.splitlines()), line
    kept = set((_JOBS / name).read_text().splitlines()) & set(text.splitlines())
    assert {"set -u", 'wait "$launcher"', "code=$?"} <= kept
    for check in (["bash", "-n", "-"], [tool("shellcheck"), "-"]):
        done = subprocess.run(check, input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_are_known_wherever_they_have_to_be(name: str) -> None:
    """By their variables, and by how they read times."""
    assert name.upper() in [scheduler.name for scheduler in _SCHEDULERS]
    assert time_limit("90", name) == TimeLimit(5400)


def test_scripts_are_those_of_the_template() -> None:
    """``python -m spring_mpi.launch.schedulers jobs`` makes them."""
    assert {name: (_JOBS / name).read_text() for name in _SCRIPTS} == examples()


@pytest.mark.parametrize("name", _SCRIPTS)
def test_scripts_are_right(name: str, tool: Callable[[str], str]) -> None:
    for check in (["bash", "-n"], [tool("shellcheck")]):
        done = subprocess.run([*check, str(_JOBS / name)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "kind", ["slurm", "slurm --gpus 4", "slurm --parts 3", "lsf --gpus 2", "lsf"]
)
def test_names_reach_the_command_as_they_are(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Quotes, backslashes, spaces, $ and backticks: nothing of them is left to the shell."""
    folder = tmp_path / 'it\'s \\1 \\g<0> "a" $HOME `id` #x;'
    folder.mkdir()
    campaign = make_campaign(folder, {"name": "odd"})
    value = "output=a '$(id)' \\n \"b\""
    text = rendered(campaign, capsys, "--scheduler", *kind.split(), "--set", value,
                    "--launch", "mpirun -x 'A=\\1 $B'")  # fmt: skip
    program(tmp_path / "bin", "mpirun", 'printf "%s\\0" "$@" >"$SEEN"')
    (tmp_path / "hosts").write_text("a\na\n")
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SEEN": str(tmp_path / "seen"),
        "LSB_DJOB_HOSTFILE": str(tmp_path / "hosts"), "SLURM_NTASKS": "2", "SLURM_NNODES": "1",
        "SLURM_NTASKS_PER_NODE": "2", "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_END_TIME": "0",
        "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3",
    }  # fmt: skip
    script = re.sub("^PATH=.*", "", text, flags=re.M)
    done = subprocess.run(["bash", "-s"], input=script, env=environment, text=True)
    assert done.returncode == 0
    words = (tmp_path / "seen").read_text().split("\0")
    assert words[:2] == ["-x", "A=\\1 $B"]
    assert str(campaign.config) in words
    assert words[-3:] == ["--set", value, ""]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "output=a\n  b"], "line break"),
        (["--queue", "a b"], "no name of a queue"),
        (["--account", "x\n#SBATCH --wrap"], "no name of a queue or an account"),
        (["--launch", "srun 'x"], "No closing quotation"),
    ],
)
def test_what_a_script_cannot_pass_on_is_refused(
    options: list[str], message: str, small: Callable[..., Campaign],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main([str(small().config), "--print", *options]) == 2
    assert message in capsys.readouterr().err


def test_submission_to_lsf(
    small: Callable[..., Campaign], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """bsub gets the script on stdin and ``-K`` for ``--wait``; its answer is understood."""
    program(
        tmp_path / "bin", "bsub",
        f'cat > {tmp_path}/script; echo "$@" > {tmp_path}/arguments\n'
        'echo "Job <4711> is submitted to queue <normal>."; exit 7',
    )  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    campaign = small()
    assert main([str(campaign.config), "--scheduler", "lsf", "--workers", "2", "--wait"]) == 7
    told = capsys.readouterr().out
    assert told.splitlines() == [
        "job: 4711", f"run directory: {campaign.rundir}",
        f"log: tail -F {campaign.rundir}/rank0.log",
    ]  # fmt: skip
    assert (tmp_path / "arguments").read_text() == "-K\n"
    directives = [line for line in (tmp_path / "script").read_text().splitlines()
                  if line.startswith("#BSUB")]  # fmt: skip
    options = [line.split()[1] for line in directives]
    assert options == ["-J", "-n", "-W", "-o", "-wt", "-r", "-Q"]


@pytest.mark.parametrize(
    ("options", "hosts", "command"),
    [
        (["--gpus", "6", "--nodes", "2"], ["batch1", *["a01"] * 42, *["a02"] * 42],
         "jsrun -r 1 -a 6 -g 6 -c 42 -b none -n 2"),
        (["--workers", "3"], ["a01", "a01", "a02", "a02"], "mpirun --bind-to none -n 4"),
    ],
)  # fmt: skip
def test_what_lsf_would_run(
    small: Callable[..., Campaign], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    options: list[str], hosts: list[str], command: str,
) -> None:  # fmt: skip
    """Ranks follow the hosts that LSF names; after a notice exit 3 becomes 99, which requeues."""
    text = rendered(small(), capsys, "--scheduler", "lsf", *options)
    (tmp_path / "hosts").write_text("\n".join([*hosts, ""]))
    for name in ("jsrun", "mpirun"):
        program(
            tmp_path / "bin", name,
            f'echo "$SPRING_END_TIME $(basename "$0") $*" > {tmp_path}/ran\n'
            "trap 'exit 3' USR1\nkill -USR1 $PPID; while :; do sleep 0.1; done",
        )  # fmt: skip
    # The script puts the commands of our installation first on the path: here, stand-ins.
    text = "\n".join(line for line in text.splitlines() if not line.startswith("PATH="))
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash"], input=text, text=True, cwd=tmp_path, timeout=60,
        env=os.environ | _LSF_SAMPLE | {"PATH": path},
    )  # fmt: skip
    assert done.returncode == 99
    end, ran = (tmp_path / "ran").read_text().split(" ", 1)
    assert ran.startswith(f"{command} spring-batch ")
    assert end.isdecimal()


def test_no_scheduler(
    small: Callable[..., Campaign], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main([str(small().config)]) == 2
    assert "sbatch is not here: submit on a login node" in capsys.readouterr().err


def test_a_refused_submission(
    small: Callable[..., Campaign], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The scheduler's own words stay, ours say that there is no job."""
    program(tmp_path / "bin", "sbatch", "cat > /dev/null; echo 'invalid partition' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert main([str(small().config), "--scheduler", "slurm"]) == 2
    told = capfd.readouterr().err
    assert "invalid partition" in told
    assert "sbatch did not take the job (exit 1)" in told


def test_a_time_is_refused_in_words(
    small: Callable[..., Campaign], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a traceback; and one that people may mean otherwise is told."""
    config = str(small().config)
    assert main([config, "--scheduler", "slurm", "--print", "--time", "4h"]) == 2
    assert "--time must be M, M:S, H:M:S" in capsys.readouterr().err
    assert main([config, "--scheduler", "slurm", "--print", "--time", "4:00"]) == 0
    assert "minutes and seconds, as SLURM reads it; hours and minutes are 4:00:00" in (
        capsys.readouterr().err
    )


SAID = {
    "parsable": "4711",
    "of a cluster": "4711;north",
    "plain": "Submitted batch job 4711",
    "with its name": "sbatch: Submitted batch job 4711 on cluster north",
    "of LSF": "Job <4711> is submitted to default queue <normal>.",
    "an array of LSF": "Job <4711[1-8]> is submitted to queue <normal>.",
    "of a site": "Your job 4711 (spring) has been submitted",
    "named": "Job ID: 4711",
    "in colour": "\x1b[1;32m4711\x1b[0m",
}
BANNER = """
*** Welcome to the cluster. 3 nodes are down until 2027-01-01 12:00 ***
Your project has used 71 % of its 5000 hours.
Maximum per job: 64 cores. Submit larger jobs to the queue large.
You have 12 jobs submitted.
"""


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("scheduler", ["slurm", "lsf"])
def test_the_job_is_found_between_remarks(
    small: Callable[..., Campaign], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], said: str, scheduler: str,
) -> None:  # fmt: skip
    """A site's own words before and after the id are shown, but not taken for it."""
    text = f"cat > /dev/null\ncat <<'END'{BANNER}{said}\nSee you, 99 jobs wait.\nEND"
    for name in ("sbatch", "bsub"):
        program(tmp_path / "bin", name, text)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert main([str(small().config), "--scheduler", scheduler]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "job: 4711"
    assert "3 nodes are down" in told.err
    assert "See you" in told.err


@pytest.mark.parametrize("wait", [[], ["--wait"]])
def test_all_that_a_scheduler_prints_is_read(
    small: Callable[..., Campaign], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], wait: list[str],
) -> None:  # fmt: skip
    """Far more than a pipe holds, before and after the id, on both streams, in no encoding: the
    command is neither stopped nor killed, and its exit code counts.
    """
    much = "head -c 300000 /dev/zero | tr '\\0' 'x' | fold -w 100"
    program(
        tmp_path / "bin", "sbatch",
        f"{much}; {much} >&2; echo; cat > {tmp_path}/script; printf '\\xff\\n4711\\n'\n"
        f"{much}; {much} >&2; echo; echo done > {tmp_path}/end; exit 5",
    )  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert main([str(small().config), "--scheduler", "slurm", *wait]) == 5
    assert capfd.readouterr().out.startswith("job: 4711\n")
    assert (tmp_path / "end").read_text() == "done\n"
    assert "spring-batch" in (tmp_path / "script").read_text()


def test_a_scheduler_that_names_no_job(
    small: Callable[..., Campaign], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It may have taken the job all the same: who submits again should look first."""
    program(tmp_path / "bin", "bsub", "cat > /dev/null; echo Thank you")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert main([str(small().config), "--scheduler", "lsf"]) == 2
    told = capsys.readouterr().err
    assert "Thank you" in told
    assert "bsub ended without a fault, but named no job" in told
    assert "bjobs" in told


def test_a_scheduler_that_reads_nothing(
    small: Callable[..., Campaign], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """One that refuses before it reads the script is heard, and a quiet bsub made to speak."""
    program(tmp_path / "bin", "sbatch", "exec 0<&-; sleep 0.3; echo 'no credit' >&2; exit 1")
    program(
        tmp_path / "bin", "bsub",
        '[ "${BSUB_STDERR-}" ] && exec >&2; [ "${BSUB_QUIET-}" ] || echo "Job <7> is submitted"',
    )  # fmt: skip
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("BSUB_QUIET", "1")
    monkeypatch.setenv("BSUB_STDERR", "y")
    config = str(small().config)
    assert main([config, "--scheduler", "slurm", "--set", f"name={'x' * 200000}"]) == 2
    told = capfd.readouterr().err
    assert "no credit" in told
    assert "sbatch did not take the job (exit 1)" in told
    assert main([config, "--scheduler", "lsf"]) == 0
    assert capfd.readouterr().out.startswith("job: 7\n")


def test_no_live_script_for_lsf(
    small: Callable[..., Campaign], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(small().config), "--scheduler", "lsf", "--live", "--print"]) == 2
    assert "no script of the kind 'live' for LSF" in capsys.readouterr().err
