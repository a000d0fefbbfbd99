"""What a campaign came to, as its files tell it when nobody answers any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spring_mpi.cli.ctl import main
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rundir.ended import EndedCampaign
from spring_mpi.rundir.status import write_status
from spring_mpi.rundir.summary import SummaryFile

NONE = {"waiting": 0, "running": 0, "done": 0, "failed": 0, "removed": 0, "stopped": 0}


@pytest.fixture
def rundir(tmp_path: Path) -> Callable[..., Path]:
    """``rundir(status, *jobs)``: a run directory with a status and (name, error, resolution).

    Every job is judged ``good``, the more trusted the lower its error, unless told otherwise.
    """

    def rundir(
        status: dict[str, Any] | None,
        *jobs: tuple[str, float, float | None],
        verdict: Verdict | None = Verdict.GOOD,
    ) -> Path:
        folder = tmp_path / "run"
        (folder / "control").mkdir(parents=True)
        SummaryFile(folder / "summary.csv", [
            Outcome(name, pid=name, error=error, resolution_px=resolution, support_px=50,
                    seconds=1.0, worker=1, file=f"results/{name}.h5", state=State.DONE,
                    verdict=verdict, score=None if verdict is None else 1 - error)
            for name, error, resolution in jobs
        ]).close()  # fmt: skip
        if status:
            write_status(folder / "status.json", status)
        return folder

    return rundir


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (0, "every job that nobody removed or stopped is done"),
        (1, "some jobs failed; run it again to try them again"),
        (3, "it was interrupted; run it again to resume"),
    ],
)
def test_info_after_the_end(
    rundir: Callable[..., Path], capsys: pytest.CaptureFixture[str], code: int, meaning: str
) -> None:
    """Exit code with its meaning, jobs by state, results by verdict, the most trusted one."""
    counts = NONE | {"done": 3, "removed": 2, "stopped": 1, "waiting": code}
    run = rundir(
        {"state": "over", "exit": code, "jobs": 6 + code, "counts": counts, "failed": []},
        ("a", 0.3, 2.5), ("b", 0.1, None), ("c", float("nan"), 2.0),
    )  # fmt: skip
    assert main([str(run), "info"]) == 4
    out, err = capsys.readouterr()
    assert err == f"no live hypervisor in {run}\n"
    waiting = f"{code} waiting, " if code else ""
    assert out.splitlines() == [
        f"Campaign ended with exit code {code}: {meaning}",
        f"{6 + code} jobs: {waiting}3 done, 2 removed, 1 stopped",
        "Results: 3 good",
        f"Best result: b, good 0.90, error 0.1000, no resolution, {run / 'results/b.h5'}",
        f"See {run / 'summary.csv'}",
    ]


def test_for_programs(rundir: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """--json has the same in values of JSON, no inf and no NaN among them."""
    counts = NONE | {"done": 1}
    run = rundir({"state": "done", "exit": 0, "counts": counts}, ("a", 0.3, None))
    assert main([str(run), "--json", "info"]) == 4
    given = json.loads(capsys.readouterr().out)["data"]
    assert (given["exit"], given["counts"]) == (0, counts)
    assert given["verdicts"] == {"good": 1, "doubtful": 0, "bad": 0, "not judged": 0}
    assert given["best"] == {
        "name": "a", "verdict": "good", "score": 0.7, "error": 0.3, "resolution_px": None,
        "file": str(run / "results/a.h5"),
    }  # fmt: skip


def test_results_that_nobody_judged(rundir: Callable[..., Path]) -> None:
    """Of an earlier version: the lowest error is the best, and no resolution is claimed."""
    run = rundir({"exit": 0}, ("a", 0.3, 2.5), ("b", 0.1, 2.0), verdict=None)
    lines = list(EndedCampaign.read(run).lines())
    assert lines[-3:-1] == [
        "Results: 2 not judged",
        f"Best result: b, not judged, error 0.1000, {run / 'results/b.h5'}",
    ]


def test_steering_the_dead_tells_nothing_else(
    rundir: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Who asks for a change gets no report on standard output."""
    assert main([str(rundir({"exit": 0})), "kill"]) == 4
    assert capsys.readouterr().out == ""


def test_the_first_failures(rundir: Callable[..., Path]) -> None:
    """Ten reasons, and how many there are beside."""
    failed = [{"name": str(number), "reason": "no photons"} for number in range(13)]
    run = rundir({"state": "failed", "exit": 1, "counts": NONE | {"failed": 13}, "failed": failed})
    lines = list(EndedCampaign.read(run).lines())
    assert [line for line in lines if line.startswith("Failed")][9] == "Failed: 9: no photons"
    assert "... and 3 more that failed" in lines


def test_a_run_that_could_not_start(rundir: Callable[..., Path]) -> None:
    """The reason is told."""
    run = rundir({"state": "refused", "exit": 2, "reason": "no worker can start"}, ("a", 0.3, 2.0))
    first, second, *_ = EndedCampaign.read(run).lines()
    assert first == "Campaign ended with exit code 2: it could not start: no worker can start"
    assert second == "1 jobs were done before"


def test_a_summary_that_cannot_be_read(
    rundir: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, and the exit code is that of a campaign that nobody runs."""
    run = rundir({"state": "done", "exit": 0})
    (run / "summary.csv").write_text("name,error,resolution_px,file\na,low,2,f.h5\n")
    assert main([str(run), "info"]) == 4
    assert "is no summary of a campaign" in capsys.readouterr().err


def test_a_run_that_was_killed(rundir: Callable[..., Path]) -> None:
    """Its status says that it runs; the jobs that ran are none any more."""
    run = rundir({"state": "running", "exit": None, "counts": NONE | {"running": 2, "waiting": 1}})
    first, second, _ = EndedCampaign.read(run).lines()
    assert first.startswith("Its last run ended without a word")
    assert second == "3 jobs: 1 waiting, 2 cut off"


@pytest.mark.parametrize("status", [None, {"exit": "0", "counts": [1]}, {"counts": {"done": "x"}}])
def test_what_is_not_told_is_not_known(
    rundir: Callable[..., Path], status: dict[str, Any] | None
) -> None:
    """Files that lack something, or hold something else, are no fault."""
    first, *_ = EndedCampaign.read(rundir(status)).lines()
    assert first.startswith("How it ended is not known")


def test_failures_in_the_summary(tmp_path: Path) -> None:
    """They are told, with those that only the status of an earlier version tells; no done job."""
    jobs = [Outcome(name, state=State.FAILED, reason="dark") for name in "ab"]
    jobs += [Outcome("a", error=0.5, state=State.DONE), Outcome("d", state=State.STOPPED)]
    summary = SummaryFile(tmp_path / "summary.csv", [])
    for job in jobs:
        summary.append(job)
    summary.flush()
    summary.close()
    earlier = [{"name": name, "reason": "no photons"} for name in "abc"]
    counts = NONE | {"done": 1, "failed": 2, "stopped": 1}
    write_status(tmp_path / "status.json", {"exit": 1, "counts": counts, "failed": earlier})
    lines = list(EndedCampaign.read(tmp_path).lines())
    assert [line for line in lines if "ailed: " in line] == [
        "Failed: b: dark",
        "Failed: c: no photons",
    ]
    assert lines[3].startswith("Best result: a, not judged, error 0.5000")
