"""Benchmarks of queue and hypervisor: they run, and their figures are complete and possible."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def figures(name: str, folder: Path, *options: str) -> dict[str, float]:
    """What a benchmark writes."""
    file = folder / "figures.json"
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--json", str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = json.loads(file.read_text())
    assert {"processor", "cores", "load"} <= set(written["machine"])
    for label, value in written["figures"].items():
        assert math.isfinite(value), label
        assert value >= 0, label
        assert label in done.stdout
    return written["figures"]


def test_queue(tmp_path: Path) -> None:
    """Every operation takes some time."""
    found = figures("job_queue", tmp_path, "--jobs", "70000", "--rounds", "1")
    assert len(found) == 6
    assert min(found.values()) > 0


def test_simulated_workers(tmp_path: Path) -> None:
    """Workers cannot do more than all of their time allows."""
    found = figures("hypervisor", tmp_path, "--workers", "8", "--jobs", "80")
    assert 0.5 < found["efficiency"] <= 1.1
    assert 1 <= found["commits"] <= 2 * 80


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("answers", 7),
        pytest.param("pace", 2, marks=pytest.mark.long),
        pytest.param("follow", 3, marks=pytest.mark.long),
    ],
)
def test_pace(tmp_path: Path, part: str, count: int) -> None:
    """Every part gives all its figures; a share is one."""
    size = ("--hits", "4", "--rounds", "1", "--every", "0.2")
    found = figures("pace", tmp_path, *size, "--only", part)
    assert len(found) == count
    assert all(value <= 1 for label, value in found.items() if label.startswith("share"))


@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("throughput", 2),
        ("idle", 3),
        pytest.param("children", 2, marks=pytest.mark.long),
        pytest.param("steering", 12, marks=pytest.mark.long),
    ],
)
def test_ranks(tmp_path: Path, launcher: list[str], part: str, count: int) -> None:
    """Every part gives all its figures; the median lies between the best and the worst."""
    size = ("--workers", "2", "--jobs", "20", "--rounds", "1", "--seconds", "0.1")
    found = figures("ranks", tmp_path, *size, "--only", part)
    assert len(found) == count
    for label in found:
        kind, _, statistic = label.rpartition(", ")
        if statistic == "worst":
            assert found[label] >= found[f"{kind}, median"] >= found[f"{kind}, best"] > 0
