"""Through a whole campaign: what is no answer is not called good, with a reason that helps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import yaml
from helpers.campaigns import Campaign
from known_truth.sample import Sample, sample

from spring_mpi.model.result import Result

# Class of the pattern -> its seed, and what the reasons of its result must hold.
EXPECTED: Mapping[str, tuple[int, str]] = {
    "standard": (50_001, ""),
    "blank": (50_000, "is it a hit?"),
    "polarity": (50_000, "does not explain"),
    "double_far": (50_000, "does not explain|more than half of the grid"),
    "double_fit": (50_000, "two parts"),
    "off_centre": (50_002, "centre: Friedel pairs say"),
    "gain": (50_003, "not on a photon scale"),
}
GOOD = ("standard", "double_fit", "gain")
OFF_CENTRE = 6.0
"""Raw pixels, 3 binned ones."""


def recorded(name: str) -> Sample:
    """The simulated pattern of that case."""
    return sample("standard" if name == "off_centre" else name, EXPECTED[name][0])


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A finished campaign of all cases, in the order of their names' pids."""
    folder = tmp_path_factory.mktemp("verdicts")
    for number, name in enumerate(EXPECTED):
        one = recorded(name)
        row, column = one.center
        np.savez(
            folder / f"shot_{number}.npz",
            # All to one scale, so that one config holds for them.
            pattern=(one.raw - one.background) / one.gain,
            mask=one.mask,
            center=(row + (OFF_CENTRE if name == "off_centre" else 0.0), column),
            pid=(1, number),
        )
    config = {
        "name": "verdicts", "output": str(folder / "run"),
        "data": {"root": str(folder), "source": "shot_*.npz", "reader": "npz"},
        "pattern": {"center": {"dataset": "center"}, "cropsize": 256, "size": 128},
        "settings": {"global": {"popsize": 16, "generations": 30}, "init": {"supportsize": 60}},
        "workers": {"device": "cpu"},
    }  # fmt: skip
    path = folder / "verdicts.yaml"
    path.write_text(yaml.safe_dump(config))
    made = Campaign(path, folder / "run")
    code, output = made.run()
    assert code == 0, output
    return made


def result(campaign: Campaign, name: str) -> Result:
    return Result.load(campaign.rundir / f"results/1-{list(EXPECTED).index(name)}.h5")


@pytest.mark.parametrize("name", EXPECTED)
def test_every_case_has_its_verdict(campaign: Campaign, name: str) -> None:
    """Wrong data are not called good, and the reasons say what is wrong; the right ones are."""
    found, expected = result(campaign, name), EXPECTED[name][1]
    assert (found.verdict == "good") == (name in GOOD), found.reasons
    said = "; ".join(found.reasons)
    assert any(part in said for part in expected.split("|")), said
    assert (found.resolution_px is not None) == (name in GOOD)


def test_the_log_counts_the_verdicts(campaign: Campaign) -> None:
    """The last line has them, and the table the same verdict as the file."""
    rows = campaign.summary()
    for number, name in enumerate(EXPECTED):
        assert rows[f"1-{number}"]["verdict"] == result(campaign, name).verdict
    log = (campaign.rundir / "rank0.log").read_text()
    assert f"{len(GOOD)} good" in log
