"""Campaigns whose processes die in the middle of a job: it continues from its checkpoint."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from signal import Signals

import pytest
from helpers.campaigns import (
    Campaign,
    assert_same_results,
    children,
    finish,
    make_campaign,
    rank_processes,
)

# Long after the first checkpoint a job is still running, so that it can be hit.
LONG = {
    "events": {"slice": "0:1"},
    "settings": {
        "global": {"generations": 60, "popsize": 8, "stop": "never"},
        "init": {"supportsize": 30},
        "IA": {"it": 20},
    },
    "workers": {"checkpoint": 4},
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A finished campaign that nothing happened to; the measure of all others."""
    campaign = make_campaign(tmp_path_factory.mktemp("undisturbed"), LONG)
    code, output = campaign.run()
    assert code == 0, output
    assert "checkpoint" not in output
    return campaign


def checkpoints(campaign: Campaign) -> list[str]:
    """What lies in the folder of the checkpoints."""
    return sorted(path.name for path in (campaign.rundir / "checkpoints").iterdir())


def has_checkpoint(campaign: Campaign) -> bool:
    """The job that runs has saved a state; one that is being written does not count."""
    return any(campaign.rundir.glob("checkpoints/[!.]*.npz"))


def state_of(campaign: Campaign) -> bytes | None:
    """The content of the newest state of the job that runs; None where there is none."""
    for path in campaign.rundir.glob("checkpoints/[!.]*.npz"):
        with suppress(OSError):
            return path.read_bytes()
    return None


def has_another_state(campaign: Campaign, old: bytes | None) -> bool:
    """The job that runs has saved a state that is not the old one."""
    return state_of(campaign) not in (None, old)


def has_begun_again(campaign: Campaign, count: int) -> bool:
    """More jobs than so many were begun."""
    return len(campaign.in_state("running")) > count


def assert_continued(campaign: Campaign, undisturbed: Campaign, output: str) -> None:
    """Said in the log, from a saved generation; the result is right and no state is left."""
    (found,) = re.findall(r"(\S+) continues from generation (\d+) of 60", campaign.log())
    assert found[0] in campaign.in_state("done")
    assert int(found[1]) >= 4
    assert int(found[1]) % 4 == 0
    assert f"{found[0]} continues from generation" in output
    assert_same_results(campaign, undisturbed)
    assert checkpoints(campaign) == []


def test_undisturbed_campaigns_leave_no_checkpoint(undisturbed: Campaign) -> None:
    """States are deleted when the results are complete."""
    assert checkpoints(undisturbed) == []


def test_killed_child(small: Callable[..., Campaign], undisturbed: Campaign) -> None:
    """The next attempt at its job continues, in the same run."""
    campaign = small(**LONG)
    process = campaign.start()
    campaign.wait_for(lambda: has_checkpoint(campaign), process)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    code, output = finish(process)
    assert code == 0, output
    assert "(attempt 2)" in output
    assert_continued(campaign, undisturbed, output)


def test_killed_child_under_mpi(small_mpi: Callable[..., Campaign], undisturbed: Campaign) -> None:
    """The same where another rank than before may get the job."""
    campaign = small_mpi(**LONG)
    process = campaign.start(ranks=3)
    campaign.wait_for(lambda: has_checkpoint(campaign), process)
    worker = next(line["worker"] for line in campaign.journal() if line.get("state") == "running")
    os.kill(children(rank_processes(process, 3)[worker])[0], signal.SIGKILL)
    code, output = finish(process)
    assert code == 0, output
    assert_continued(campaign, undisturbed, output)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_ended_rank0(
    small: Callable[..., Campaign], undisturbed: Campaign, number: Signals
) -> None:
    """However the run ended, the next one continues the job."""
    campaign = small(**LONG)
    process = campaign.start()
    campaign.wait_for(lambda: has_checkpoint(campaign), process)
    os.kill(process.pid, number)
    code, _ = finish(process)
    assert code == (-number if number == signal.SIGKILL else 3)
    assert campaign.results() == {}
    code, output = campaign.run()
    assert code == 0, output
    assert_continued(campaign, undisturbed, output)


def test_outages_are_no_fault_of_a_job_that_gets_on(
    small: Callable[..., Campaign], undisturbed: Campaign
) -> None:
    """However often rank 0 is killed without notice: the job saved a state in each run."""
    workers = {"checkpoint": 2, "retries": 0}
    campaign = small(**(LONG | {"workers": workers}))
    seen = None
    for _ in range(3):
        process = campaign.start()
        campaign.wait_for(partial(has_another_state, campaign, seen), process)
        seen = state_of(campaign)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    code, output = campaign.run()
    assert code == 0, output
    assert_same_results(campaign, undisturbed)


def test_a_job_that_ends_every_run_is_given_up(small: Callable[..., Campaign]) -> None:
    """It runs alone in the last one; then it fails with that reason."""
    campaign = small(**(LONG | {"workers": {"checkpoint": 1000, "retries": 0}}))
    for number in range(2):
        process = campaign.start()
        campaign.wait_for(partial(has_begun_again, campaign, number), process)
        os.kill(process.pid, signal.SIGKILL)
        _, output = finish(process)
        assert ("is put last and will run alone" in output) == bool(number)
    code, output = campaign.run()
    assert code == 1, output
    assert "given up: 2 runs in a row ended while it ran, the last one while it ran" in output


def test_notice_before_the_walltime(
    small_mpi: Callable[..., Campaign], undisturbed: Campaign
) -> None:
    """SIGUSR1 to the launcher: exit 3, and the next run over MPI continues the job."""
    campaign = small_mpi(**LONG)
    process = campaign.start(ranks=3)
    campaign.wait_for(lambda: has_checkpoint(campaign), process)
    process.send_signal(signal.SIGUSR1)
    code, output = finish(process)
    assert code == 3, output
    assert campaign.results() == {}
    code, output = campaign.run(ranks=3)
    assert code == 0, output
    assert_continued(campaign, undisturbed, output)


def test_damaged_checkpoint(small: Callable[..., Campaign], undisturbed: Campaign) -> None:
    """It is named in the log and ignored; the job starts anew, and its result is right."""
    campaign = small(**LONG)
    process = campaign.start()
    campaign.wait_for(lambda: has_checkpoint(campaign), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    (state,) = campaign.rundir.glob("checkpoints/[!.]*.npz")
    os.truncate(state, state.stat().st_size // 2)
    code, output = campaign.run()
    assert code == 0, output
    assert f"ignores its checkpoint {state}: " in output
    assert "continues from" not in output
    assert_same_results(campaign, undisturbed)
    assert checkpoints(campaign) == []


def test_foreign_files_are_swept(undisturbed: Campaign) -> None:
    """The next start deletes states that no waiting job can use, and half written ones."""
    folder = undisturbed.rundir / "checkpoints"
    done = undisturbed.in_state("done")[0]
    for name in (f"{done}.npz", f".{done}.npz", "nobody.npz"):
        (folder / name).write_bytes(b"state")
    code, output = undisturbed.run()
    assert code == 0, output
    assert checkpoints(undisturbed) == []
