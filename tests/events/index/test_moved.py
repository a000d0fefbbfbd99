"""After data or an index were moved, what is printed names the new places."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spring_mpi.errors import StaleIndexError
from spring_mpi.events import build_index, load_index
from spring_mpi.events.index.wanted import parse_command


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with data of two events and their index."""
    folder = tmp_path / "old"
    (folder / "raw").mkdir(parents=True)
    np.save(folder / "raw" / "x.npy", np.zeros((2, 4, 4), np.uint8))
    build_index("raw/*.npy", root=folder).save(folder / "i.h5")
    return folder


def remedy(index: Path) -> str:
    with pytest.raises(StaleIndexError) as caught:
        load_index(index).check()
    return str(caught.value).partition("rebuild the index: ")[2]


def run(command: str, folder: Path) -> int:
    words = shlex.split(command)
    assert words[0] == "spring-index"
    line = [sys.executable, "-m", "spring_mpi.cli.index", *words[1:]]
    return subprocess.run(line, cwd=folder, check=False).returncode


@pytest.mark.parametrize("name", ["new", "it's new [1] $x"])
def test_moved_together(name: str, old: Path, tmp_path: Path) -> None:
    """The printed command works as it stands."""
    new = old.rename(tmp_path / name)
    command = remedy(new / "i.h5")
    assert str(old) not in command
    assert run(command, tmp_path) == 0
    load_index(new / "i.h5").check()


def test_an_index_that_lies_deeper(old: Path, tmp_path: Path) -> None:
    (old / "spring").mkdir()
    (old / "i.h5").rename(old / "spring" / "i.h5")
    new = old.rename(tmp_path / "new")
    assert run(remedy(new / "spring" / "i.h5"), tmp_path) == 0


def test_data_that_went_where_nobody_knows(old: Path, tmp_path: Path) -> None:
    (old / "raw").rename(tmp_path / "elsewhere")
    told = remedy(old / "i.h5")
    assert told == (
        f"spring-index build 'raw/*.npy' --root NEW_FOLDER -o {old / 'i.h5'} "
        "(NEW_FOLDER: where the files are now)"
    )


def test_data_that_changed_are_where_they_were(old: Path) -> None:
    os.utime(old / "raw" / "x.npy", ns=(1, 1))
    assert f"--root {old} " in remedy(old / "i.h5")


def test_a_loaded_index_with_another_root_knows_it(old: Path, tmp_path: Path) -> None:
    new = old.rename(tmp_path / "new")
    index = load_index(new / "i.h5", root=new)
    index.check()
    assert f"--root {new}" in index.wanted.command


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("build '/a/b/*.h5' --root /a", "build '/n/b/*.h5' --root /n"),
        ("build '/z/*.h5' --root /a/b", "build '/z/*.h5' --root /n"),
        ("build x.h5 --dataset /a/data --root /a --pid /a/pulse",
         "build x.h5 --dataset /a/data --root /n --pid /a/pulse"),
        ("build exp=x:run=1:dir=/a/q --reader /a/my.py:load --root /a",
         "build exp=x:run=1:dir=/n/q --reader /n/my.py:load --root /n"),
        ("build bl=3:run=1:dir=/a/q --root /a", "build bl=3:run=1:dir=/n/q --root /n"),
    ],
)  # fmt: skip
def test_paths_move_and_names_of_datasets_stay(before: str, after: str) -> None:
    root = "/a/b" if "/a/b " in f"{before} " and "/z" in before else "/a"
    moved = parse_command(f"spring-index {before}", root).moved("/n")
    assert moved.command == f"spring-index {after}"
