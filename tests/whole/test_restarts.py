"""One campaign at a time in a run directory, and what the next one finds after a kill."""

from __future__ import annotations

import json
import os
import platform
import signal
from collections.abc import Callable

import pytest
from helpers.campaigns import Campaign, finish
from whole.test_faults import SLOW, assert_completed_without_redoing, is_running_one
from whole.test_steering import ctl

LESS_SLOW = {
    "settings": SLOW["settings"] | {"global": {"generations": 25, "popsize": 8, "stop": "never"}}
}


@pytest.mark.parametrize("ranks", [1, 3])
def test_two_campaigns_in_one_run_directory(small_mpi: Callable[..., Campaign], ranks: int) -> None:
    """The second is refused with host, pid and what to do, also with --fresh; the first goes on."""
    campaign = small_mpi(**LESS_SLOW)
    process = campaign.start()
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    assert ctl(campaign, "pause")[0] == 0  # so that it does not end too early
    holder = f"{campaign.rundir} is in use by process {process.pid} on {platform.node()}"
    for arguments in ((), ("--fresh",)):
        code, output = campaign.run(*arguments, ranks=ranks)
        assert code == 2, output
        assert f"{holder}; wait for it, or choose another output" in output
        assert "Traceback" not in output
    assert ctl(campaign, "resume")[0] == 0
    code, output = finish(process)
    assert code == 0, output
    assert len(campaign.results()) == len(campaign.in_state("done")) == 4
    assert [line["start"] for line in campaign.journal() if "start" in line] == [1]
    assert "in use" not in campaign.log()
    assert json.loads((campaign.rundir / "status.json").read_text())["state"] == "done"


@pytest.fixture
def killed(small: Callable[..., Campaign]) -> Campaign:
    """A campaign whose process was killed when one job was done and another one ran."""
    campaign = small(**LESS_SLOW)
    campaign.process = campaign.start()
    campaign.wait_for(lambda: is_running_one(campaign), campaign.process)
    os.kill(campaign.process.pid, signal.SIGKILL)
    campaign.process.communicate(timeout=60)
    return campaign


def test_lock_of_a_killed_campaign(killed: Campaign) -> None:
    """The lock stays behind; the next start takes it over, and gives it back in the end."""
    lock = killed.rundir / "control" / "lock"
    assert json.loads(lock.read_text())["pid"] == killed.process.pid
    assert_completed_without_redoing(killed, killed.results())
    assert not lock.exists()


def tear(campaign: Campaign, state: str) -> str:
    """Cut the journal in the middle of the last line of a job that entered a state."""
    path = campaign.rundir / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if b'"%s"' % state.encode() in line)
    whole = b"".join(lines[:last])
    os.truncate(path, len(whole) + len(lines[last]) // 2)
    return json.loads(lines[last])["job"]


def test_torn_line_of_a_running_job(killed: Campaign) -> None:
    """Who ran is forgotten, nothing else: the rerun does that job and leaves the done one."""
    torn = tear(killed, "running")
    assert torn not in killed.in_state("running")
    assert_completed_without_redoing(killed, killed.results())
    assert "run 1 was killed without a word;" in killed.log()


def test_torn_line_of_a_done_job(killed: Campaign) -> None:
    """Its result is complete, so that it is done: the rerun only writes that down."""
    before = killed.results()
    torn = tear(killed, "done")
    assert torn not in killed.in_state("done")
    assert_completed_without_redoing(killed, before)
    assert "results were complete, but not in the journal" in killed.log()
    assert killed.in_state("running").count(torn) == 1
