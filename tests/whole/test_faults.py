"""Killed processes, for real: what was finished stays, and the rerun does only the rest."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable

import pytest
from helpers.campaigns import Campaign, children, finish, is_gone, rank_processes

# Long enough to be hit in the middle, short enough to be done again.
SLOW = {
    "settings": {
        "global": {"generations": 60, "popsize": 8, "stop": "never"},
        "init": {"supportsize": 30},
        "IA": {"it": 20},
    }
}


def first_line_of_last_run(campaign: Campaign) -> str:
    """The log's line with which the last run began."""
    lines = [line for line in campaign.log().splitlines() if "Resuming" in line]
    return lines[-1]


def is_running_one(campaign: Campaign) -> bool:
    """One job is done, another one is running."""
    return len(campaign.in_state("running")) > len(campaign.in_state("done")) >= 1


def assert_completed_without_redoing(
    campaign: Campaign, before: dict[str, int], ranks: int = 1
) -> None:
    """The rerun ends well, and leaves the files of the first run untouched."""
    code, output = campaign.run(ranks=ranks)
    assert code == 0, output
    assert len(campaign.results()) == 4
    assert before.items() <= campaign.results().items()
    assert sorted(campaign.in_state("done")) == sorted(set(campaign.in_state("done")))
    assert len(campaign.in_state("done")) == 4


@pytest.fixture(params=[1, 3], ids=["alone", "3 ranks"])
def campaign(request: pytest.FixtureRequest, small: Callable[..., Campaign]) -> Campaign:
    """A slow campaign, and how many ranks run it."""
    campaign = small(**SLOW)
    campaign.ranks = request.param
    if campaign.ranks > 1:
        campaign.launcher = request.getfixturevalue("launcher")
    return campaign


def running_child(campaign: Campaign, process: subprocess.Popen[str]) -> int:
    """Pid of the child that has the first job."""
    ranks = rank_processes(process, campaign.ranks)
    (line, *_) = [line for line in campaign.journal() if line.get("state") == "running"]
    return children(ranks[line["worker"] if campaign.ranks > 1 else 0])[0]


def test_child_killed(campaign: Campaign) -> None:
    """A killed child costs an attempt: its job is tried again, and the campaign ends well."""
    process = campaign.start(ranks=campaign.ranks)
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    os.kill(running_child(campaign, process), signal.SIGKILL)
    code, output = finish(process)
    assert code == 0, output
    lost = [line for line in campaign.journal() if "SIGKILL" in line.get("reason", "")]
    assert [line["state"] for line in lost] == ["waiting"]
    assert "its child was killed by SIGKILL (out of memory?); it is tried again" in output
    assert f"{lost[0]['job']} started on worker" in output
    assert "(attempt 2)" in output
    assert len(campaign.results()) == len(campaign.in_state("done")) == 4


def test_hung_child(small: Callable[..., Campaign]) -> None:
    """A child without progress is killed after the time-out, and its job is tried again."""
    campaign = small(**SLOW, workers={"retries": 0, "timeout": 1})
    process = campaign.start()
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    os.kill(children(process.pid)[0], signal.SIGSTOP)
    code, output = finish(process)
    assert code == 1, output
    assert "given up after 1 attempts: no progress for 1 s" in output
    assert len(campaign.in_state("done")) == 3


def test_rank0_killed(campaign: Campaign) -> None:
    """Finished results stay; the rerun says what happened and does the rest."""
    process = campaign.start(ranks=campaign.ranks)
    campaign.wait_for(lambda: is_running_one(campaign), process)
    ranks = rank_processes(process, campaign.ranks)
    orphans = [child for rank in ranks.values() for child in children(rank)]
    assert orphans
    os.kill(ranks[0], signal.SIGKILL)
    process.communicate(timeout=60)
    before = campaign.results()
    wait_until_gone(orphans)
    assert "exit" not in campaign.journal()[-1]
    assert_completed_without_redoing(campaign, before, campaign.ranks)
    assert "run 1 was killed without a word while" in first_line_of_last_run(campaign)
    assert [line["start"] for line in campaign.journal() if "start" in line] == [1, 2]


def wait_until_gone(pids: Iterable[int]) -> None:
    """The children die with the rank above them."""
    deadline = time.monotonic() + 10
    while not all(is_gone(pid) for pid in pids):
        assert time.monotonic() < deadline, "a child outlived its rank"
        time.sleep(0.05)


def test_ctrl_c(small: Callable[..., Campaign]) -> None:
    """Ctrl-C ends the run in order: exit 3, said in log and journal, resumable."""
    campaign = small(**SLOW)
    process = campaign.start()
    campaign.wait_for(lambda: is_running_one(campaign), process)
    os.killpg(process.pid, signal.SIGINT)
    code, output = finish(process)
    assert code == 3, output
    assert "Interrupted by SIGINT; run again to resume" in output
    assert campaign.journal()[-1]["reason"] == "SIGINT"
    assert campaign.log().splitlines()[-1].endswith("exit 3")
    before = campaign.results()
    assert_completed_without_redoing(campaign, before)
    assert "run 1 ended with exit 3 while 1 jobs ran" in first_line_of_last_run(campaign)


def test_ctrl_c_under_mpirun(small_mpi: Callable[..., Campaign]) -> None:
    """Ctrl-C at the launcher: whatever it does to the ranks, a rerun completes the rest."""
    campaign = small_mpi(**SLOW)
    process = campaign.start(ranks=3)
    campaign.wait_for(lambda: is_running_one(campaign), process)
    process.send_signal(signal.SIGINT)
    with_deadline(process)
    before = campaign.results()
    assert len(before) >= 1
    assert_completed_without_redoing(campaign, before, 3)
    assert "Resuming small: run 1" in first_line_of_last_run(campaign)


def with_deadline(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("the launcher did not end after Ctrl-C")


def test_notice_signal(campaign: Campaign) -> None:
    """SIGUSR1, as schedulers send it before the walltime, ends the run with exit 3."""
    process = campaign.start(ranks=campaign.ranks)
    campaign.wait_for(lambda: is_running_one(campaign), process)
    process.send_signal(signal.SIGUSR1)
    code, output = finish(process)
    assert code == 3, output
    before = campaign.results()
    assert_completed_without_redoing(campaign, before, campaign.ranks)


def test_result_complete_but_not_in_the_journal(small: Callable[..., Campaign]) -> None:
    """A result whose line was lost with rank 0 is adopted, not made again."""
    campaign = small(events={"slice": "0:2"})
    assert campaign.run()[0] == 0
    journal = campaign.rundir / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    last_done = max(number for number, line in enumerate(lines) if '"done"' in line)
    journal.write_text("".join(lines[:last_done]))
    before = campaign.results()
    code, output = campaign.run()
    assert code == 0, output
    assert campaign.results() == before
    assert "1 results were complete, but not in the journal" in output


def test_worker_rank_killed(small_mpi: Callable[..., Campaign]) -> None:
    """With ULFM the campaign goes on without a rank that died; its job goes to another one."""
    campaign = small_mpi(**SLOW)
    campaign.launcher = [campaign.launcher[0], "--with-ft", "ulfm", *campaign.launcher[1:]]
    process = campaign.start(ranks=3)
    campaign.wait_for(lambda: len(campaign.in_state("running")) >= 2, process)
    ranks = rank_processes(process, 3)
    orphans = children(ranks[1])
    os.kill(ranks[1], signal.SIGKILL)
    code, output = finish(process)
    assert code in (0, 137), output  # the launcher's own; rank 0's is the log's last line
    where = rf"worker 1 \({platform.node()}, .+\)"
    assert re.search(f"{where} is lost: its rank died", output), output
    assert campaign.log().splitlines()[-1].endswith("exit 0")
    assert len(campaign.in_state("done")) == len(campaign.results()) == 4
    wait_until_gone(orphans)


def test_worker_rank_killed_without_ulfm(small_mpi: Callable[..., Campaign]) -> None:
    """Without ULFM the launcher ends everybody; a rerun completes the rest."""
    campaign = small_mpi(**SLOW)
    process = campaign.start(ranks=3)
    campaign.wait_for(lambda: is_running_one(campaign), process)
    os.kill(rank_processes(process, 3)[1], signal.SIGKILL)
    with_deadline(process)
    assert_completed_without_redoing(campaign, campaign.results(), 3)
