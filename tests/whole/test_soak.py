"""Soak: short jobs while processes are killed and people steer, at random."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from helpers.campaigns import Campaign, children, finish, is_gone, rank_processes

JOBS = 200
SECTIONS = {
    "events": {"pids": ["197-10-14558540587"]},
    "settings": {
        "global": {"generations": 3, "popsize": 4},
        "init": {"supportsize": 30},
        "IA": {"it": 10},
    },
    "sweep": {"over": {"SW.threshold": [round(0.05 + 0.0005 * job, 5) for job in range(JOBS)]}},
    # Jobs are lost at random here, none is to be given up for it.
    "workers": {"retries": 1000, "checkpoint": 1},
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))]
)
def test_soak(small_mpi: Callable[..., Campaign], seed: int) -> None:
    """Every job ends once in one state; results and journal agree; no process is left."""
    chance = random.Random(seed)
    campaign = small_mpi(**SECTIONS)
    campaign.launcher = [campaign.launcher[0], "--with-ft", "ulfm", *campaign.launcher[1:]]
    process = campaign.start(ranks=4)
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    ranks = rank_processes(process, 4)
    doomed = chance.choice([1, 2, 3])
    seen = set(ranks.values())
    for step in range(40):
        if process.poll() is not None:
            break
        seen |= {child for rank in ranks.values() for child in children(rank)}
        if step == 10:
            kill(ranks[doomed])
        elif chance.random() < 0.5:
            kill(*children(ranks[chance.choice([1, 2, 3])]))
        else:
            steer(campaign, chance)
        time.sleep(chance.uniform(0, 0.2))
    _, output = finish(process)
    if "cannot start: its child was killed by SIGKILL" in output:
        # Where children start slowly, one may be killed so often that its worker gives up.
        _, output = campaign.run(ranks=4)
    assert campaign.log().splitlines()[-1].endswith("exit 0"), output

    lines = [line for line in flat(campaign.journal()) if "job" in line]
    last = {line["job"]: line["state"] for line in lines}
    assert set(last.values()) <= {"done", "removed", "stopped"}
    assert len(last) >= JOBS
    done = [line["job"] for line in lines if line["state"] == "done"]
    assert max(Counter(done).values()) == 1
    assert len(campaign.results()) == len(done)
    assert {job for job, state in last.items() if state == "done"} == set(done)
    deadline = time.monotonic() + 10
    while not all(map(is_gone, seen)):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def steer(campaign: Campaign, chance: random.Random) -> None:
    """Ask for something at random; a campaign that is just ending may not answer."""
    number = chance.randrange(JOBS)
    asks = [
        ("append", "197-10-14558540587", "--tag", f"extra{number}"),
        ("prepend", f"197-10-14558540587-threshold:{0.05 + 0.0005 * number:g}"),
        ("remove", str(chance.randrange(20))),
        ("stop",),
        ("info",),
    ]
    command = [sys.executable, "-m", "spring_mpi.cli.ctl", str(campaign.rundir), "--timeout", "20"]
    done = subprocess.run([*command, *chance.choice(asks)], capture_output=True, text=True)
    assert done.returncode in (0, 1, 4), done.stderr
    assert "Traceback" not in done.stderr


def flat(journal: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All lines, those inside of messages too."""
    for line in journal:
        yield line
        yield from line.get("records", [])
