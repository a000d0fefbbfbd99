"""Events that crash, kill or exhaust their child, and event files that go bad while it runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.campaigns import Campaign, finish
from numpy.typing import NDArray
from whole.test_faults import SLOW

from spring_mpi.events.formats.simulated.reader import SimulateReader

LOADER = """
import ctypes, os, resource, signal, sys, time
from pathlib import Path
import numpy as np

def nothing(path):
    return np.load(path)

def kill(path):
    os.kill(os.getpid(), signal.SIGKILL)

def crash(path):
    ctypes.string_at(0)

def fail(path):
    return 1 / 0

def exhaust(path):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (used + 150 * 2**20, hard))
    return np.ones((5000, 5000), np.uint8)

def wait(path):
    while not Path(path).with_name("gate").exists():
        time.sleep(0.01)
    return np.load(path)

def load_data(path):
    number, _, what = Path(path).stem.partition("_")
    # Rank 0 asks for every pid; the faults are for the children.
    is_child = sys.argv[0].endswith("child.py")
    frame = globals()[what](path) if is_child else np.load(path)
    return {"pattern": frame, "pid": int(number)}
"""


@pytest.fixture
def frame() -> NDArray[Any]:
    """One shot."""
    return SimulateReader().open("events=4:seed=7").event("", 0).data


@pytest.fixture
def shots(
    small: Callable[..., Campaign], tmp_path: Path, frame: NDArray[Any]
) -> Callable[..., Campaign]:
    """``shots(*what)``: a campaign of one file for each event; a function says how it is read."""

    def make(*what: str, **sections: Any) -> Campaign:
        (tmp_path / "my_loader.py").write_text(LOADER)
        for number, function in enumerate(what):
            np.save(tmp_path / f"{number}_{function}.npy", frame)
        return small(data={"source": "*.npy", "reader": "my_loader.py:load_data"}, **sections)

    return make


def attempts(campaign: Campaign, job: str) -> int:
    return campaign.in_state("running").count(job)


def failures(campaign: Campaign) -> dict[str, str]:
    """Job -> reason, by the last word of the journal."""
    last = {line["job"]: line for line in campaign.journal() if "job" in line}
    return {job: line["reason"] for job, line in last.items() if line["state"] == "failed"}


def test_events_that_harm_their_child(shots: Callable[..., Campaign]) -> None:
    """Each fails with its reason: at once where it was raised, else after the retries; only it."""
    campaign = shots(
        "nothing", "kill", "crash", "fail", "exhaust", "nothing", workers={"retries": 1}
    )
    code, output = campaign.run()
    assert code == 1, output
    assert sorted(campaign.results()) == ["0.h5", "5.h5"]
    reasons = failures(campaign)
    assert reasons["1"].startswith("given up after 2 attempts: its child was killed by SIGKILL")
    assert reasons["2"] == "given up after 2 attempts: its child was killed by SIGSEGV"
    assert "raised ZeroDivisionError: division by zero" in reasons["3"]
    assert reasons["4"].startswith("out of memory: Unable to allocate ")
    assert [attempts(campaign, job) for job in "012345"] == [1, 2, 2, 1, 1, 1]
    assert "Traceback" not in campaign.log()
    for job, reason in reasons.items():
        assert f"{job} failed on worker 1" in campaign.log()
        assert reason in campaign.log()
    rows = campaign.summary()
    assert {job: row["reason"] for job, row in rows.items() if row["state"] == "failed"} == reasons
    assert rows["1"]["file"] == rows["1"]["error"] == ""


def without_privileges(campaign: Campaign) -> Campaign:
    """Even root cannot read everything then; for others nothing changes."""
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root reads everything where there is no setpriv")
        campaign.prefix = [setpriv, "--bounding-set", "-dac_override,-dac_read_search"]
    return campaign


def test_event_files_that_go_bad(shots: Callable[..., Campaign], tmp_path: Path) -> None:
    """Events whose files can no longer be read fail with name and reason; restored, they are done.

    The files are truncated, replaced, removed and made unreadable while the first job runs.
    """
    campaign = without_privileges(shots("wait", *["nothing"] * 5))
    truncated, replaced, removed, unreadable = (tmp_path / f"{n}_nothing.npy" for n in (1, 2, 3, 4))
    process = campaign.start()
    campaign.wait_for(lambda: campaign.in_state("running"), process)
    (tmp_path / "good").mkdir()
    for path in (truncated, replaced, removed):
        shutil.copy2(path, tmp_path / "good")
    os.truncate(truncated, 1000)
    np.save(tmp_path / "other", np.load(replaced) + 1)
    os.replace(tmp_path / "other.npy", replaced)
    removed.unlink()
    unreadable.chmod(0)
    (tmp_path / "gate").touch()
    code, output = finish(process)
    assert code == 1, output
    assert sorted(campaign.results()) == ["0.h5", "5.h5"]
    reasons = failures(campaign)
    assert f"{truncated} has 1000 bytes, but had " in reasons["1"]
    assert f"{replaced} was written to since it was indexed" in reasons["2"]
    assert f"{removed} cannot be found any more (No such file or directory)" in reasons["3"]
    assert f"{unreadable}: " in reasons["4"]
    assert "Permission denied" in reasons["4"]
    assert "Traceback" not in output

    unreadable.chmod(0o600)
    for path in (tmp_path / "good").iterdir():
        shutil.copy2(path, tmp_path)
    before = campaign.results()
    code, output = campaign.run()
    assert code == 0, output
    assert "4 failed jobs are tried again" in output
    assert len(campaign.results()) == 6
    assert before.items() <= campaign.results().items()


def test_mapped_file_that_is_cut(
    small: Callable[..., Campaign], tmp_path: Path, frame: NDArray[Any]
) -> None:
    """A file that is cut while a child has it mapped costs that child, and the event beyond."""
    path = tmp_path / "shots.npy"
    np.save(path, np.stack([frame] * 2))
    whole, then = path.read_bytes(), path.stat()
    workers = {"checkpoint": 1, "retries": 1}
    campaign = small(**SLOW, data={"source": "shots.npy"}, workers=workers)
    process = campaign.start()
    campaign.wait_for(lambda: any(campaign.rundir.glob("checkpoints/[!.]*.npz")), process)
    os.truncate(path, len(whole) // 2)
    code, output = finish(process)
    assert code == 1, output
    assert campaign.in_state("done") == ["0-0"]
    assert "its child was killed by SIGBUS; it is tried again" in output
    (reason,) = failures(campaign).values()
    assert f"{path} has {len(whole) // 2} bytes, but had {len(whole)}" in reason

    path.write_bytes(whole)
    os.utime(path, ns=(then.st_atime_ns, then.st_mtime_ns))
    code, output = campaign.run()
    assert code == 0, output
    assert len(campaign.results()) == 2
