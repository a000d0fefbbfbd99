"""A full disk, for real: the campaign waits, says so, and goes on when there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
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


def test_full_disk(small_disk, tmp_path):
    """Results, journal and log wait for room; in the end nothing is missing or different."""
    campaign = make_campaign(tmp_path, {"output": str(small_disk / "run")})
    campaign.rundir = small_disk / "run"
    assert campaign.run("--set", "events.slice=0:1")[0] == 0
    process = campaign.start()
    campaign.wait_for(lambda: len(campaign.in_state("running")) > 1, process)
    fill(small_disk)
    told = ""
    while "the disk is full" not in told:
        line = process.stdout.readline()
        assert line, told
        told += line
    (small_disk / "filler").unlink()
    code, output = finish(process)
    assert code == 0, told + output
    assert "goes on: there is room again" in output
    assert len(campaign.in_state("done")) == 4
    (tmp_path / "undisturbed").mkdir()
    undisturbed = make_campaign(tmp_path / "undisturbed", {})
    assert undisturbed.run()[0] == 0
    assert_same_results(campaign, undisturbed)
