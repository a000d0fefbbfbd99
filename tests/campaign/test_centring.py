"""The centre that is expected: of a fixed sample, the same for all parts and all later runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spring_mpi.campaign.centring import centre_text, expected_centre
from spring_mpi.campaign.past import Past
from spring_mpi.campaign.plan import Plan
from spring_mpi.config.sections import Config
from spring_mpi.events import build_index
from spring_mpi.rundir.lines import CentreLine, from_line, to_line

TEXT = """
name: c
data: {reader: simulate, source: "events=24:seed=1", mask: {dataset: mask, bad: 1}}
pattern: {center: auto, cropsize: 256, size: 64, gain: 10}
"""


@pytest.fixture
def plan(load: Callable[..., Config]) -> Callable[..., Plan]:
    """``plan(*overrides)``: the plan of a config with ``center: auto``."""
    index = build_index("events=24:seed=1", reader="simulate")
    return lambda *overrides: Plan(load(TEXT, *overrides), index, Path("/run"))


def test_the_median_of_a_sample(plan: Callable[..., Plan]) -> None:
    """Of events with a particle alone, and again the same for the same data, whichever part."""
    made = plan()
    line, why = expected_centre(made, Past())
    assert line is not None
    assert (why, line.looked_at) == ("", 16)
    assert 0 < line.events < 16
    assert line.center == pytest.approx((133.5, 137.5), abs=0.2)
    other, _ = expected_centre(plan("part='2/3'", "seed=5"), Past())
    assert other == line
    assert centre_text(line).startswith("expected at (133.")


def test_what_the_journal_has_stays(plan: Callable[..., Plan]) -> None:
    """For the same data prepared alike; the file of another mask is another preparation."""
    made, past = plan("events.slice=0:3"), Past()
    kept = CentreLine(made.data_digest, (1.0, 2.0), 3, 4)
    past.centres[kept.digest] = kept
    assert expected_centre(made, past) == (kept, "")
    assert expected_centre(plan("events.slice=0:9"), past) == (kept, "")
    assert plan("data.mask={bad: 7}").data_digest != kept.digest
    assert plan("pattern.size=128").data_digest != kept.digest


def test_nobody_asks(plan: Callable[..., Plan]) -> None:
    """Where the centre is given, or left out."""
    for center in ("[1, 2]", "null"):
        assert expected_centre(plan(f"pattern.center={center}"), Past()) == (None, "")


def test_no_events_no_centre(load: Callable[..., Config]) -> None:
    """Then none is expected, and that is what the journal keeps."""
    config = load(TEXT, "events.slice=0:0")
    index = build_index("events=24:seed=1", reader="simulate")
    line, why = expected_centre(Plan(config, index, Path("/run"), may_be_empty=True), Past())
    assert line is not None
    assert (line.center, line.looked_at, why) == (None, 0, "")
    assert centre_text(line) == "none is expected, for none was found in 0 events"


def test_jobs_and_fingerprints_have_it(plan: Callable[..., Plan]) -> None:
    """A job takes the expected centre with it, and one that is not known changes no fingerprint."""
    made = plan()
    name = next(iter(made.numbers))
    before = made.fingerprint(name)
    made.expect(CentreLine(made.data_digest))
    assert made.fingerprint(name) == before
    made.expect(CentreLine(made.data_digest, (130.0, 131.0)))
    assert made.fingerprint(name) != before
    assert made.job(name).calibration.center_prior == (130.0, 131.0)


def test_the_line_of_the_journal() -> None:
    """Is read as it was written."""
    for line in (CentreLine("d", (1.5, 2.25), 3, 4), CentreLine("d")):
        assert from_line(to_line(line)) == line
