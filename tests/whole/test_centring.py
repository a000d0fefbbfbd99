"""A campaign that leaves centre, saturation and support to its events, and goes on later."""

from __future__ import annotations

import math
from collections.abc import Callable

from helpers.campaigns import Campaign

from spring_mpi.model.result import Result


def test_auto_from_start_to_resume(small: Callable[..., Campaign]) -> None:
    """Every result tells what was used, and a later run expects the centre of the first one."""
    campaign = small(
        pattern={"center": "auto", "satvalue": "auto", "cropsize": 256, "size": 64, "gain": 10.0},
        settings={
            "global": {"generations": 2, "popsize": 4}, "init": {"supportsize": "auto"},
            "IA": {"it": 5},
        },
        workers={"device": "cpu"},
    )  # fmt: skip
    code, told = campaign.run("--set", "events.slice=0:2")
    assert code == 0, told
    first = campaign.results()
    code, told = campaign.run()
    assert code == 0, told
    assert first.items() <= campaign.results().items()
    (line,) = (line for line in campaign.journal() if "expected" in line)
    assert math.dist(line["center"], (133.5, 137.5)) < 1
    assert "Centre: expected at" in campaign.log()
    for name in campaign.results():
        origin = Result.load(campaign.rundir / "results" / name).provenance
        assert origin.center is not None
        assert math.dist(origin.center, (133.5, 137.5)) < 1
        assert origin.center_origin in ("found by Friedel pairs", "the one expected")
        assert origin.supportsize is not None
        assert 8 <= origin.supportsize <= 32
        assert not origin.contradictions
