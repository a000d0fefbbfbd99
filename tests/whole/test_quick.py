"""Quick jobs first, then a full one of each that is doubtful: for real, killed and continued."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.campaigns import Campaign, finish
from helpers.writers import write_shot
from whole.test_steering import ctl

LOADER = """
from dataclasses import replace
import numpy as np
from spring_mpi.model.outcome import Outcome
from spring_mpi.model.verdict import Verdict

def load(path):
    with np.load(path) as held:
        return {"pattern": held["pattern"], "pid": held["pid_1"]}

def judged(result, warnings=(), honest=Outcome.of):
    odd = int(result.name.split("-")[0].split("~")[0]) % 2
    verdict = Verdict.DOUBTFUL if odd else Verdict.GOOD
    return replace(honest(result, warnings), verdict=verdict)

Outcome.of = judged
"""
"""Reads files of one event each, and with it the process takes odd pids for doubtful."""
QUICK = {"global": {"generations": 2}, "IA": {"it": 5}}
SETTINGS = {"global": {"generations": 5, "popsize": 4}, "init": {"supportsize": 30}}
ORDINARY, FULL = ["1", "2", "3", "4"], ["1~full", "3~full"]


@pytest.fixture
def judging(small_mpi: Callable[..., Campaign], tmp_path: Path) -> Callable[..., Campaign]:
    """``judging(**sections)``: a campaign of four events; those with an odd pid are doubtful."""
    (tmp_path / "loader.py").write_text(LOADER)
    for pid in (1, 2, 3, 4):
        write_shot(tmp_path, pid)
    data = {"source": "shot_*.npz", "reader": "loader.py:load"}

    def make(**sections: Any) -> Campaign:
        return small_mpi(**{"data": data, "settings": SETTINGS, "quick": QUICK} | sections)

    return make


def test_doubtful_ones_have_a_full_job_behind_all_others(judging: Callable[..., Campaign]) -> None:
    """Each has a file of its own; that there may be some is told beforehand."""
    campaign = judging()
    code, output = campaign.run("--check")
    assert code == 0, output
    assert "quick ones; the doubtful get a full job each" in output
    code, output = campaign.run()
    assert code == 0, output
    assert campaign.in_state("done") == [*ORDINARY, *FULL]
    assert set(campaign.results()) == {f"{name}.h5" for name in [*ORDINARY, *FULL]}
    assert "1~full waits behind all others: 1 is doubtful" in output
    assert [row["pid"] for row in campaign.summary().values()] == [*"1234", *"13"]


@pytest.mark.parametrize("ranks", [1, pytest.param(3, marks=pytest.mark.long)])
def test_exactly_once_after_a_kill(judging: Callable[..., Campaign], ranks: int) -> None:
    """Rank 0 is killed when a full job runs: nothing is done twice, and none is left out."""
    slow = SETTINGS | {"global": {"generations": 40, "popsize": 8, "stop": "never"}}
    campaign = judging(settings=slow)
    process = campaign.start(ranks=ranks)
    campaign.wait_for(lambda: {*FULL} & {*campaign.in_state("running")}, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    before = campaign.results()
    code, output = campaign.run(ranks=ranks)
    assert code == 0, output
    assert sorted(campaign.in_state("done")) == sorted([*ORDINARY, *FULL])
    assert campaign.results().items() >= before.items()
    code, output = campaign.run()
    assert (code, len(campaign.in_state("done"))) == (0, 6), output


def test_what_people_remove_stays_removed(judging: Callable[..., Campaign]) -> None:
    """Full jobs are steered as others are: one that is removed does not come again."""
    campaign = judging(
        settings=SETTINGS | {"global": {"generations": 60, "popsize": 8, "stop": "never"}}
    )
    process = campaign.start()
    campaign.wait_for(lambda: FULL[0] in campaign.in_state("running"), process)
    assert ctl(campaign, "remove", FULL[1])[0] == 0
    assert ctl(campaign, "prepend", "2~full")[0] == 0
    assert ctl(campaign, "stop", FULL[0])[0] == 0
    code, output = finish(process)
    assert code == 0, output
    code, output = campaign.run()
    assert code == 0, output
    assert campaign.in_state("done") == [*ORDINARY, "2~full"]
    assert {row["name"]: row["state"] for row in campaign.summary().values()} == {
        **dict.fromkeys([*ORDINARY, "2~full"], "done"), FULL[0]: "stopped", FULL[1]: "removed",
    }  # fmt: skip
