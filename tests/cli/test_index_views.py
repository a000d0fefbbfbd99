"""``spring-index info, ls, show, stats, check``: what they tell of an index."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from spring_mpi.cli.index import main
from spring_mpi.events import build_index, load_index

Told = Callable[..., tuple[int, str, str]]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """``told(*arguments)``: exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(one) for one in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Four events of (2, 3) pixels, two of them with the same pid."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["data"] = np.arange(24, dtype=np.uint16).reshape(4, 2, 3)
        file["train"] = [9, 8, 7, 7]
    build_index(tmp_path / "run.h5", dataset="data", pid="train").save(tmp_path / "index.h5")
    return tmp_path / "index.h5"


def test_ls(told: Told, index: Path) -> None:
    """A line for each event: pid, flags, step, source; those beyond the limit are counted."""
    code, output, _ = told("ls", index)
    lines = [line.split() for line in output.splitlines()]
    data = str(index.with_name("run.h5"))
    assert (code, lines) == (
        0,
        [["7", "duplicate", "-", data], ["7", "duplicate", "-", data],
         ["8", "-", "-", data], ["9", "-", "-", data]],
    )  # fmt: skip
    assert told("ls", index, "--limit", "1")[1].splitlines()[1:] == ["... and 3 more"]


def test_show(told: Told, index: Path) -> None:
    """Where an event is, and what its frame holds."""
    code, output, _ = told("show", index, "8")
    lines = {name: text.strip() for name, _, text in
             (line.partition(":") for line in output.splitlines())}  # fmt: skip
    assert code == 0
    assert lines == {
        "event": "8", "flags": "-", "step": "-", "frame": "2 x 3 uint16",
        "part": f"row 1 of {index.with_name('run.h5')} data",
        "min": "6", "max": "11", "sum": "51",
    }  # fmt: skip


def test_show_counts_what_is_not_finite(told: Told, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[[1.0, np.nan], [np.inf, 4.0]]]))
    assert told("build", tmp_path / "a.npy", "-o", str(tmp_path / "a.index.h5"))[0] == 0
    _, output, _ = told("show", tmp_path / "a.index.h5", "0-0")
    assert "not finite: 2 pixels" in output
    assert "max:        4" in output


@pytest.mark.parametrize(
    ("event", "reason"), [("x", "'x' is no pid"), ("5", "no event 5"), ("7-1", "1 numbers")]
)
def test_show_of_no_event(told: Told, index: Path, event: str, reason: str) -> None:
    """A pid that is none, or not there, is one line on stderr."""
    code, output, error = told("show", index, event)
    assert (code, output, error.count("\n"), reason in error) == (2, "", 1, True)


def test_stats_and_info(told: Told, index: Path) -> None:
    """Images and columns are those of the frames; ``info`` tells that they are there."""
    assert f"statistics: none; spring-index stats {index}" in told("info", index)[1]
    code, output, _ = told("stats", index, "--lit", "10")
    images = index.with_name("index.images.h5")
    assert (code, output) == (0, f"{images}: 4 of 4 events; sums and lit pixels in {index}\n")
    frames = np.arange(24.0).reshape(4, 2, 3)
    with h5py.File(images) as file:
        assert file["sum"][()].tolist() == frames.sum(axis=0).tolist()
        assert file["max"][()].tolist() == frames[3].tolist()
    found = load_index(index).statistics
    assert found is not None
    assert found.sum.tolist() == [87, 123, 51, 15]
    assert found.lit.tolist() == [6, 6, 2, 0]
    output = told("info", index)[1]
    assert "statistics: sum, lit (raw value 10 and above)" in output
    assert "duplicates: 2" in output
    assert "parts:      4" in output


@pytest.mark.parametrize("threshold", ["nan", "inf", "many"])
def test_thresholds_that_are_none(
    index: Path, threshold: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no number is refused in words."""
    with pytest.raises(SystemExit) as caught:
        main(["stats", str(index), "--lit", threshold])
    assert caught.value.code == 2
    assert f"must be a number, not {threshold!r}" in capsys.readouterr().err


def test_events_that_cannot_be_read(told: Told, tmp_path: Path) -> None:
    """``stats`` tells them, leaves them out and exits with 1; ``check`` lists them."""
    for number in range(3):
        np.save(tmp_path / f"shot_{number}.npy", np.full((2, 2), number + 1.0))
    path = tmp_path / "index.h5"
    build_index("shot_*.npy", root=tmp_path).save(path)
    assert told("check", path)[:2] == (0, "3 events in 3 sources: all read, no fault found\n")
    shot = tmp_path / "shot_1.npy"
    times = shot.stat()
    shot.write_bytes(b"\0" * times.st_size)
    os.utime(shot, ns=(times.st_atime_ns, times.st_mtime_ns))
    code, output, error = told("stats", path)
    assert (code, "2 of 3 events" in output, error.count("\n")) == (1, True, 1)
    assert "event 0-1" in error
    code, output, _ = told("check", path)
    assert (code, output.count("\n"), str(shot) in output) == (1, 1, True)


def test_check_reads_what_headers_do_not_tell(told: Told, index: Path) -> None:
    """Duplicates are faults; a chunk that cannot be decoded is found by reading alone."""
    run = index.with_name("packed.h5")
    with h5py.File(run, "w") as file:
        frames = np.random.default_rng(1).integers(0, 99, (3, 8, 8))
        packed = file.create_dataset("data", data=frames, chunks=(1, 8, 8), compression="gzip")
        start = packed.id.get_chunk_info(1).byte_offset
    with open(run, "r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 20)
    packed_index = index.with_name("packed_index.h5")
    build_index(run, dataset="data").save(packed_index)
    assert told("check", packed_index, "--headers")[0] == 0
    code, output, _ = told("check", packed_index)
    assert (code, output.count("\n")) == (1, 1)
    assert f"{run}: 1 events cannot be read (rows 1): " in output
    assert told("check", index)[:2] == (1, "2 events are duplicate: 7, 7\n")


def test_check_of_changed_files(told: Told, index: Path) -> None:
    """A file that changed or is gone is told once."""
    run = index.with_name("run.h5")
    os.utime(run, ns=(1, 1))
    assert told("check", index, "--headers")[1].startswith(f"{run} was written to since")
    run.unlink()
    code, output, _ = told("check", index)
    assert (code, output.count(str(run)), "cannot be found" in output) == (1, 1, True)


@pytest.mark.parametrize("command", ["ls", "show", "stats", "check"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help exits with 0 and shows a command to copy."""
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"example: spring-index {command} index.h5" in capsys.readouterr().out
