"""Source strings: which files they stand for, what is refused, and what is told."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from helpers.formats import xtc as write
from helpers.formats import xtc2 as write2
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.cli.index import main
from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.experiment import names_experiment, parse_experiment, with_folder
from spring_mpi.events.index import finding
from spring_mpi.events.index.experiment_files import choose_files, experiment_files
from spring_mpi.events.index.follow import Follower
from spring_mpi.events.index.wanted import Wanted

FRAME = np.arange(6, dtype=np.uint16).reshape(2, 3)
IMAGE = write.segment(write.frame(FRAME))
NUMBERS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def _no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIT_PSDM_DATA", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the experiment's files under ``tmp_path``."""
    path = tmp_path / "CXI" / "cxib7913" / "xtc"
    path.mkdir(parents=True)
    return path


def put(folder: Path, *names: str) -> None:
    """Files of two events each; those of one run have the same times, but for other chunks."""
    for name in names:
        chunk = int(name.split("-c")[1][:2])
        datagrams = write.run(*write.events(2, IMAGE, first=2 * chunk))
        (folder / name).write_bytes(write.encode(datagrams))


def names(text: str, root: Path) -> list[str]:
    """Names of the files that a source string stands for."""
    return [Path(path).name for path in experiment_files(text, str(root)).paths]


def chosen(text: str, *present: str) -> tuple[list[str], list[str]]:
    """Names of files among those present, and remarks."""
    indexes = [f"{name}.idx" for name in present]
    files, remarks = choose_files(parse_experiment(text), present, indexes)
    return [file.name for file in files], remarks


@given(pairs=NUMBERS)
def test_runs_are_numbers_and_ranges(pairs: list[tuple[int, int]]) -> None:
    """``1,2,5-7`` is every number between, its ends included, whatever their order."""
    text = ",".join(f"{low}-{low + more}" if more else str(low) for low, more in pairs)
    wanted = {number for low, more in pairs for number in range(low, low + more + 1)}
    found = parse_experiment(f"run={text}:exp=cxib7913").runs
    assert {number for one in found for number in one} == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exp=cxib7913:run=34:idxx", "unknown key 'idxx'; did you mean 'idx'?"),
        ("exp=cxib7913:runs=34", "did you mean 'run'?"),
        ("exp=cxib7913:run=34:h5", "unknown key 'h5'; known: exp="),
        ("exp=cxib7913:run=34:idx=1", "unknown key 'idx=1'; known"),
        ("exp=cxib7913:run", "run= needs a value"),
        ("exp=cxib7913:idx", "run= is missing; write exp=cxib7913:run=34"),
        ("exp=cxib7913:run=7-5", "run=7-5 must be numbers such as 1,2,5-7"),
        ("exp=cxib7913:run=34,", "must be numbers"),
        ("exp=../x:run=34", "exp=../x is no name"),
        ("exp=665:run=34", "write the experiment's name, as in exp=cxib7913, or its folder"),
    ],
)
def test_what_cannot_be_said(text: str, message: str, tmp_path: Path) -> None:
    """The fault names the string and what to write."""
    with pytest.raises(SourceError) as told:
        experiment_files(text, str(tmp_path))
    assert message in str(told.value)
    assert text in str(told.value)


def test_which_texts_are_source_strings() -> None:
    assert names_experiment("run=3:exp=a")
    assert not names_experiment("/data/exp=3/run.h5")
    assert not names_experiment("n=3:size=64")
    moved = with_folder("exp=a:dir=x/y:run=3", lambda path: f"/root/{path}")
    assert moved == "exp=a:dir=/root/x/y:run=3"


@pytest.mark.parametrize("mode", ["idx", "smd", "rax", "xtc:idx"])
def test_files_of_a_run(mode: str, folder: Path, tmp_path: Path) -> None:
    """All streams and chunks of the run, under both kinds of names, and nothing else."""
    put(
        folder,
        "e665-r0034-s00-c00.xtc", "e665-r0034-s00-c01.xtc", "e665-r0034-s01-c00.xtc.inprogress",
        "e665-r0035-s00-c00.xtc", "e665-r0034-s00-c00.xtc.inprogress",
    )  # fmt: skip
    (folder / "notes.txt").touch()
    (folder / "e665-r0034-s00-c00.smd.xtc").touch()
    run = ["e665-r0034-s00-c00.xtc", "e665-r0034-s00-c01.xtc", "e665-r0034-s01-c00.xtc.inprogress"]
    assert names(f"exp=cxib7913:run=34:{mode}", tmp_path) == run
    assert names(f"exp=CXI/cxib7913:run=34:{mode}", tmp_path) == run
    assert names(f"exp=665:dir=CXI/cxib7913/xtc:run=34:{mode}", tmp_path) == run
    assert names(f"exp=cxib7913:run=34:stream=1-79:{mode}", tmp_path) == run[2:]


def test_the_root_of_the_environment_goes_before(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not before a folder that the string names."""
    put(folder, "cxib7913-r0034-s00-c00.xtc")
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(SourceError, match=r"elsewhere/CXI/cxib7913/xtc cannot be listed.*SIT_PSDM"):
        names("exp=cxib7913:run=34", elsewhere)
    monkeypatch.setenv("SIT_PSDM_DATA", str(tmp_path))
    assert names("exp=cxib7913:run=34", elsewhere) == ["cxib7913-r0034-s00-c00.xtc"]
    with pytest.raises(SourceError, match="elsewhere/here cannot be listed"):
        names("exp=cxib7913:run=34:dir=here", elsewhere)


@pytest.mark.parametrize(
    ("text", "present", "message"),
    [
        ("run=34", [], "no file of run 34, such as cxib7913-r0034-s00-c00.xtc"),
        ("run=33-35", ["e6-r0034-s00-c00.xtc"], "no file of run 33, 35.* there are 34"),
        ("run=34", ["e6-r0034-s00-c01.xtc"], "chunk 0 of stream 0 of run 34 is missing"),
        (
            "run=34",
            ["e6-r0034-s00-c00.xtc", "e6-r0034-s00-c03.xtc"],
            "chunk 1, 2 of stream 0 of run 34 is missing, but there are 0, 3",
        ),
        (
            "run=34,35:stream=1",
            ["e6-r0034-s01-c00.xtc", "e6-r0035-s01-c00.xtc", "e6-r0036-s00-c00.xtc"],
            "",
        ),
        ("run=34:stream=1,0", ["e6-r0034-s01-c00.xtc"], "run 34 has no stream 0; .* it has 1"),
        ("run=34", ["e6-r0034-s00-c00.xtc", "e7-r0034-s01-c00.xtc"], "files of e6 and e7"),
        ("run=1-999999999", ["e6-r0001-s00-c00.xtc"], "no file of run 2, 3, 4, 5, 6"),
    ],
)
def test_what_is_missing_is_refused(text: str, present: list[str], message: str) -> None:
    if not message:
        assert len(chosen(f"exp=cxib7913:{text}", *present)[0]) == 2
        return
    with pytest.raises(SourceError, match=message):
        chosen(f"exp=cxib7913:{text}", *present)


def test_a_stream_that_a_run_lacks_is_told() -> None:
    """Up to the highest stream of all runs; of the streams asked for."""
    present = ["e6-r0034-s00-c00.xtc", "e6-r0034-s02-c00.xtc", "e6-r0035-s00-c00.xtc"]
    files, remarks = chosen("exp=cxib7913:run=34,35", *present)
    assert files == present
    assert [remark.partition(";")[0] for remark in remarks] == [
        "run 34 has no stream 1", "run 35 has no stream 1, 2",
    ]  # fmt: skip
    assert chosen("exp=cxib7913:run=34:stream=0,2", *present)[1] == []


def test_streams_of_ioc_recorders() -> None:
    """They are files of the run like others, and no gap lies before them."""
    present = ["e6-r0034-s00-c00.xtc", "e6-r0034-s80-c00.xtc"]
    assert chosen("exp=cxib7913:run=34", *present) == (present, [])
    assert chosen("exp=cxib7913:run=34:stream=0-79", *present) == (present[:1], [])


def test_missing_indexes_are_told(folder: Path, tmp_path: Path) -> None:
    """The facility's index may lie in the folder ``index`` or beside its file."""
    put(folder, *(f"e6-r0034-s0{stream}-c00.xtc" for stream in range(3)))
    (folder / "index").mkdir()
    (folder / "index" / "e6-r0034-s00-c00.xtc.idx").touch()
    (folder / "e6-r0034-s01-c00.xtc.idx").touch()
    (remark,) = experiment_files("exp=cxib7913:run=34", str(tmp_path)).remarks
    assert "no .xtc.idx for 1 of 3 files, such as e6-r0034-s02-c00.xtc;" in remark


def test_an_index_of_several_runs(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Streams are joined within a run, chunks follow each other; what is missing is logged."""
    put(folder, "e6-r0034-s00-c00.xtc", "e6-r0034-s00-c01.xtc", "e6-r0034-s01-c00.xtc")
    put(folder, "e6-r0035-s00-c00.xtc")
    with caplog.at_level(logging.WARNING):
        index = build_index("exp=cxib7913:run=34,35:idx", root=tmp_path)
    assert index.pids[:, 0].tolist() == [34, 34, 34, 34, 35, 35]
    assert [len(index.ref(place).parts) for place in range(6)] == [2, 2, 1, 1, 1, 1]
    assert "run 35 has no stream 1" in caplog.text
    assert "no .xtc.idx for 4 of 4 files" in caplog.text


def test_lcls2(folder: Path, tmp_path: Path) -> None:
    stream = write2.Stream().configure().begin()
    stream.event(1 << 32, FRAME[None]).write(folder / "cxib7913-r0034-s000-c000.xtc2")
    index = build_index("exp=cxib7913:run=34", root=tmp_path)
    assert index.pids.tolist() == [[34, 1 << 32]]
    assert np.array_equal(index.read((34, 1 << 32)).data, FRAME)


def test_on_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index is built; a fault is one line."""
    put(folder, "e6-r0034-s00-c00.xtc")
    build = ["build", "--root", str(tmp_path), "-o", str(tmp_path / "index.h5")]
    assert main([*build, "exp=cxib7913:run=34:idx"]) == 0
    assert "2 events in 1 sources" in capsys.readouterr().out
    assert main([*build, "exp=cxib7913:run=35:idx"]) == 2
    assert "no file of run 35" in capsys.readouterr().err


def test_following_waits_for_complete_files(folder: Path, tmp_path: Path) -> None:
    """Events come once, when no file of the run is written any more."""
    text = "exp=cxib7913:run=34"
    follower = Follower(Wanted((text,), "auto", None, (), None, str(tmp_path)))
    assert "no file of run 34" in follower.look()[0]
    put(folder, "e6-r0034-s00-c00.xtc", "e6-r0034-s01-c00.xtc.inprogress")
    follower.look()
    follower.look()
    assert len(follower.index) == 0
    (folder / "e6-r0034-s01-c00.xtc.inprogress").rename(folder / "e6-r0034-s01-c00.xtc")
    follower.look()
    follower.look()
    assert len(follower.index) == 2
    assert [len(follower.index.ref(place).parts) for place in range(2)] == [2, 2]


@pytest.mark.parametrize("reader", ["auto", "simulate"])
def test_folders_in_texts_of_other_facilities(reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They start at the root, whether the reader is named or knows the text."""
    monkeypatch.setattr(finding, "guess_text_reader", lambda text: "simulate")
    wanted = Wanted(reader=reader, root="/r")
    found = finding.expand("bl=3:run=1:dir=x", wanted, lambda text, root: [])
    assert found == {"bl=3:run=1:dir=/r/x": "simulate"}
