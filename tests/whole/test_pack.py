"""Jobs that a worker does at once: the results of jobs done one by one, whatever happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.campaigns import Campaign, assert_same_result, children, finish
from whole.test_faults import SLOW
from whole.test_steering import ctl

SWEEP = {"tag": "{init.supportsize}", "over": {"init.supportsize": [26, 30]}}
PACK = {"workers": {"pack": 4}}


@pytest.fixture
def one_by_one(small: Callable[..., Campaign], tmp_path: Path) -> dict[str, Path]:
    """Results of a campaign of four events and two variants, by their file names."""
    campaign = small(sweep=SWEEP, output=str(tmp_path / "one_by_one"))
    code, output = campaign.run()
    assert code == 0, output
    return {path.name: path for path in (tmp_path / "one_by_one").glob("results/*.h5")}


@pytest.mark.parametrize("ranks", [1, 3])
def test_results_are_those_of_jobs_done_one_by_one(
    one_by_one: dict[str, Path], small_mpi: Callable[..., Campaign], ranks: int
) -> None:
    """Bit by bit; jobs of the same variant go together, as many as there are for each worker."""
    campaign = small_mpi(sweep=SWEEP, **PACK)
    code, output = campaign.run(ranks=ranks)
    assert code == 0, output
    assert len(one_by_one) == len(campaign.results()) == 8
    for name, path in one_by_one.items():
        assert_same_result(path, campaign.rundir / "results" / name)
    beside = output.count("with 3 more")
    assert beside == 8 if ranks == 1 else beside >= 4


def test_child_killed(small: Callable[..., Campaign]) -> None:
    """Each job that was lost with it is tried again, alone."""
    campaign = small(**SLOW | PACK)
    process = campaign.start()
    campaign.wait_for(lambda: len(campaign.in_state("running")) == 4, process)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    code, output = finish(process)
    assert code == 0, output
    lost = [line["job"] for line in campaign.journal() if "SIGKILL" in line.get("reason", "")]
    assert len(lost) == 4
    assert output.count("(attempt 2)\n") == 4
    assert len(campaign.results()) == 4


def test_one_stopped(small: Callable[..., Campaign]) -> None:
    """The others have lost no attempt, and come to an end."""
    campaign = small(**SLOW | {"workers": {"pack": 4, "retries": 0}})
    process = campaign.start()
    campaign.wait_for(lambda: len(campaign.in_state("running")) == 4, process)
    name = campaign.in_state("running")[1]
    assert ctl(campaign, "stop", name)[0] == 0
    code, output = finish(process)
    assert code == 0, output
    assert campaign.in_state("stopped") == [name]
    assert len(campaign.results()) == 3
    assert "a job beside it was stopped" in output


def test_what_cannot_be_done_together_is_done_alone(
    small: Callable[..., Campaign], tmp_path: Path
) -> None:
    """An event that cannot be read fails, with its reason; the others share a population."""
    for number in range(1, 5):
        frame = np.full((300, 300), 10.0 * number)
        np.save(tmp_path / f"{number}.npy", frame if number != 2 else np.full((300, 300), np.nan))
    campaign = small(data={"source": "*.npy"}, pattern={"cropsize": 256, "size": 64}, **PACK)
    code, output = campaign.run()
    assert code == 1, output
    assert len(campaign.in_state("done")) == 3
    (failed,) = [line for line in campaign.journal() if line.get("state") == "failed"]
    assert "no measured pixel" in failed["reason"]
