"""The run directory: one holder at a time, stale locks taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from spring_mpi.campaign.rundir import RunDirectory
from spring_mpi.errors import RunDirectoryError


@pytest.fixture
def rundir(tmp_path):
    """A new run directory."""
    rundir = RunDirectory(tmp_path / "run")
    rundir.create()
    return rundir


def held_by(rundir, **changes):
    """Write a lock of somebody else."""
    rundir.acquire()
    rundir.lock.write_text(json.dumps(rundir.holder() | changes))


def test_lock_and_release(rundir):
    """Who has the lock gives it back; then it is free."""
    assert rundir.acquire() is None
    assert rundir.holder()["pid"] == os.getpid()
    rundir.release()
    assert rundir.holder() is None


def test_living_holder_is_refused(rundir):
    """A lock of a living process on this host is respected."""
    rundir.acquire()
    with pytest.raises(RunDirectoryError, match="is in use by pid"):
        rundir.acquire()


def test_dead_holder_is_replaced(rundir):
    """A lock of a process that has ended is taken over."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    held_by(rundir, pid=dead.pid)
    assert rundir.acquire()["pid"] == dead.pid
    assert rundir.holder()["pid"] == os.getpid()


def test_holder_before_a_reboot(rundir):
    """A pid from before the last boot is somebody else's now."""
    held_by(rundir, boot="another")
    assert rundir.acquire()["boot"] == "another"


def test_holder_on_another_host(rundir):
    """What lives on another host cannot be known; the remedy is told."""
    held_by(rundir, host="elsewhere")
    with pytest.raises(RunDirectoryError, match="on elsewhere; if that run is dead, delete"):
        rundir.acquire()


def test_requeued_job_on_another_node(rundir, monkeypatch):
    """The same scheduler job, started again elsewhere, takes its own lock over."""
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    held_by(rundir, host="elsewhere")
    assert rundir.acquire()["host"] == "elsewhere"
    rundir.lock.write_text(json.dumps(rundir.holder() | {"host": "elsewhere", "job": "4712"}))
    with pytest.raises(RunDirectoryError, match="is in use"):
        rundir.acquire()


def test_foreign_lock_is_not_released(rundir):
    """Only one's own lock is given back."""
    held_by(rundir, host="elsewhere")
    rundir.release()
    assert rundir.holder()["host"] == "elsewhere"


def test_set_aside(rundir):
    """--fresh keeps the old run directory under another name; a used one is refused."""
    aside = rundir.set_aside()
    assert aside.name.startswith("run.")
    assert not rundir.path.exists()
    assert rundir.set_aside() is None
    rundir.create()
    rundir.acquire()
    with pytest.raises(RunDirectoryError, match="is in use"):
        rundir.set_aside()
