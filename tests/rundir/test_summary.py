"""``summary.csv``: a row for each job that has ended, read as it was written."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.errors import RunDirectoryError
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rundir.summary import SummaryFile, read_summary

DONE = Outcome(
    "7-1-s,80", pid="7-1", tag="s,80", error=0.25, resolution_px=None, support_px=9, seconds=1.5,
    worker=3, file="results/7-1-s,80.h5", state=State.DONE, warnings=("dim", "no centre"),
    swept=(("init.supportsize", "80"),),
)  # fmt: skip
GOOD = replace(
    DONE, name="7-3", verdict=Verdict.GOOD, score=0.875, resolution_px=2.5, generations_run=14,
    reasons=("the interior is not determined", "two parts"), is_interior_determined=False,
)  # fmt: skip
FAILED = Outcome("7-2", pid="7-2", state=State.FAILED, worker=1, reason='no "light"\nat all')


def rows(path: Path) -> list[dict[str, str]]:
    """As any other program reads them."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_columns(tmp_path: Path) -> None:
    """The verdict stands before the error, and swept settings last."""
    path = tmp_path / "summary.csv"
    SummaryFile(path, [DONE, FAILED], ["init.supportsize"]).close()
    first, second = rows(path)
    assert list(first.items()) == [
        ("name", "7-1-s,80"), ("pid", "7-1"), ("tag", "s,80"), ("verdict", ""), ("score", ""),
        ("error", "0.25"),
        ("resolution_px", ""), ("support_px", "9"), ("seconds", "1.50"), ("worker", "3"),
        ("file", "results/7-1-s,80.h5"), ("remark", ""), ("state", "done"), ("reason", ""),
        ("warnings", "dim; no centre"), ("reasons", ""), ("is_interior_determined", ""),
        ("generations_run", ""), ("init.supportsize", "80"),
    ]  # fmt: skip
    assert (second["state"], second["error"], second["file"]) == ("failed", "", "")
    assert second["reason"] == 'no "light" at all', "a row is a line"


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    summary = SummaryFile(path, [DONE, GOOD], ["init.supportsize"])
    summary.append(FAILED)
    summary.flush()
    summary.close()
    failed = replace(FAILED, reason='no "light" at all', swept=(("init.supportsize", ""),))
    assert read_summary(path) == {"7-1-s,80": DONE, "7-3": GOOD, "7-2": failed}


@given(ends=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["failed", "stopped"]))),
       again=st.lists(st.sampled_from("abc"), unique=True), known=st.booleans())  # fmt: skip
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_last_row_of_a_job_counts(
    tmp_path: Path, ends: list[tuple[str, str]], again: list[str], known: bool
) -> None:
    """However often people tried it again: for who reads meanwhile, and alone in the end."""
    path = tmp_path / "summary.csv"
    told = [Outcome(name, state=State(state)) for name, state in ends]
    told += [replace(DONE, name=name) for name in again]
    summary = SummaryFile(path, told[:1] if known else [])
    for outcome in told[1:] if known else told:
        summary.append(outcome)
    summary.flush()
    last = {outcome.name: outcome.state for outcome in told}
    assert {name: job.state for name, job in read_summary(path).items()} == last
    summary.finish()
    summary.finish()
    summary.close()
    assert {row["name"]: row["state"] for row in rows(path)} == last
    assert len(rows(path)) == len(last)


def test_a_job_of_an_earlier_engine_that_is_made_again(tmp_path: Path) -> None:
    """Its former row stands until the end of the run at most."""
    path = tmp_path / "summary.csv"
    summary = SummaryFile(path, [DONE.made_by_engine(1), GOOD])
    summary.append(replace(DONE, error=0.125))
    summary.flush()
    summary.finish()
    summary.close()
    assert [(row["name"], row["error"]) for row in rows(path)] == [
        ("7-3", "0.25"), ("7-1-s,80", "0.125"),
    ]  # fmt: skip


@pytest.mark.parametrize("cut", range(1, 40))
def test_half_a_row(tmp_path: Path, cut: int) -> None:
    """A row that is being written is no job yet, or it is one with all its figures."""
    path = tmp_path / "summary.csv"
    SummaryFile(path, [DONE, replace(DONE, name="7-3")]).close()
    path.write_bytes(path.read_bytes()[:-cut])
    jobs = read_summary(path)
    assert jobs.pop("7-1-s,80") == replace(DONE, swept=())
    assert all(job.error == 0.25 for job in jobs.values())


@pytest.mark.parametrize(
    "text", ["name,file\na,f.h5\n", "file,name,error\nf.h5,a\n", "name,error\na,low\n"]
)
def test_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / "summary.csv").write_text(text)
    with pytest.raises(RunDirectoryError, match="is no summary of a campaign"):
        read_summary(tmp_path / "summary.csv")


def test_a_file_of_the_first_version(tmp_path: Path) -> None:
    """All its jobs are done; what it calls a resolution nobody judged, and is not taken for one."""
    path = tmp_path / "summary.csv"
    path.write_text("name,error,resolution_px,file\na,0.1,inf,a.h5\nb,0.1,2,b.h5\n")
    assert read_summary(path) == {
        name: Outcome(name, pid=name, error=0.1, file=f"{name}.h5", state=State.DONE)
        for name in "ab"
    }


def test_a_restart_knows_all_columns() -> None:
    """What stands in no line of the journal the plan tells."""
    lost = {item.name for item in fields(Outcome) if not item.metadata.get("is_kept")}
    assert lost == {"pid", "tag", "file", "swept"}
