"""``spring-view`` draws results and campaigns, whatever became of single jobs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.physics import lumps, pattern_of, settings_of
from matplotlib.figure import Figure

from spring_mpi import view as plots
from spring_mpi.cli import view
from spring_mpi.cli.view import main
from spring_mpi.engine.backends.reference import reference_backend
from spring_mpi.engine.mpr import reconstruct
from spring_mpi.model.orientation import Oriented
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.result import Result
from spring_mpi.model.verdict import Verdict
from spring_mpi.rundir.status import write_status
from spring_mpi.rundir.summary import SummaryFile, read_summary

PNG = b"\x89PNG\r\n\x1a\n"
# Name, verdict, score, error and resolution of the jobs, as they finished.
JOBS = (
    ("71-9", Verdict.DOUBTFUL, 0.5, 0.3, 2.5),
    ("71-10", Verdict.BAD, 0.9, 0.1, 9.0),
    ("71-2", Verdict.GOOD, 0.7, 0.2, None),
)
Sheets = list[tuple[list[Result | Outcome], str]]


@pytest.fixture(scope="module")
def result() -> Result:
    """A small reconstruction."""
    settings = settings_of(global__generations=1, global__popsize=4, init__supportsize=12, IA__it=3)
    return reconstruct(pattern_of(lumps(32)), settings, backend=reference_backend())


@pytest.fixture
def rundir(tmp_path: Path, result: Result) -> Path:
    """A campaign of five jobs: three done, one of them with a damaged result, and one failed."""
    run = tmp_path / "demo"
    (run / "results").mkdir(parents=True)
    files = [f"results/{name}.h5" for name, *_ in JOBS]
    SummaryFile(
        run / "summary.csv",
        [
            Outcome(
                name,
                pid=name,
                verdict=verdict,
                score=score,
                error=error,
                resolution_px=resolution,
                support_px=50,
                seconds=1.0,
                worker=1,
                file=file,
                state=State.DONE,
            )
            for (name, verdict, score, error, resolution), file in zip(JOBS, files, strict=True)
        ],
    )
    for (name, *_), file in zip(JOBS, files, strict=True):
        replace(result, name=name).save(run / file)
    (run / files[1]).write_bytes(b"damaged")
    write_status(
        run / "status.json", {"jobs": 5, "failed": [{"name": "71-4", "reason": "no photons"}]}
    )
    return run


@pytest.fixture
def sheets(monkeypatch: pytest.MonkeyPatch) -> Sheets:
    """What is drawn: the entries of every sheet, and its title."""
    drawn: Sheets = []

    def contact_sheet(entries: Iterable[Oriented | Outcome], title: str) -> Figure:
        results = [entry.result if isinstance(entry, Oriented) else entry for entry in entries]
        drawn.append((results, title))
        return Figure()

    monkeypatch.setattr(plots, "contact_sheet", contact_sheet)
    return drawn


def test_remarks_of_the_campaign_stand_on_the_sheet(
    rundir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as of an earlier engine, behind what was done to turn a result; the command counts
    only the turned ones."""
    path = rundir / "summary.csv"
    jobs = [job.made_by_engine(1) for job in read_summary(path).values()]
    SummaryFile(path, jobs).close()
    remarks: list[str] = []

    def contact_sheet(entries: Iterable[Oriented | Outcome], title: str) -> Figure:
        remarks.extend(entry.remark for entry in entries)
        return Figure()

    monkeypatch.setattr(plots, "contact_sheet", contact_sheet)
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png"), "--limit", "2"]) == 0
    assert remarks == ["made by engine revision 1"] * 2


def names(sheets: Sheets) -> list[list[str]]:
    """Names of the jobs on every sheet."""
    return [[entry.name for entry in entries] for entries, _ in sheets]


def test_result(
    rundir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without -o the picture is named after the result and lies in the current folder."""
    monkeypatch.chdir(rundir.parent)
    assert main(["demo/results/71-9.h5"]) == 0
    assert (rundir.parent / "71-9.png").read_bytes().startswith(PNG)
    assert capsys.readouterr().out == "71-9.png: 1 of 1 jobs\n"


def test_output(rundir: Path, tmp_path: Path) -> None:
    """-o names the picture, and its ending the format."""
    assert main([str(rundir / "results/71-9.h5"), "-o", str(tmp_path / "a.pdf")]) == 0
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


def test_sheet(rundir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sheet is written although a result is damaged; one line counts, one names the damage."""
    sheet = tmp_path / "sheet.png"
    assert main([str(rundir), "--sheet", str(sheet)]) == 0
    assert sheet.read_bytes().startswith(PNG)
    captured = capsys.readouterr()
    assert captured.out == f"{sheet}: 4 of 5 jobs\n"
    assert captured.err.count("\n") == 1
    assert str(rundir / "results/71-10.h5") in captured.err


def test_sheet_marks_what_is_missing(rundir: Path, tmp_path: Path, sheets: Sheets) -> None:
    """Results come as asked for, a damaged one with its fault, then failed jobs with the reason."""
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png"), "--sort", "finished"]) == 0
    (((done, damaged, other, failed), title),) = sheets
    assert (done.name, other.name) == ("71-9", "71-2")
    assert failed == Outcome("71-4", state=State.FAILED, reason="no photons")
    assert isinstance(damaged, Outcome)
    assert damaged.reason.startswith("cannot be read: ")
    assert title == "demo, as finished (1 good, 1 doubtful, 1 bad): 1 to 4 of 5 jobs"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("error", ["71-10", "71-2", "71-9"]),
        ("resolution", ["71-9", "71-10", "71-2"]),
        ("name", ["71-2", "71-9", "71-10"]),
        ("finished", ["71-9", "71-10", "71-2"]),
        ("trust", ["71-2", "71-9", "71-10"]),
        ("", ["71-2", "71-9", "71-10"]),
    ],
)
def test_sort(rundir: Path, tmp_path: Path, sheets: Sheets, sort: str, expected: list[str]) -> None:
    """The best come first, what is unknown after them; names by their numbers; failed jobs last.

    Without a word about it the most trusted come first.
    """
    chosen = ["--sort", sort] if sort else []
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png"), *chosen]) == 0
    assert names(sheets) == [[*expected, "71-4"]]


def test_limit(
    rundir: Path, tmp_path: Path, sheets: Sheets, capsys: pytest.CaptureFixture[str]
) -> None:
    """No more jobs are read than asked for, and the line says how to see the others."""
    sheet = tmp_path / "sheet.png"
    assert main([str(rundir), "--sheet", str(sheet), "--limit", "1"]) == 0
    assert names(sheets) == [["71-2"]]
    assert capsys.readouterr() == (f"{sheet}: 1 of 5 jobs; --limit N for more\n", "")


def test_pages(
    rundir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sheets: Sheets,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """More jobs than a page holds fill numbered files, none lost or repeated."""
    monkeypatch.setattr(view, "_CELLS_PER_PAGE", 3)
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png"), "--limit", "9"]) == 0
    pages = [str(tmp_path / f"sheet-{page}.png") for page in (1, 2)]
    assert names(sheets) == [["71-2", "71-9", "71-10"], ["71-4"]]
    assert capsys.readouterr().out == f"{', '.join(pages)}: 4 of 5 jobs\n"
    assert all(Path(page).is_file() for page in pages)


def test_retried_jobs_have_one_cell(rundir: Path, tmp_path: Path, sheets: Sheets) -> None:
    """A job that failed and then was done is done."""
    failed = [{"name": "71-9", "reason": "lost"}]
    write_status(rundir / "status.json", {"jobs": 3, "failed": failed})
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert names(sheets) == [["71-2", "71-9", "71-10"]]


@pytest.mark.parametrize(
    "status",
    [
        None, "{", "[]", json.dumps({"state": "running"}), '{"failed": null, "jobs": null}',
        '{"failed": [1, null, {}, {"name": 3}], "jobs": "5"}', '{"failed": "71", "jobs": [5]}',
    ],
)  # fmt: skip
def test_status_may_be_absent(
    rundir: Path, tmp_path: Path, sheets: Sheets, status: str | None
) -> None:
    """Without a status that tells failures, the finished jobs are shown."""
    (rundir / "status.json").unlink()
    if status is not None:
        (rundir / "status.json").write_text(status)
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert names(sheets) == [["71-2", "71-9", "71-10"]]


def test_half_a_line_is_not_a_job(rundir: Path, tmp_path: Path, sheets: Sheets) -> None:
    """A line that is being written while the campaign runs is left out."""
    with open(rundir / "summary.csv", "a") as summary:
        summary.write("71-77,71-77,,0.0")
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert names(sheets) == [["71-2", "71-9", "71-10", "71-4"]]


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (None, "has no summary.csv"),
        ("name,error,resolution_px,file\n", "no job has finished yet"),
        ("name,error,resolution_px,file\na,low,2,f.h5\n", "is no summary of a campaign"),
        ("name,file\na,f.h5\n", "is no summary of a campaign"),
        ("file,name,error,resolution_px\nf.h5,a\n", "is no summary of a campaign"),
    ],
)
def test_no_campaign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], summary: str | None, message: str
) -> None:
    """A folder without a usable summary exits with 2, a line that names it, and no file."""
    if summary is not None:
        (tmp_path / "summary.csv").write_text(summary)
    assert main([str(tmp_path), "--sheet", str(tmp_path / "sheet.png")]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert str(tmp_path) in captured.err
    assert message in captured.err
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("name", ["status.json", "summary.csv"])
def test_folders_for_files(
    rundir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A folder in the place of a campaign's file is told by its name."""
    (rundir / name).unlink()
    (rundir / name).mkdir()
    assert main([str(rundir), "--sheet", str(tmp_path / "sheet.png")]) == 2
    assert capsys.readouterr().err == f"cannot read {rundir / name}: Is a directory\n"


def test_names_with_braces(rundir: Path, tmp_path: Path, sheets: Sheets) -> None:
    """A run directory may have any name."""
    odd = rundir.rename(tmp_path / "a{0}{b}{")
    assert main([str(odd), "--sheet", str(tmp_path / "sheet.png")]) == 0
    (title,) = (title for _, title in sheets)
    assert title == "a{0}{b}{, by trust (1 good, 1 doubtful, 1 bad): 1 to 4 of 5 jobs"


def test_the_line_names_the_file_written(
    rundir: Path, tmp_path: Path, sheets: Sheets, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name without an ending becomes a PNG, on disk and in the line."""
    assert main([str(rundir), "--sheet", str(tmp_path / "a")]) == 0
    assert main([str(rundir / "results/71-9.h5"), "-o", str(tmp_path / "b")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{tmp_path}/a.png", f"{tmp_path}/b.png"]
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["a.png", "b.png"]


@pytest.mark.parametrize("page", [1, 200])
def test_folders_are_no_pictures(
    rundir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], page: int
) -> None:
    """A folder as target is refused before anything is drawn, and nothing is written."""
    monkeypatch.setattr(view, "_CELLS_PER_PAGE", page)
    before = sorted(rundir.parent.rglob("*"))
    for argv in ([rundir, "--sheet", rundir], [rundir / "results/71-9.h5", "-o", rundir]):
        assert main(list(map(str, argv))) == 2
        told = capsys.readouterr().err
        assert told == f"cannot write {rundir}: it is a folder; name a file\n"
    assert sorted(rundir.parent.rglob("*")) == before


def test_mistakes(rundir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What does not go together exits with 2 and one line that says what to do."""
    file = str(rundir / "results/71-9.h5")
    mistakes = {
        "--sheet FILE.png": [str(rundir)],
        "is for a run directory": [file, "--sheet", "a.png"],
        "no such file": ["nowhere.h5"],
        "is not a result file": [str(rundir / "results/71-10.h5")],
        "is no format": [file, "-o", str(rundir / "a.xyz")],
    }
    for expected, argv in mistakes.items():
        assert main(argv) == 2
        told = capsys.readouterr().err
        assert (expected in told, told.count("\n")) == (True, 1), told


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_limit_is_a_number(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit below 1 is a mistake of usage."""
    with pytest.raises(SystemExit) as caught:
        main(["run", "--sheet", "a.png", f"--limit={limit}"])
    assert caught.value.code == 2
    assert "must be a whole number of at least 1" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """Help exits with 0 and shows a command to copy."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "example:\n  spring-view " in capsys.readouterr().out
