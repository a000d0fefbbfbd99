"""The run directory: one holder at a time, stale locks taken over, nothing foreign touched."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.campaigns import Campaign

from spring_mpi.errors import RunDirectoryError
from spring_mpi.rundir.lock import Lock
from spring_mpi.rundir.paths import RunDirectory


@pytest.fixture(autouse=True)
def no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test is part of a scheduler's job."""
    for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "LSB_JOBID", "LSB_JOBINDEX", "LSB_RESTART"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def rundir(tmp_path: Path) -> RunDirectory:
    """A new run directory."""
    rundir = RunDirectory(tmp_path / "run")
    rundir.create()
    return rundir


@pytest.fixture(scope="module")
def dead() -> int:
    """The pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def held_by(rundir: RunDirectory, **changes: Any) -> str:
    """Write a lock of somebody else; its text."""
    rundir.acquire()
    rundir.lock.write_text(json.dumps(Lock(rundir.lock).holder() | changes))
    return rundir.lock.read_text()


def names(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def test_lock_and_release(rundir: RunDirectory) -> None:
    """Who has the lock gives it back; then it is free, and nothing else is left."""
    assert rundir.acquire() is None
    assert Lock(rundir.lock).holder()["pid"] == os.getpid()
    rundir.release()
    assert Lock(rundir.lock).holder() is None
    assert names(rundir.path / "control" / "tmp") == []


def test_living_holder_is_refused(rundir: RunDirectory) -> None:
    """A lock of a living process on this host is respected, and named."""
    rundir.acquire()
    with pytest.raises(RunDirectoryError, match="is in use by process") as refusal:
        rundir.acquire()
    assert str(rundir.lock) in str(refusal.value)


def test_dead_holder_is_replaced(rundir: RunDirectory, dead: int) -> None:
    """A lock of a process that has ended is taken over, and nothing of it is left."""
    held_by(rundir, pid=dead)
    assert rundir.acquire()["pid"] == dead
    assert Lock(rundir.lock).holder()["pid"] == os.getpid()
    assert names(rundir.path / "control" / "tmp") == []


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_recycled_pid(rundir: RunDirectory) -> None:
    """A living process that started at another time is not the holder."""
    held_by(rundir, start=1)
    assert rundir.acquire()["start"] == 1


def test_lock_without_a_start_time(rundir: RunDirectory) -> None:
    """Where the start of the holder is unknown, a living process of its pid is taken for it."""
    held_by(rundir, start=None)
    with pytest.raises(RunDirectoryError, match="is in use by process"):
        rundir.acquire()


def test_holder_before_a_reboot(rundir: RunDirectory) -> None:
    """A pid from before the last boot is somebody else's now."""
    held_by(rundir, boot="another")
    assert rundir.acquire()["boot"] == "another"


def test_holder_on_another_host(rundir: RunDirectory) -> None:
    """What lives on another host cannot be known; the remedy is told."""
    held_by(rundir, host="elsewhere")
    with pytest.raises(RunDirectoryError, match="on elsewhere; if that run is dead, delete") as no:
        rundir.acquire()
    assert str(rundir.lock) in str(no.value)


REQUEUED_ON_SLURM = {"SLURM_JOB_ID": "4711", "SLURM_RESTART_COUNT": "2"}
RESTARTED_BY_LSF = {"LSB_JOBID": "7", "LSB_JOBINDEX": "3", "LSB_RESTART": "Y"}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (REQUEUED_ON_SLURM, {"job": "4711", "restarts": 1}),
        (REQUEUED_ON_SLURM, {"job": "4711", "restarts": 0}),
        (RESTARTED_BY_LSF, {"job": "7[3]", "restarts": 0}),
    ],
)
def test_requeued_job_on_another_node(
    rundir: RunDirectory,
    monkeypatch: pytest.MonkeyPatch,
    ours: dict[str, str],
    theirs: dict[str, str | int],
) -> None:
    """The same scheduler job, started again elsewhere, takes its own lock over."""
    held_by(rundir, host="elsewhere", **theirs)
    monkeypatch.setattr(os, "environ", os.environ | ours)
    assert rundir.acquire()["host"] == "elsewhere"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"SLURM_JOB_ID": "4711"}, {"job": "4711"}),
        (REQUEUED_ON_SLURM, {"job": "4711", "restarts": 2}),
        (REQUEUED_ON_SLURM, {"job": "4712", "restarts": 1}),
        ({"SLURM_RESTART_COUNT": "1"}, {"job": None}),
        (RESTARTED_BY_LSF, {"job": "7[3]", "restarts": 1}),
        (RESTARTED_BY_LSF, {"job": "7[4]", "restarts": 0}),
    ],
)
def test_steps_of_one_allocation(
    rundir: RunDirectory,
    monkeypatch: pytest.MonkeyPatch,
    ours: dict[str, str],
    theirs: dict[str, Any],
) -> None:
    """On another host only an earlier start of our own job is dead for sure."""
    text = held_by(rundir, host="elsewhere", **theirs)
    monkeypatch.setattr(os, "environ", os.environ | ours)
    with pytest.raises(RunDirectoryError, match="is in use by process"):
        rundir.acquire()
    assert rundir.lock.read_text() == text


FOREIGN = [
    "", '{"host": "he', "[]", '{"pid": 1}', '{"host": "a", "pid": "x"}', '{"host": "a", "pid": 0}',
    '{"host": "a", "pid": 1e3}', '{"host": "a", "pid": 99999999999}', '{"host": "a", "pid": true}',
    '{"host": "a", "pid": 1, "restarts": "1"}', "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("text", FOREIGN)
def test_lock_that_names_nobody(rundir: RunDirectory, text: str) -> None:
    """An empty, torn or foreign lock is respected, however old, and the remedy is told."""
    rundir.lock.write_text(text, errors="surrogateescape")
    os.utime(rundir.lock, (0, 0))
    for attempt in (rundir.acquire, rundir.set_aside):
        with pytest.raises(RunDirectoryError, match="if no campaign runs there, delete") as refusal:
            attempt()
        assert str(rundir.lock) in str(refusal.value)
    assert Lock(rundir.lock).holder() == {}
    rundir.release()
    assert rundir.lock.read_text(errors="surrogateescape") == text


def test_a_lock_that_cannot_be_read_is_not_said_to_name_nobody(
    rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever deleted it on that advice could start a second campaign beside a living one."""

    def faulty(path: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    rundir.acquire()
    monkeypatch.setattr(Path, "read_bytes", faulty)
    with pytest.raises(RunDirectoryError, match=r"cannot read the lock .*Input/output error"):
        rundir.acquire()
    assert "cannot read the lock" in Lock(rundir.lock).obstacle()
    assert Lock(rundir.lock).holder() == {}


def test_foreign_lock_is_not_released(rundir: RunDirectory) -> None:
    """Only one's own lock is given back."""
    held_by(rundir, host="elsewhere")
    rundir.release()
    assert Lock(rundir.lock).holder()["host"] == "elsewhere"


KILLED_AT_THE_FIRST_BYTE = """
import pathlib, resource, signal, sys
from spring_mpi.rundir.paths import RunDirectory
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
RunDirectory(pathlib.Path(sys.argv[1])).acquire()
"""


def test_killed_while_locking(rundir: RunDirectory) -> None:
    """A start that is killed while it writes its lock leaves none."""
    killed = subprocess.run([sys.executable, "-c", KILLED_AT_THE_FIRST_BYTE, rundir.path])
    assert killed.returncode == -signal.SIGXFSZ
    assert Lock(rundir.lock).holder() is None
    assert rundir.acquire() is None


@pytest.mark.parametrize("has_links", [True, False])
def test_full_disk(rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    """A lock that cannot be written is told, and is not there."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    is_full = iter([True] if has_links else [False, True])  # so that it hits the lock itself

    def fail(_: object) -> None:
        if next(is_full):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(RunDirectoryError, match=r"cannot write the lock .*: No space left"):
        rundir.acquire()
    assert names(rundir.lock.parent) == ["done", "new", "reply", "tmp"]
    assert names(rundir.lock.parent / "tmp") == []


def test_without_hard_links(
    rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch, dead: int
) -> None:
    """File systems without hard links have locks, too."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    held_by(rundir, pid=dead)
    assert rundir.acquire()["pid"] == dead
    with pytest.raises(RunDirectoryError, match="is in use by process"):
        rundir.acquire()


@pytest.mark.parametrize("has_links", [True, False])
def test_faster_starter_keeps_the_lock(
    rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch, dead: int, has_links: bool
) -> None:
    """Where files cannot be claimed, a new lock that was renamed for the dead one goes back."""
    text = held_by(rundir, pid=dead)
    theirs, rename = text.replace(str(dead), "1"), os.rename

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    def rename_late(source: Any, target: Any) -> None:
        rundir.lock.write_text(theirs)
        rename(source, target)

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(os, "rename", rename_late)
    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(RunDirectoryError, match="another campaign has just taken"):
        rundir.acquire()
    assert rundir.lock.read_text() == theirs


def test_claimed_by_another_starter(rundir: RunDirectory, dead: int) -> None:
    """While one takes a dead lock over, others are refused and leave it to him."""
    text = held_by(rundir, pid=dead)
    with open(rundir.lock, "rb") as claimed:
        fcntl.flock(claimed, fcntl.LOCK_EX)
        with pytest.raises(RunDirectoryError, match="another campaign has just taken"):
            rundir.acquire()
    assert rundir.lock.read_text() == text


def test_claimed_too_late(rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch, dead: int) -> None:
    """Who may claim the lock only when it is another's does not even touch it."""
    theirs = held_by(rundir, pid=dead).replace(str(dead), "1")
    monkeypatch.setattr(fcntl, "flock", lambda *_: rundir.lock.write_text(theirs))
    before = rundir.lock.stat().st_ino
    with pytest.raises(RunDirectoryError, match="another campaign has just taken"):
        rundir.acquire()
    assert rundir.lock.read_text() == theirs
    assert rundir.lock.stat().st_ino == before


STARTER = """
import pathlib, sys, time
from spring_mpi.rundir.paths import RunDirectory
from spring_mpi.errors import RunDirectoryError
rundir = RunDirectory(pathlib.Path(sys.argv[1]))
for line in sys.stdin:
    while time.monotonic() < float(line):
        pass
    try:
        rundir.acquire()
        print("takes it", flush=True)
    except RunDirectoryError:
        print("is refused", flush=True)
"""


def test_race_for_a_dead_lock(rundir: RunDirectory, dead: int) -> None:
    """Of several that start at once over a dead holder's lock, exactly one takes it."""
    text = held_by(rundir, pid=dead)
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", STARTER, rundir.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for _ in range(2)
    ]
    try:
        for _ in range(400):
            rundir.lock.write_text(text)
            begin = time.monotonic() + 0.001  # so that they are at it together
            for starter in starters:
                starter.stdin.write(f"{begin}\n")
            answers = [starter.stdout.readline().strip() for starter in starters]
            assert sorted(answers) == ["is refused", "takes it"]
    finally:
        for starter in starters:
            starter.communicate()


def test_set_aside(rundir: RunDirectory) -> None:
    """--fresh keeps the old run directory under another name; a used one is refused."""
    rundir.journal.write_text("{}")
    aside = rundir.set_aside()
    assert aside.name.startswith("run.")
    assert (aside / "journal.jsonl").read_text() == "{}"
    assert Lock(RunDirectory(aside).lock).holder() is None
    assert names(rundir.path) == []
    rundir.create()
    rundir.acquire()
    with pytest.raises(RunDirectoryError, match="is in use"):
        rundir.set_aside()


def test_set_aside_what_is_not_there(tmp_path: Path) -> None:
    """Nothing, and an empty folder, are kept as they are."""
    assert RunDirectory(tmp_path / "none").set_aside() is None
    assert RunDirectory(tmp_path).set_aside() is None
    assert names(tmp_path.parent).count(tmp_path.name) == 1
    assert names(tmp_path) == []


def test_set_aside_through_a_link(rundir: RunDirectory, tmp_path: Path) -> None:
    """A run directory that is a link: what it leads to is moved, beside itself, the link stays."""
    link = tmp_path / "home" / "run"
    link.parent.mkdir()
    link.symlink_to(rundir.path)
    aside = RunDirectory(link).set_aside()
    assert aside.parent == rundir.path.parent
    RunDirectory(link).create()
    assert link.is_symlink()
    assert "results" in names(rundir.path)


def test_set_aside_fails(rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run directory that cannot be moved is told, and is free again."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(RunDirectoryError, match=r"cannot move .*/run to .*: Device or resource"):
        rundir.set_aside()
    assert Lock(rundir.lock).holder() is None


@pytest.mark.parametrize("attempt", [RunDirectory.set_aside, RunDirectory.create])
def test_what_is_no_run_directory(tmp_path: Path, attempt: Callable[..., Any]) -> None:
    """Other people's folders, files and dangling links are told and left alone."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    before = names(tmp_path)
    for name, message in [
        ("thesis", "holds other files and is no run directory"),
        ("file", "file is a file; choose another output"),
        ("loop", "loop is a link to .*loop, which is not there; make that folder, or delete"),
    ]:
        with pytest.raises(RunDirectoryError, match=message):
            attempt(RunDirectory(tmp_path / name))
    assert names(tmp_path) == before


def test_half_written_files_are_swept(rundir: RunDirectory) -> None:
    """Who takes the lock deletes what a killed one left half written, and nothing else."""
    left = [".config.yaml.7", ".index.h5.7.tmp", ".status.json.7", ".summary.csv.7"]
    other = [".nfs0000000000ab12", ".summary.csv.swp", ".thesis.2024", "summary.csv.7", ".7"]
    for name in left + other:
        (rundir.path / name).touch()
    rundir.acquire()
    folders = ["checkpoints", "control", "results"]
    assert names(rundir.path) == sorted(other + folders)


def test_nothing_is_swept_without_the_lock(rundir: RunDirectory, dead: int) -> None:
    """Who is refused, or only looks, deletes nothing."""
    held_by(rundir, host="elsewhere")
    files = [rundir.path / ".status.json.7", rundir.results / ".a.h5.7"]
    for file in files:
        file.touch()
    with pytest.raises(RunDirectoryError, match="is in use"):
        rundir.acquire()
    assert rundir.results_present() == set()
    assert [file.exists() for file in files] == [True, True]


def test_results_that_cannot_be_listed_are_not_taken_for_missing(
    rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every finished job would be run again."""
    rundir.create()

    def faulty(folder: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))

    monkeypatch.setattr(os, "scandir", faulty)
    with pytest.raises(OSError, match="results"):
        rundir.results_present()


def test_results_present(rundir: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are found with one look into each folder; half-written ones are deleted."""
    for shard in ("0a1", "fff"):
        (rundir.results / shard).mkdir()
        for name in ("1-7.h5", ".1-7.h5.4242", ".1-7.h5.old", ".nfs0123"):
            (rundir.results / shard / name).touch()
    rundir.acquire()
    looks, scandir = [], os.scandir

    def count(folder: Any) -> Any:
        looks.append(os.path.basename(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", count)
    assert rundir.results_present() == {"results/0a1/1-7.h5", "results/fff/1-7.h5"}
    assert sorted(looks) == ["0a1", "fff", "results"]
    monkeypatch.undo()
    assert names(rundir.results / "fff") == [".1-7.h5.old", ".nfs0123", "1-7.h5"]


def test_the_config_of_a_moved_run_directory_does_not_begin_anew(
    small: Callable[..., Campaign], tmp_path: Path
) -> None:
    """The refusal names the new place, and what it says goes on there."""
    campaign = small(events={"slice": "0:1"})
    assert campaign.run()[0] == 0
    moved = campaign.rundir.rename(tmp_path / "moved [1]")

    def told(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "spring_mpi.cli.batch", str(moved / "config.yaml")]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    code, said = told()
    assert (code, told("--check")) == (2, (2, said))
    assert str(campaign.rundir) in said
    option = shlex.split(said.partition("give ")[2])
    assert option == ["--set", f"output={moved}"]
    assert not campaign.rundir.exists()
    code, said = told(*option)
    assert code == 0
    assert "1 of 1 jobs (1 variants of the settings) are done" in said
