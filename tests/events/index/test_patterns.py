"""Patterns of file names: what is there under the very name wins, brackets and all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from spring_mpi.events import build_index
from spring_mpi.events.index.patterns import matching


def files(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def found(root: Path, pattern: str) -> list[str]:
    return sorted(os.path.relpath(one, root) for one in matching(pattern, str(root)))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("run[1]/*.h5", ["run[1]/a.h5"]),
        ("run[2]/*.h5", ["run2/a.h5"]),
        ("run?/a.h5", ["run1/a.h5", "run2/a.h5"]),
        ("*/b[0]/*.h5", ["run1/b[0]/c.h5"]),
        ("run[1]/a.h5", ["run[1]/a.h5"]),
        ("what*/?.h5", ["what*/a.h5"]),
        ("**/c.h5", ["run1/b[0]/c.h5", "run1/c.h5"]),
        ("run1/**", ["run1/a.h5", "run1/b[0]", "run1/b[0]/c.h5", "run1/c.h5"]),
        ("./run1/../run[2]/a.h5", ["run2/a.h5"]),
        ("none/*.h5", []),
        ("run[1]/none.h5", []),
    ],
)
def test_literal_names_win(pattern: str, names: list[str], tmp_path: Path) -> None:
    files(tmp_path, "run[1]/a.h5", "run1/a.h5", "run1/c.h5", "run1/b[0]/c.h5", "run2/a.h5",
          "what*/a.h5", "whatever/a.h5", ".hidden/c.h5")  # fmt: skip
    assert found(tmp_path, pattern) == names


@pytest.mark.parametrize("name", ["[2024] beam*", "a 'b' \"c\"", "{x}:exp=1", "100%d", "r[!1]?"])
def test_an_index_of_files_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for number in range(2):
        np.save(folder / f"frame{number}.npy", np.zeros((4, 4), np.uint16))
    for text, root in ((f"{folder}/*.npy", "."), ("f*[01].npy", folder)):
        index = build_index(text, root=root)
        assert [Path(one.path).parent for one in index.sources] == [folder, folder]
        assert index.read(index.pid(1)).data.shape == (4, 4)


def test_a_file_that_is_named_like_an_experiment_is_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "exp=cxi:run=3.npy", np.zeros((4, 4), np.uint16))
    assert len(build_index("exp=cxi:run=3.npy", root=tmp_path)) == 1
