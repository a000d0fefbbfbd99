"""A full disk, for real: the campaign waits, says so, and goes on when there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess

import pytest
from campaigns import assert_same_results, finish, make_campaign


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB of its own; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder):
    """Take all the room there is."""
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(shutil.disk_usage(folder).free or 4096))


def read_until(text, process):
    """The output up to the line that has the text."""
    told = ""
    while text not in told:
        line = process.stdout.readline()
        assert line, told
        told += line
    return told


def test_full_disk(small_disk, tmp_path):
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
def without_room(small_disk, tmp_path):
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


def assert_all_done_once(campaign):
    done = campaign.in_state("done")
    assert len(campaign.results()) == len(done) == len(set(done)) == 40


def test_journal_waits_for_room(without_room, small_disk):
    """Rank 0 says that it waits, and goes on when there is room; every job is done once."""
    (small_disk / "filler").unlink()
    code, output = finish(without_room.process)
    assert code == 0, output
    assert "goes on: there is room again" in output
    assert_all_done_once(without_room)


def test_interrupted_while_the_journal_waits(without_room, small_disk):
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
