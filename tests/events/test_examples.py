"""The example files: eight of them, with the keys, the pids and the sizes that users expect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spring_mpi.events.examples import main, write_examples
from spring_mpi.model.names import pid_text
from spring_mpi.model.pattern import Pattern

NAMES = [f"example_{detector}_{number}.npz" for detector in "AB" for number in range(1, 5)]
KNOWN = {
    "example_A_1.npz": "197-10-14558540587",
    "example_A_2.npz": "250-23-14565026066",
    "example_A_3.npz": "71-1-14546865407",
    "example_A_4.npz": "19-7-14541946795",
    "example_B_1.npz": "190-1769647347",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All examples, written once."""
    target = tmp_path_factory.mktemp("examples") / "data"
    write_examples(target)
    return target


def test_there_are_eight_with_the_known_pids(folder: Path) -> None:
    """Four shots of each detector; pids of A have three numbers, of B two, none twice."""
    pids = {path.name: np.load(path)["pid"].tolist() for path in sorted(folder.iterdir())}
    assert list(pids) == NAMES
    assert [len(pid) for pid in pids.values()] == [3] * 4 + [2] * 4
    assert len(set(map(tuple, pids.values()))) == 8
    assert {name: pid_text(pids[name]) for name in KNOWN} == KNOWN


@pytest.mark.parametrize("name", ["example_A_1.npz", "example_B_3.npz"])
def test_an_example_is_a_pattern(folder: Path, name: str) -> None:
    """The four keys fit `Pattern` as users call it, and the object fits its field of view."""
    with np.load(folder / name) as file:
        assert sorted(file) == ["center", "mask", "pattern", "pid"]
        pattern = Pattern(**file, cropsize=1024, size=256, satvalue=3e4, gain=10.0)
    assert pattern.intensity.shape == (256, 256)
    assert pattern.warnings == ()
    assert max(map(abs, pattern.offset)) <= 1 / 8
    assert 0 < pattern.saturated.sum() < 200
    assert 30 < pattern.object_size < 100


def test_the_command_writes_into_the_folder_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m spring_mpi.events.examples FOLDER` prints the files that it wrote."""
    written = [tmp_path / "a.npz", tmp_path / "b.npz"]
    monkeypatch.setattr("spring_mpi.events.examples.write_examples", lambda folder: written)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == list(map(str, written))


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_is_no_folder(
    below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no folder can be the command exits with 2 and a line that names it."""
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / below)]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert f"cannot write examples into {tmp_path / 'file' / below}: " in captured.err
