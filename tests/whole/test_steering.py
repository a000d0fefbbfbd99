"""``spring-ctl`` on living campaigns: the replies of SPRING's page, and every change journalled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.campaigns import Campaign, finish, rank_processes

# Jobs that would run for minutes: they end because somebody stops them.
ENDLESS: dict[str, Any] = {
    "settings": {
        "global": {"generations": 20000, "popsize": 8, "stop": "never"},
        "init": {"supportsize": 30},
        "IA": {"it": 20},
    },
    "sweep": {"tag": "suppsize:{init.supportsize}", "over": {"init.supportsize": [24, 28, 30]}},
    "events": {
        "pids": [
            "197-10-14558540587", "250-23-14565026066", "71-1-14546865407", "19-7-14541946795",
        ]
    },
}  # fmt: skip
QUICK = {
    "global": {"generations": 2, "popsize": 4},
    "init": {"supportsize": 30},
    "IA": {"it": 10},
}
A1, A2, A3, A4 = ENDLESS["events"]["pids"]


def ctl(campaign: Campaign, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines of ``spring-ctl``."""
    command = [sys.executable, "-m", "spring_mpi.cli.ctl", str(campaign.rundir), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, (done.stdout + done.stderr).splitlines()


@pytest.fixture
def started(small_mpi: Callable[..., Campaign]) -> Iterator[Callable[..., Campaign]]:
    """``started(ranks, **sections)``: a living campaign whose workers are busy."""
    living = []

    def start(ranks: int = 1, *arguments: str, **sections: Any) -> Campaign:
        campaign = small_mpi(**ENDLESS | sections)
        process = campaign.start(*arguments, ranks=ranks)
        living.append(process)
        workers = max(ranks - 1, 1)
        campaign.wait_for(lambda: len(campaign.in_state("running")) >= workers, process)
        campaign.process = process
        return campaign

    yield start
    for process in living:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_until_running(campaign: Campaign, name: str) -> None:
    """Until the journal says that a job was given out."""
    campaign.wait_for(lambda: name in campaign.in_state("running"), campaign.process)


def test_the_page_on_three_ranks(started: Callable[..., Campaign]) -> None:
    """Queue, removal by wildcard, prepend, stop and kill, with two jobs running at a time."""
    campaign = started(3)
    tags = ["suppsize:24", "suppsize:28", "suppsize:30"]
    names = [f"{pid}-{tag}" for pid in (A1, A2, A3, A4) for tag in tags]
    assert ctl(campaign, "info") == (
        0,
        [
            f"Running: {names[0]}",
            f"Running: {names[1]}",
            "Execution queue (10 total):",
            *(f"{position}: {name}" for position, name in enumerate(names[2:])),
        ],
    )
    assert ctl(campaign, "remove", "71-*") == (
        0,
        [f"Removing {A3}-{tag} from queue" for tag in tags],
    )
    assert ctl(campaign, "remove", "*suppsize:28") == (
        0,
        [f"Removing {pid}-suppsize:28 from queue" for pid in (A2, A4)],
    )
    assert ctl(campaign, "remove", "0") == (0, [f"Removing {A1}-suppsize:30 from queue"])
    assert ctl(campaign, "prepend", f"{A4}-suppsize:24") == (
        0,
        [f"Adding {A4}-suppsize:24 to queue"],
    )
    assert ctl(campaign, "remove", "nothing*") == (1, ["No job matching nothing* in queue"])
    code, lines = ctl(campaign, "livelog")
    assert code == 0
    assert lines[0] == "Selected CPUs:"
    assert lines[-3] == "- " * 20 + "-"
    assert lines[-2].startswith(f"RUNNING {names[0]} [")
    assert lines[-1].startswith(f"RUNNING {names[1]} [")
    assert lines[-1].endswith("% (4 queued)")

    assert ctl(campaign, "stop", names[0]) == (0, ["Terminating running MPR process... Done"])
    wait_until_running(campaign, f"{A4}-suppsize:24")
    assert ctl(campaign, "kill") == (
        0,
        [
            f"Removing {A2}-suppsize:24 from queue",
            f"Removing {A2}-suppsize:30 from queue",
            f"Removing {A4}-suppsize:30 from queue",
            f"Terminating running MPR process {names[1]}... Done",
            f"Terminating running MPR process {A4}-suppsize:24... Done",
        ],
    )
    code, output = finish(campaign.process)
    assert code == 0, output
    assert f"asked to remove: Removing {A3}-suppsize:24 from queue ... and 2 more" in output
    code, lines = ctl(campaign, "info")
    assert code == 4
    assert lines[:2] == [
        "Campaign ended with exit code 0: every job that nobody removed or stopped is done",
        "12 jobs: 9 removed, 3 stopped",
    ]
    assert lines[-1] == f"no live hypervisor in {campaign.rundir}"


def test_append_with_another_setting(started: Callable[..., Campaign]) -> None:
    """An event of the index with a tag and a setting of its own becomes a job and a result."""
    campaign = started(1, sweep={}, events={"pids": [A1]})
    quick = ("--tag", "quick", "--set", "global.generations=2", "--set", "init.supportsize=20")
    assert ctl(campaign, "append", A3, *quick) == (0, [f"Adding {A3}-quick to queue"])
    assert ctl(campaign, "append", A3, *quick) == (0, [f"Adding {A3}-quick~2 to queue"])
    ctl(campaign, "stop")
    code, output = finish(campaign.process)
    assert code == 0, output
    assert sorted(campaign.results()) == [f"{A3}-quick.h5", f"{A3}-quick~2.h5"]
    # A rerun knows the added jobs, and that they are done; the stopped one stays so.
    before = campaign.results()
    assert campaign.run()[0] == 0
    assert campaign.results() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("append", "1-2-3"), "1-2-3"),
        (("append", "no-pid"), "'no-pid' is no job of this campaign, and no pid"),
        (("append", A1, "--tag", "x", "--set", "init.suportsize=9"), "did you mean 'supportsize'"),
        (("append", A1, "--tag", "x", "--set", "init.supportsize=99"), "exceeds half"),
        (("append", A1, "--tag", "a\nb"), "must be printable"),
        (("append", A1, "--tag", "x" * 250), "at most 200 characters"),
        (("stop", "nobody"), "No job matching nobody is running"),
        (("resume",), "The campaign is not paused"),
        (
            ("retry", "nobody"),
            "No such job has failed, was removed or stopped, or is of an earlier engine",
        ),
    ],
)
def test_refusals(refusing: Campaign, arguments: tuple[str, ...], message: str) -> None:
    """What cannot be done is refused with the reason, and changes nothing."""
    code, lines = ctl(refusing, *arguments)
    assert code == 1
    assert message in "\n".join(lines)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """One living campaign for all refusals."""
    from helpers.campaigns import make_campaign

    campaign = make_campaign(tmp_path_factory.mktemp("refusing"), ENDLESS)
    process = campaign.start()
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    yield campaign
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_done_job_again(started: Callable[..., Campaign]) -> None:
    """A job that is done can be asked for again: it gets a number, and the same settings."""
    campaign = started(1, "--serve", sweep={}, events={"pids": [A1]}, settings=QUICK)
    campaign.wait_for(lambda: campaign.in_state("done"), campaign.process)
    assert ctl(campaign, "prepend", A1) == (0, [f"Adding {A1}~2 to queue"])
    campaign.wait_for(lambda: f"{A1}~2" in campaign.in_state("done"), campaign.process)
    ctl(campaign, "drain")
    assert finish(campaign.process)[0] == 0
    before = campaign.results()
    assert campaign.run()[0] == 0
    assert campaign.results() == before


def test_pause_drain_and_what_is_left(started: Callable[..., Campaign]) -> None:
    """A drained campaign ends with exit 3 and keeps its waiting jobs for the next run."""
    campaign = started()
    running = campaign.in_state("running")[0]
    assert ctl(campaign, "pause") == (0, [f"Paused: {running} running, 11 jobs waiting"])
    assert ctl(campaign, "drain") == (0, [f"Draining: {running} running, 11 jobs waiting"])
    ctl(campaign, "stop")
    code, output = finish(campaign.process)
    assert code == 3, output
    assert "11 waiting, 1 stopped" in output
    ((name, row),) = campaign.summary().items()
    swept = running.rpartition(":")[2]
    assert (name, row["state"], row["init.supportsize"]) == (running, "stopped", swept)


def test_retry(started: Callable[..., Campaign]) -> None:
    """A removed job comes back to the queue, at the back."""
    campaign = started()
    ctl(campaign, "remove", f"{A2}-suppsize:24")
    assert ctl(campaign, "retry", f"{A2}-suppsize_24") == (
        0,
        [f"Adding {A2}-suppsize:24 to queue"],
    )
    assert ctl(campaign, "info")[1][-1] == f"10: {A2}-suppsize:24"


def test_order_and_removals_survive_rank0(started: Callable[..., Campaign]) -> None:
    """After kill -9 of rank 0 the queue is as people left it, and no message is applied twice."""
    campaign = started(3)
    first = f"{A4}-suppsize:30"
    ctl(campaign, "prepend", first)
    ctl(campaign, "remove", "71-*")
    os.kill(rank_processes(campaign.process, 3)[0], signal.SIGKILL)
    finish(campaign.process)
    process = campaign.start()
    campaign.process = process
    campaign.wait_for(lambda: campaign.journal()[-1].get("state") == "running", process)
    lines = ctl(campaign, "info")[1]
    assert lines[0] == f"Running: {first}"
    assert not [line for line in lines if ": 71-" in line]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_json_for_programs(started: Callable[..., Campaign]) -> None:
    """--json gives the lines, and the same as data."""
    campaign = started()
    code, (line,) = ctl(campaign, "--json", "info")
    reply = json.loads(line)
    assert code == 0
    assert reply["data"]["running"] == [f"{A1}-suppsize:24"]
    assert len(reply["data"]["waiting"]) == 11
    _, (line,) = ctl(campaign, "--json", "workers")
    (worker,) = json.loads(line)["data"]
    assert (worker["worker"], worker["job"]) == (1, f"{A1}-suppsize:24")


def test_serving_waits_for_jobs(started: Callable[..., Campaign]) -> None:
    """--serve keeps a campaign alive that has nothing to do, until it is drained."""
    campaign = started(1, "--serve", events={"pids": [A1]}, sweep={})
    ctl(campaign, "stop")
    campaign.wait_for(lambda: campaign.in_state("stopped"), campaign.process)
    assert ctl(campaign, "livelog") == (0, ["- " * 10 + "-", "IDLE"])
    assert ctl(campaign, "info") == (0, ["Idle.", "Empty queue."])
    ctl(campaign, "drain")
    assert finish(campaign.process)[0] == 0
    code, output = campaign.run()
    assert code == 0, output
    assert "1 jobs were removed or stopped by people and stay so" in output


def test_no_run_directory(tmp_path: Path) -> None:
    """A folder in which no campaign was ever run gives exit 4."""
    command = [sys.executable, "-m", "spring_mpi.cli.ctl", str(tmp_path / "none"), "info"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 4
    assert done.stderr == f"no campaign has run in {tmp_path / 'none'}\n"
