"""``spring-index`` over real MPI ranks: the same bytes, words and exit codes for any number."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.campaigns import finish, started

Command = Callable[..., tuple[int, str]]
BUILD = ("build", "run_*.h5", "--dataset", "data", "--pid", "pid")


@pytest.fixture
def command(tmp_path: Path, launcher: list[str]) -> Command:
    """``command(ranks, *arguments)``: exit code and output, in the test's folder."""

    def run(ranks: int, *arguments: str) -> tuple[int, str]:
        words = [sys.executable, "-m", "spring_mpi.cli.index", *arguments]
        return finish(started([*launcher, str(ranks), *words] if ranks > 1 else words, tmp_path))

    return run


def write_run(folder: Path) -> None:
    """Four files of 1 to 70 events, pids in no order, frames that floats do not sum exactly."""
    random = np.random.default_rng(3)
    for number, count in enumerate((5, 70, 1, 63)):
        with h5py.File(folder / f"run_{number}.h5", "w") as file:
            file["data"] = random.lognormal(size=(count, 6, 4)).astype(np.float32)
            file["pid"] = random.permutation(count) * 4 + number


def test_same_bytes_for_any_number_of_ranks(command: Command, tmp_path: Path) -> None:
    """Index, its columns and the images are equal byte by byte with 1, 2 and 3 ranks."""
    write_run(tmp_path)
    files, words = [], []
    for ranks in (1, 2, 3):
        build = (*BUILD, "--fresh", "-o", "run.h5")
        stats = ("stats", "run.h5", "--lit", "1.5", "-o", "images.h5")
        words.append([command(ranks, *build), command(ranks, *stats)])
        files.append([(tmp_path / name).read_bytes() for name in ("run.h5", "images.h5")])
    assert words[0] == [
        (0, "run.h5: 139 events in 4 sources\n"),
        (0, "images.h5: 139 of 139 events; sums and lit pixels in run.h5\n"),
    ]
    assert words == [words[0]] * 3
    assert files == [files[0]] * 3


def test_same_bytes_upon_an_earlier_index(command: Command, tmp_path: Path) -> None:
    """One file changed, one new, one gone: three ranks build what one builds anew."""
    write_run(tmp_path)
    assert command(1, *BUILD, "-o", "run.h5")[0] == 0
    (tmp_path / "run_0.h5").unlink()
    os.utime(tmp_path / "run_1.h5", ns=(1, 1))
    (tmp_path / "run_9.h5").write_bytes((tmp_path / "run_2.h5").read_bytes())
    words = "run.h5: 2 sources as before, 2 scanned, 1 gone; 135 events\n"
    told = words + "2 events share their pid with others\n"
    code, output = command(3, *BUILD, "-o", "run.h5")
    assert (code, sorted(output.splitlines())) == (0, sorted(told.splitlines()))
    assert command(1, *BUILD, "-o", "fresh.h5")[0] == 0
    assert (tmp_path / "run.h5").read_bytes() == (tmp_path / "fresh.h5").read_bytes()


def test_check_finds_the_same(command: Command, tmp_path: Path) -> None:
    """A file that lost its end is told once, with exit code 1, whoever finds it."""
    write_run(tmp_path)
    assert command(1, *BUILD)[0] == 0
    whole = "139 events in 4 sources: all read, no fault found\n"
    assert command(3, "check", "index.h5") == (0, whole)
    path = tmp_path / "run_1.h5"
    size = path.stat().st_size
    os.truncate(path, size - 100)
    code, output = command(3, "check", "index.h5")
    told = f"{path} has {size - 100} bytes, but had {size} when it was indexed\n"
    assert (code, output.count(told), output.count("run_1.h5")) == (1, 1, 1)


def test_faults_end_all_ranks(command: Command, tmp_path: Path) -> None:
    """A file that cannot be scanned is told once, with exit code 2; no index, no rank is left."""
    write_run(tmp_path)
    (tmp_path / "run_2.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    code, output = command(3, *BUILD)
    assert code == 2
    assert output.count("run_2.h5: cannot be read as hdf5") == 1
    assert "Traceback" not in output
    assert not (tmp_path / "index.h5").exists()
