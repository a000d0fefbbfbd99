"""The read side of a campaign: results as they lie in files, and variants turned alike."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.pictures import made_result, texts

from spring_mpi import Campaign
from spring_mpi.cli.view import main
from spring_mpi.errors import RunDirectoryError, SourceError
from spring_mpi.model.alignment import twin
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rundir.campaign import Alike
from spring_mpi.rundir.status import write_status
from spring_mpi.rundir.summary import SummaryFile, read_summary

JOBS = {"1-a": 0.3, "1-b": 0.1, "1-c": 0.2, "2-a": 0.5, "1-d": math.nan}


@pytest.fixture
def rundir(tmp_path: Path) -> Path:
    """Four variants of one event, two of them the twins of the best, and another event."""
    run = tmp_path / "demo"
    (run / "results").mkdir(parents=True)
    SummaryFile(run / "summary.csv", [
        Outcome(name, pid=name[0], tag=name[2], error=error, support_px=50, seconds=1.0,
                worker=1, file=f"results/{name}.h5", state=State.DONE)
        for name, error in JOBS.items()
    ]).close()  # fmt: skip
    write_status(run / "status.json", {
        "state": "done", "exit": 1, "jobs": 6, "failed": [{"name": "2-b", "reason": "no light"}],
    })  # fmt: skip
    for name in JOBS:
        result = made_result()
        if name in ("1-a", "1-c"):
            images = ("data", "best", "mask", "std")
            twins: dict[str, Any] = {image: twin(getattr(result, image)) for image in images}
            result = replace(result, **twins)
        replace(result, name=name, pid=(int(name[0]),), tag=name[2]).save(
            run / "results" / f"{name}.h5"
        )
    return run


def test_variants_are_turned_like_the_best(rundir: Path) -> None:
    """The lowest error first, and all of them as that one lies; it is said of whom."""
    variants = Campaign(rundir).variants("1")
    assert [one.result.name for one in variants] == ["1-b", "1-c", "1-a", "1-d"]
    said = "turned by 180 degrees to match 1-b"
    assert [one.remark for one in variants] == ["", said, said, ""]
    for one in variants:
        assert np.allclose(one.result.data, variants[0].result.data, atol=1e-6)
        assert np.array_equal(one.result.support, variants[0].result.support)


def test_the_best_is_the_most_trusted(rundir: Path) -> None:
    """A verdict counts more than an error, and a score more among equal verdicts."""
    path = rundir / "summary.csv"
    judged = {"1-a": (Verdict.GOOD, 0.5), "1-b": (Verdict.BAD, 0.9), "1-c": (Verdict.GOOD, 0.7)}
    jobs = [
        replace(job, verdict=verdict, score=score)
        for name, job in read_summary(path).items()
        for verdict, score in (judged.get(name, (None, None)),)
    ]
    SummaryFile(path, jobs).close()
    variants = Campaign(rundir).variants("1")
    assert [one.result.name for one in variants] == ["1-c", "1-a", "1-b", "1-d"]
    said = "turned by 180 degrees to match 1-c"
    assert [one.remark for one in variants] == ["", "", said, said]


def test_files_keep_their_own_orientation(rundir: Path) -> None:
    """``result`` gives what the file has, and nothing is written."""
    before = {path: path.read_bytes() for path in (rundir / "results").iterdir()}
    campaign = Campaign(rundir)
    campaign.variants([1])
    assert np.array_equal(campaign.result("1-a").data, twin(campaign.result("1-b").data))
    assert {path: path.read_bytes() for path in (rundir / "results").iterdir()} == before


def test_a_best_one_that_cannot_be_read(rundir: Path) -> None:
    """The next best is the reference."""
    (rundir / "results/1-b.h5").write_bytes(b"damaged")
    done = Campaign(rundir).done
    alike = Alike(done)
    assert [alike.result(done[name]).remark for name in ("1-a", "1-c", "1-d")] == [
        "", "", "turned by 180 degrees to match 1-c",
    ]  # fmt: skip
    with pytest.raises(SourceError, match=r"1-b\.h5"):
        alike.result(done["1-b"])


def test_an_event_alone_is_not_turned(rundir: Path) -> None:
    (one,) = Campaign(rundir).variants("2")
    assert (one.result.name, one.remark) == ("2-a", "")
    assert Campaign(rundir).variants("3") == []


def test_what_is_there(rundir: Path, tmp_path: Path) -> None:
    """Status, done and failed jobs; what is not there is said."""
    campaign = Campaign(rundir)
    assert (campaign.status.code, list(campaign.done)) == (1, list(JOBS))
    assert [(job.name, job.reason) for job in campaign.failed] == [("2-b", "no light")]
    assert list(campaign.ended) == [*JOBS, "2-b"]
    with pytest.raises(SourceError, match="no job '2-b' is done"):
        campaign.result("2-b")
    with pytest.raises(RunDirectoryError, match=r"has no summary\.csv"):
        Campaign(tmp_path).variants("1")


def test_the_sheet_shows_them_alike(
    rundir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cells say how their reconstruction was turned, and the command how many were."""
    drawn = []
    monkeypatch.setattr("spring_mpi.view.save", lambda figure, file: drawn.append(figure))
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert texts(drawn[0]).count("turned by 180 degrees to match 1-b") == 2
    assert capsys.readouterr().out.splitlines()[1].startswith("turned or shifted against")
