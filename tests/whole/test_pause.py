"""A pause holds until `resume`, whatever becomes of rank 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from helpers.campaigns import Campaign, finish, rank_processes
from whole.test_faults import SLOW
from whole.test_steering import ctl


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start(campaign)``: runs it; what still lives in the end is killed."""
    living = []

    def launch(campaign: Campaign, *arguments: str) -> subprocess.Popen[str]:
        living.append(campaign.start(*arguments, ranks=campaign.ranks))
        return living[-1]

    yield launch
    for process in living:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(params=[1, 3], ids=["alone", "3 ranks"])
def paused(
    request: pytest.FixtureRequest,
    small: Callable[..., Campaign],
    start: Callable[..., subprocess.Popen[str]],
) -> Campaign:
    """A campaign whose rank 0 was killed after people had paused it."""
    campaign = small(**SLOW | {"events": {"slice": "0:3"}})
    campaign.ranks = request.param
    if campaign.ranks > 1:
        campaign.launcher = request.getfixturevalue("launcher")
    process = start(campaign)
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    assert ctl(campaign, "pause")[0] == 0
    os.kill(rank_processes(process, campaign.ranks)[0], signal.SIGKILL)
    process.communicate(timeout=60)
    return campaign


def last_run(campaign: Campaign) -> str:
    """What the log says of the last run."""
    return campaign.log().rpartition("Resuming small")[2]


def status(campaign: Campaign) -> Any:
    return json.loads((campaign.rundir / "status.json").read_text())


def test_pause_survives_rank0(
    paused: Campaign, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """The next run says that it is paused and how to go on, gives nothing out, and waits."""
    given, began = len(paused.in_state("running")), time.time()
    process = start(paused)
    paused.wait_for(lambda: "Selected CPUs" in last_run(paused), process)
    paused.wait_for(lambda: status(paused)["time"] > began, process)
    assert status(paused)["paused"] is True
    assert f"is paused; to go on: spring-ctl {paused.rundir} resume" in last_run(paused)
    assert ctl(paused, "info")[1][0] == "Idle."
    assert ctl(paused, "pause") == (1, ["The campaign is already paused"])
    assert len(paused.in_state("running")) == given
    left = 3 - len(paused.results())
    assert ctl(paused, "resume") == (0, [f"Resumed: nothing running, {left} jobs waiting"])
    code, output = finish(process)
    assert code == 0, output
    assert len(paused.results()) == 3
    assert status(paused)["paused"] is False
