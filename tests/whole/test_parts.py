"""Parts: disjoint shares of a campaign's events, and one report of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from helpers.campaigns import Campaign


def test_parts_are_the_whole(small: Callable[..., Campaign]) -> None:
    """Every job is in one part, more parts than events are no fault, and the report counts all."""
    campaign = small(workers={"device": "cpu"})
    done: list[str] = []
    for number in range(1, 6):
        code, told = campaign.run("--part", f"{number}/5")
        assert code == 0, told
        part = Campaign(campaign.config, campaign.rundir / "parts" / f"{number}-of-5")
        done += part.results()
        if number < 5:
            code, told = campaign.run("--merge")
            assert code == 3
            assert "part 5-of-5: not begun" in told
    assert len(done) == len(set(done)) == 4
    code, told = campaign.run("--merge")
    assert code == 0, told
    assert "all 5 parts: 4 done; 4 results" in told


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/b"])
def test_impossible_parts(small: Callable[..., Campaign], part: str) -> None:
    code, told = small().run("--part", part)
    assert code == 2
    assert "--part must be K/N" in told


def test_nothing_to_merge(small: Callable[..., Campaign]) -> None:
    code, told = small().run("--merge")
    assert code == 2
    assert "there are no parts" in told


def test_two_divisions(small: Callable[..., Campaign]) -> None:
    """Their parts would hold the same events."""
    campaign = small()
    for name in ("1-of-2", "1-of-3"):
        (campaign.rundir / "parts" / name).mkdir(parents=True)
    code, told = campaign.run("--merge")
    assert code == 2
    assert "divided into 2 and 3 parts" in told
