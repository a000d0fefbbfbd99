"""A full disk, for real: the campaign waits, says so, and goes on when there is room."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.campaigns import Campaign, assert_same_results, finish, make_campaign


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, left: int = 0) -> None:
    """Take all the room there is but some KB."""
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while (free := shutil.disk_usage(folder).free - left * 1024) > 0:
            file.write(bytes(free))


def read_until(text: str, process: subprocess.Popen[str]) -> str:
    """The output up to the line that has the text."""
    told = ""
    while text not in told:
        line = process.stdout.readline()
        assert line, told
        told += line
    return told


THREE = {
    "data": {
        "reader": "simulate",
        "source": "events=3:seed=7",
        "mask": {"dataset": "mask", "bad": 1},
    },
    "settings": {
        "global": {"generations": 60, "popsize": 8, "stop": "never"},
        "init": {"supportsize": 30},
        "IA": {"it": 10},
    },
}
"""Three jobs of a second, with results and checkpoints of 100 KB and more."""
ROOM = (0, 4, 8, 16, 32, 48, 64, 72, 96, 128, 200, 300)
"""KB that are left: for nothing, for parts of every file, for all of them."""


class Filling:
    """Campaigns of three jobs on a disk that is filled after the first has begun."""

    def __init__(self, disk: Path, folder: Path) -> None:
        self._disk, self._folder = disk, folder
        (folder / "undisturbed").mkdir()
        self._undisturbed = make_campaign(folder / "undisturbed", THREE)
        code, output = self._undisturbed.run()
        assert code == 0, output

    def campaign(self, room: float = 3600.0) -> Campaign:
        """One in a new run directory on the disk."""
        sections = THREE | {"output": str(self._disk / "run"), "workers": {"room": room}}
        campaign = make_campaign(self._folder, sections)
        campaign.rundir = self._disk / "run"
        shutil.rmtree(campaign.rundir, ignore_errors=True)
        return campaign

    def prove(self, left: int, seconds: float) -> str:
        """All are done, none twice, and right, if room comes back after some seconds."""
        campaign = self.campaign()
        process = campaign.start()
        told = read_until(" started on ", process)
        fill(self._disk, left)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        (self._disk / "filler").unlink()
        code, output = finish(process)
        output = f"{left} KB left:\n{told}{output}"
        assert code == 0, output
        for word in ("SIG", "Traceback", "failed", "RuntimeError"):
            assert word not in output, output
        assert len(campaign.in_state("running")) == 3, output
        self.assert_right(campaign, output)
        return output

    def assert_right(self, campaign: Campaign, output: str) -> None:
        """All are done, none twice, equal to those of an undisturbed campaign; nothing is left."""
        done = campaign.in_state("done")
        assert len(done) == len(set(done)) == 3, output
        assert_same_results(campaign, self._undisturbed)
        assert not [path for path in campaign.rundir.rglob(".*") if path.is_file()], output
        assert len((campaign.rundir / "summary.csv").read_text().splitlines()) == 1 + 3, output


@pytest.mark.timeout(300)
def test_some_room(small_disk: Path, tmp_path: Path) -> None:
    """A disk that ends between files, in the middle of a result, and in that of the second."""
    filling = Filling(small_disk, tmp_path)
    assert "waits for room: the disk is full" in filling.prove(0, seconds=3.0)
    for left in (48, 128):
        filling.prove(left, seconds=3.0)


def test_room_that_does_not_come_back(small_disk: Path, tmp_path: Path) -> None:
    """After the time that a write may wait the end is in order, and a rerun goes on from there."""
    filling = Filling(small_disk, tmp_path)
    campaign = filling.campaign(room=1.0)
    process = campaign.start()
    told = read_until(" started on ", process)
    fill(small_disk)
    code, output = finish(process)
    assert code == 3, told + output
    assert "could not be written for 1 s (workers.room)" in output
    assert "No space left on device" in output
    assert "SIG" not in output
    (small_disk / "filler").unlink()
    code, output = campaign.run()
    assert code == 0, output
    filling.assert_right(campaign, output)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_any_room(small_disk: Path, tmp_path: Path) -> None:
    """Whatever the amount of room that is left."""
    filling = Filling(small_disk, tmp_path)
    for left in ROOM:
        output = filling.prove(left, seconds=10.0)
        waits = [line for line in output.splitlines() if "waits for room" in line]
        refused = output.count("cannot write its checkpoint")
        print(f"{left} KB: {len(waits)} waits, {refused} checkpoints left out")


def test_no_room_before_the_start(small_disk: Path, tmp_path: Path) -> None:
    """Before the first job nobody waits: exit 2 with file and reason; with room it runs."""
    campaign = make_campaign(tmp_path, THREE | {"output": str(small_disk / "run")})
    campaign.rundir = small_disk / "run"
    for left in (0, 4, 16):
        fill(small_disk, left)
        code, output = campaign.run()
        assert code == 2, output
        assert os.strerror(errno.ENOSPC) in output
        assert str(small_disk) in output
        assert "Traceback" not in output
        (small_disk / "filler").unlink()
    code, output = campaign.run()
    assert code == 0, output
    assert len(campaign.results()) == 3


def test_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """Results, journal and log wait for room; in the end nothing is missing or different."""
    campaign = make_campaign(tmp_path, {"output": str(small_disk / "run")})
    campaign.rundir = small_disk / "run"
    assert campaign.run("--set", "events.slice=0:1")[0] == 0
    process = campaign.start()
    campaign.wait_for(lambda: len(campaign.in_state("running")) > 1, process)
    fill(small_disk)
    told = read_until("the disk is full", process)
    (small_disk / "filler").unlink()
    code, output = finish(process)
    assert code == 0, told + output
    assert "goes on: there is room again" in output
    assert len(campaign.in_state("done")) == 4
    (tmp_path / "undisturbed").mkdir()
    undisturbed = make_campaign(tmp_path / "undisturbed", {})
    assert undisturbed.run()[0] == 0
    assert_same_results(campaign, undisturbed)


@pytest.fixture
def without_room(small_disk: Path, tmp_path: Path) -> Campaign:
    """Forty short jobs whose journal finds no room any more, though their results do."""
    over = {"SW.threshold": [round(0.05 + 0.01 * number, 2) for number in range(10)]}
    campaign = make_campaign(tmp_path, {"output": str(small_disk / "run"), "sweep": {"over": over}})
    campaign.rundir = small_disk / "run"
    assert campaign.run("--set", "events.slice=0:1")[0] == 0
    shutil.move(campaign.rundir / "results", tmp_path / "results")
    (campaign.rundir / "results").symlink_to(tmp_path / "results")
    campaign.process = campaign.start()
    campaign.wait_for(lambda: len(campaign.in_state("done")) > 10, campaign.process)
    fill(small_disk)
    told = read_until("waits for room: the disk is full", campaign.process)
    assert "The campaign" in told.splitlines()[-1]
    return campaign


def assert_all_done_once(campaign: Campaign) -> None:
    done = campaign.in_state("done")
    assert len(campaign.results()) == len(done) == len(set(done)) == 40


def test_journal_waits_for_room(without_room: Campaign, small_disk: Path) -> None:
    """Rank 0 says that it waits, and goes on when there is room; every job is done once."""
    (small_disk / "filler").unlink()
    code, output = finish(without_room.process)
    assert code == 0, output
    assert "goes on: there is room again" in output
    assert_all_done_once(without_room)


def test_interrupted_while_the_journal_waits(without_room: Campaign, small_disk: Path) -> None:
    """The end is in order, with exit 3; with room again, a rerun loses and repeats nothing."""
    without_room.process.send_signal(signal.SIGUSR1)
    code, output = finish(without_room.process)
    assert code == 3, output
    assert "Interrupted by SIGUSR1; run again to resume" in output
    assert "Traceback" not in output
    before = without_room.results()
    (small_disk / "filler").unlink()
    code, output = without_room.run()
    assert code == 0, output
    assert before.items() <= without_room.results().items()
    assert_all_done_once(without_room)
