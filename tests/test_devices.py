"""Which GPUs there are, which are visible, and which of them a job gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spring_mpi.devices import Gpu, gpus, select, visible
from spring_mpi.errors import LaunchError

ROWS = [
    ["0", "GPU-aa11", "NVIDIA H200", "80", "1000", "143771"],
    ["1", "GPU-bb22", "NVIDIA H200", "0", "71885", "143771"],
    ["2", "GPU-bc33", "NVIDIA A100-SXM4-80GB", "0", "0", "81920"],
    ["3", "GPU-cc44", "NVIDIA GB10", "[N/A]", "[N/A]", "[N/A]"],
]


def ids(found: list[Gpu]) -> list[int]:
    return [gpu.id for gpu in found]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("2,0", [2, 0]),
        ("GPU-bc,1", [2, 1]),
        ("1, 7, 2", [1]),
        ("", []),
        ("-1", []),
    ],
)
def test_visible_devices(tokens: str | None, expected: list[int]) -> None:
    environment = {} if tokens is None else {"CUDA_VISIBLE_DEVICES": tokens}
    found = visible(ROWS, environment)
    assert ids(found) == expected
    assert [gpu.ordinal for gpu in found] == list(range(len(found)))


def test_load_is_that_of_processor_or_memory() -> None:
    assert [round(gpu.load, 2) for gpu in visible(ROWS, {})] == [0.8, 0.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (1, [2]),
        (2, [2, 3]),
        (3, [2, 3, 1]),
        (0, [2, 3, 1, 0]),
        (-1, [2, 3, 1, 0]),
        ((3, 0), [3, 0]),
    ],
)
def test_selection(wanted: int | tuple[int, ...], expected: list[int]) -> None:
    assert ids(select(wanted, visible(ROWS, {}))) == expected


@pytest.mark.parametrize(
    ("wanted", "text"),
    [(5, "5 GPUs are asked for, here are 4"), ((0, 9), "no GPU 9; 4 are visible")],
)
def test_impossible_selections(wanted: int | tuple[int, ...], text: str) -> None:
    with pytest.raises(LaunchError, match=text):
        select(wanted, visible(ROWS, {}))


def test_a_list_counts_the_visible() -> None:
    """The default, GPU 0, is the first that a scheduler leaves visible."""
    assert ids(select((0,), visible(ROWS, {"CUDA_VISIBLE_DEVICES": "2,1"}))) == [2]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ``nvidia-smi`` at the head of the path."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-aa11, NVIDIA GeForce RTX 3090, 7, 10, 24576'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


def test_nvidia_smi_is_read(smi: Path) -> None:
    assert gpus({}) == [Gpu(0, 0, "GPU-aa11", "NVIDIA GeForce RTX 3090", 0.07)]


def test_a_failing_nvidia_smi_is_told(smi: Path) -> None:
    smi.write_text("#!/bin/sh\nexit 9\n")
    with pytest.raises(LaunchError, match=r"nvidia-smi does not work here.*exit status 9"):
        gpus({})


def test_no_driver_no_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus({}) == []
