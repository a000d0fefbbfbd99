"""Small campaigns that run for real, in processes of their own; shared by the tests."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

_DEADLINE = 90.0
_VARYING = ("command", "seconds", "started", "source", "masks")
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
"""With it Open MPI runs for root, too."""


def started(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """A process in a group of its own, with all that it prints in one pipe."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | AS_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@dataclass
class Campaign:
    """A config file, its run directory, and processes that run it."""

    config: Path
    rundir: Path
    launcher: Sequence[str] = ()
    prefix: Sequence[str] = ()
    """Runs the command that follows it with less than we have, such as ``prlimit``."""
    ranks: int = 1
    """How many a test runs it on."""
    process: subprocess.Popen[str] = field(init=False, repr=False, compare=False)
    """Of the run that a test started and left running."""

    def start(self, *arguments: str, ranks: int = 1) -> subprocess.Popen[str]:
        """``spring-batch`` on the config, in a process group of its own."""
        command = [sys.executable, "-m", "spring_mpi.cli.batch", str(self.config), *arguments]
        if ranks > 1:
            command = [*self.launcher, str(ranks), *command]
        return started([*self.prefix, *command], self.config.parent)

    def run(self, *arguments: str, ranks: int = 1) -> tuple[int, str]:
        """Exit code and output of a run from start to end."""
        return finish(self.start(*arguments, ranks=ranks))

    def journal(self) -> list[dict[str, Any]]:
        """The lines of the journal so far, complete ones only."""
        with contextlib.suppress(FileNotFoundError):
            text = (self.rundir / "journal.jsonl").read_text()
            return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return []

    def summary(self) -> dict[str, dict[str, str]]:
        """Name -> row of ``summary.csv``, which has one of each job."""
        with open(self.rundir / "summary.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        named = {row["name"]: row for row in rows}
        assert len(named) == len(rows), rows
        return named

    def in_state(self, state: str) -> list[str]:
        """Jobs that the journal says entered a state, in order, repeated if they did."""
        return [line["job"] for line in self.journal() if line.get("state") == state]

    def wait_for(self, what: Callable[[], object], process: subprocess.Popen[str]) -> None:
        """Until something is true of the run; a failure after a time-out or an early end."""
        deadline = time.monotonic() + _DEADLINE
        while not what():
            assert process.poll() is None, finish(process)[1]
            assert time.monotonic() < deadline, "timed out"
            time.sleep(0.01)

    def results(self) -> dict[str, int]:
        """Result files by name, with the time of their last change."""
        return {path.name: path.stat().st_mtime_ns for path in self.rundir.glob("results/*.h5")}

    def log(self) -> str:
        """The text of ``rank0.log``."""
        return (self.rundir / "rank0.log").read_text()


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a process that is to end by itself."""
    try:
        output, _ = process.communicate(timeout=_DEADLINE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        pytest.fail(f"still running after {_DEADLINE:g} s:\n{output}")
    return process.returncode, output


def make_campaign(folder: Path, sections: dict[str, Any]) -> Campaign:
    """The config file of a small campaign, with whole sections replaced."""
    config = {
        "name": "small",
        "output": str(folder / "run"),
        "data": {
            "reader": "simulate",
            "source": "events=4:seed=7",
            "mask": {"dataset": "mask", "bad": 1},
        },
        "pattern": {
            "center": [133.5, 137.5], "cropsize": 256, "size": 64, "satvalue": 3.0e4, "gain": 10.0,
        },
        "settings": {
            "global": {"generations": 4, "popsize": 4},
            "init": {"supportsize": 30},
            "IA": {"it": 10},
        },
    }  # fmt: skip
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(config | sections))
    return Campaign(path, folder / "run")


def datasets(path: Path) -> dict[str, Any]:
    """Every dataset of a result file but those that tell when and how it was made."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: (
                found.update({name: item[()]})
                if isinstance(item, h5py.Dataset) and not name.endswith(_VARYING)
                else None
            )
        )
    return found


def assert_same_result(one: Path, other: Path) -> None:
    """Two result files are equal bit by bit."""
    first, second = datasets(one), datasets(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert np.asarray(value).tobytes() == np.asarray(second[name]).tobytes(), name


def assert_same_results(one: Campaign, other: Campaign) -> None:
    """Both campaigns have the same result files, equal bit by bit."""
    assert set(one.results()) == set(other.results()) != set()
    for name in one.results():
        assert_same_result(one.rundir / "results" / name, other.rundir / "results" / name)


def children(pid: int) -> list[int]:
    """Processes whose parent is ``pid``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.joinpath("stat").read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(entry.name))
    return found


def rank_processes(process: subprocess.Popen[str], ranks: int) -> dict[int, int]:
    """Pid of every rank: the process itself, or what its launcher started."""
    if ranks == 1:
        return {0: process.pid}
    found = {}
    for pid in children(process.pid):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"OMPI_COMM_WORLD_RANK="):
                found[int(entry.partition(b"=")[2])] = pid
    return found


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] == "Z"
