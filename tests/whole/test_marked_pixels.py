"""A campaign tells of pixels that hold one value in all events: in --check, log and results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers.campaigns import Campaign

from spring_mpi import Result

VALUE = 2**16 - 1
TOLD = f"256 pixels hold {VALUE}, the largest value of 16 bits, in all 2 events"


@pytest.fixture
def gapped(small: Callable[..., Campaign], tmp_path: Path) -> Callable[..., Campaign]:
    """``gapped(**data)``: two frames of 64 x 64 pixels with a gap of four columns."""
    y, x = np.mgrid[-32:32, -32:32]
    wave = np.sinc(y / 6) ** 2 * np.sinc(x / 5) ** 2
    frames = np.random.default_rng(1).poisson(2e4 * wave, (2, 64, 64)).astype("u2")
    frames[:, :, 40:44] = VALUE
    np.save(tmp_path / "gap.npy", frames)
    pattern = {"cropsize": 64, "size": 64, "center": [32, 32]}
    return lambda **data: small(data={"source": "gap.npy"} | data, pattern=pattern)


def test_told_everywhere(gapped: Callable[..., Campaign]) -> None:
    """The check and the log tell it once, and each result has it among its warnings."""
    campaign = gapped()
    code, output = campaign.run("--check")
    assert (code, output.count(TOLD)) == (0, 1)
    assert f"warning: {TOLD}" in output
    assert campaign.run()[0] == 0
    assert (campaign.rundir / "rank0.log").read_text().count(TOLD) == 1
    for path in (campaign.rundir / "results").iterdir():
        warnings = Result.load(path).provenance.warnings
        (told,) = (one for one in warnings if f"hold {VALUE}" in one)
        assert told.startswith(TOLD)
        assert f"add {{bad: {VALUE}}} to data.mask" in told


def test_advice_helps(gapped: Callable[..., Campaign]) -> None:
    """With the mask that is advised the pixels do not count, and no warning is left."""
    code, output = gapped(mask={"bad": VALUE}).run("--check")
    assert code == 0
    assert "94% of 64 x 64 pixels measured" in output
    assert f"data.mask: raw values, {VALUE} excludes 256 pixels" in output
    assert "warning" not in output


ENDING = """
import os, sys
import numpy as np

def load_data(path):
    if sys.argv[0].endswith("sampling_process.py"):
        os._exit(7)
    y, x = np.mgrid[-32:32, -32:32]
    return {"pattern": np.round(2e4 * np.sinc(y / 6) ** 2 * np.sinc(x / 5) ** 2)}
"""


def test_process_that_ends(small: Callable[..., Campaign], tmp_path: Path) -> None:
    """What ends the process that looks at events does not end the campaign, and is said."""
    (tmp_path / "loader.py").write_text(ENDING)
    (tmp_path / "one.dat").write_bytes(b"data")
    campaign = small(
        data={"source": "one.dat", "reader": "loader.py:load_data"},
        pattern={"cropsize": 64, "size": 64, "center": [32, 32]},
    )
    code, output = campaign.run()
    assert code == 0, output
    said = "No event was looked at for marks of bad pixels: the process that read them ended with 7"
    assert said in (campaign.rundir / "rank0.log").read_text()
