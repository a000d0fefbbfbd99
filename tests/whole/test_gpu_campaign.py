"""Campaigns on GPUs: real children, a stand-in for CuPy, and a program called ``nvidia-smi``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from helpers.campaigns import Campaign

_TESTS = Path(__file__).parents[1]


@pytest.fixture
def gpu(
    tool: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """One GPU in this machine, as far as processes that start from here can tell."""
    tool("g++")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '3, GPU-aa11, NVIDIA Fake 1, 7, 10, 24576'\n")
    program.chmod(0o755)
    paths = [str(_TESTS / "helpers" / "fakegpu"), str(_TESTS), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SPRING_FAKE_FOLDER", str(tmp_path))
    return monkeypatch


def test_campaign_on_a_gpu(gpu: pytest.MonkeyPatch, small: Callable[..., Campaign]) -> None:
    """Jobs run on it, the log and the results name it."""
    campaign = small(workers={"device": "cuda"}, events={"slice": "0:2"})
    code, output = campaign.run()
    assert code == 0, output
    assert "Selected GPUs:" in output
    assert "- NVIDIA Fake 1 on " in output
    assert "(Id: 3, load: 7%)" in output
    for result in campaign.rundir.glob("results/*.h5"):
        with h5py.File(result) as file:
            assert file["/entry_1/process_1/backend"].asstr()[()] == "cupy"
            assert file["/entry_1/process_1/device"].asstr()[()] == "NVIDIA Fake 1"


def two_gpus(tmp_path: Path) -> None:
    """A second GPU in this machine."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.write_text(program.read_text() + "echo '5, GPU-bb22, NVIDIA Fake 2, 1, 10, 24576'\n")


def test_workers_spread_over_gpus(
    gpu: pytest.MonkeyPatch, small_mpi: Callable[..., Campaign], tmp_path: Path
) -> None:
    """The least loaded first, each child sees its own alone; alike over MPI and without."""
    two_gpus(tmp_path)
    for ranks, options in ((1, ("--workers", "2")), (3, ())):
        campaign = small_mpi(workers={"device": "cuda"}, events={"slice": "0:2"})
        code, output = campaign.run("--fresh", *options, ranks=ranks)
        assert code == 0, output
        log = campaign.log()
        assert "GPU 5, NVIDIA Fake 2, GPU-bb22" in log.partition("worker 1 on")[2].splitlines()[0]
        assert "GPU 3, NVIDIA Fake 1, GPU-aa11" in log.partition("worker 2 on")[2].splitlines()[0]
        assert "(Id: 3, load: 7%)" in output
        assert "(Id: 5, load: 1%)" in output


def test_more_workers_than_gpus(gpu: pytest.MonkeyPatch, small: Callable[..., Campaign]) -> None:
    """They are refused, unless the config lets them share."""
    campaign = small(workers={"device": "cuda"}, events={"slice": "0:2"})
    code, output = campaign.run("--workers", "2")
    assert code == 2
    assert "2 workers on " in output
    assert "are too many for 1 GPU (workers.per_device: 1)" in output
    code, output = campaign.run("--workers", "2", "--set", "workers.per_device=2")
    assert code == 0, output
    assert len(campaign.results()) == 2


def test_a_broken_device_costs_one_child(
    gpu: pytest.MonkeyPatch, small: Callable[..., Campaign], tmp_path: Path
) -> None:
    """The job is lost with its reason, a new child does it, and the rank lives on."""
    sentinel = tmp_path / "break"
    sentinel.touch()
    gpu.setenv("SPRING_FAKE_BROKEN", str(sentinel))
    campaign = small(workers={"device": "auto"}, events={"slice": "0:2"})
    code, output = campaign.run()
    assert code == 0, output
    assert "illegal memory access" in campaign.log()
    attempts = [line["attempt"] for line in campaign.journal() if line.get("state") == "done"]
    assert sorted(attempts) == [1, 2]


def test_no_gpu_is_said(small: Callable[..., Campaign]) -> None:
    """Where CUDA does not work, a campaign that demands it ends with the reason."""
    campaign = small(workers={"device": "cuda"})
    code, output = campaign.run()
    assert code == 2
    assert "CuPy cannot be imported" in output or "CUDA cannot be used" in output
    assert "Traceback" not in output
