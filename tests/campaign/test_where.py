"""``events: {where: ...}``: a campaign of the events whose statistics fulfil a condition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.campaigns import Campaign

from spring_mpi.campaign.check import check_campaign
from spring_mpi.campaign.selection import select
from spring_mpi.cli.index import main
from spring_mpi.config.config import load_config
from spring_mpi.errors import ConfigError
from spring_mpi.events import load_index

DATA = {"reader": "simulate", "source": "events=12:seed=7", "mask": {"dataset": "mask", "bad": 1}}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """The index of twelve simulated events, hits and blanks."""
    path = tmp_path / "index.h5"
    assert main(["build", "events=12:seed=7", "--reader", "simulate", "-o", str(path)]) == 0
    return path


def campaign_where(small: Callable[..., Campaign], index: Path, condition: str) -> Campaign:
    """A campaign of the events for which the condition is true."""
    return small(events={"where": condition}, data=DATA | {"index": str(index)})


def test_hits(
    small: Callable[..., Campaign], index: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The events are those whose columns fulfil it, and they alone become jobs."""
    assert main(["stats", str(index), "--lit", "20"]) == 0
    campaign = campaign_where(small, index, "sum > 2e4 and lit > 100 and not damaged")
    measured = load_index(index)
    assert measured.statistics is not None
    hits = (measured.statistics.sum > 2e4) & (measured.statistics.lit > 100)
    assert 0 < hits.sum() < 12
    chosen = select(load_config(str(campaign.config), []).events, measured)
    assert chosen.tolist() == hits.nonzero()[0].tolist()
    assert check_campaign(str(campaign.config), []) == 0
    assert f"events: {hits.sum()} of 12 in the index" in capfd.readouterr().out


def test_statistics_are_missing(small: Callable[..., Campaign], index: Path) -> None:
    """The fault names the command that computes them."""
    campaign = campaign_where(small, index, "sum > 2e4")
    with pytest.raises(ConfigError, match=rf"^events\.where: .*run spring-index stats {index}$"):
        check_campaign(str(campaign.config), [])


def test_statistics_need_an_index_of_their_own(small: Callable[..., Campaign]) -> None:
    """Where the config names no index the fault tells all three steps."""
    campaign = small(events={"where": "lit > 3"})
    steps = (
        "run spring-index build .* -o FILE, then spring-index stats FILE, and name .* data.index"
    )
    with pytest.raises(ConfigError, match=steps):
        check_campaign(str(campaign.config), [])


def test_no_event_fulfils_it(small: Callable[..., Campaign], index: Path) -> None:
    """A campaign of nothing is a fault."""
    campaign = campaign_where(small, index, "step > 3")
    with pytest.raises(ConfigError, match="none of the 12 events in the index is selected"):
        check_campaign(str(campaign.config), [])


def test_growing_data(small: Callable[..., Campaign]) -> None:
    """Events that are to come were not measured."""
    campaign = small(events={"where": "sum > 1"}, data=DATA | {"follow": 1.0})
    with pytest.raises(ConfigError, match=r"events\.where: growing data"):
        check_campaign(str(campaign.config), [])
