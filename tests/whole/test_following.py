"""Follow mode: a run that is still written becomes results, each event once, whatever happens."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.campaigns import Campaign, finish, rank_processes
from helpers.writers import Writer, frame, write_shot

from spring_mpi.campaign import following
from spring_mpi.cli.batch import main
from spring_mpi.errors import SourceError

DATA = {
    "source": ["run.h5", "shot_*.npz"],
    "dataset": "pattern",
    "pid": "pid_1",
    "follow": 0.1,
}
QUICK = {
    "global": {"generations": 2, "popsize": 4},
    "init": {"supportsize": 30},
    "IA": {"it": 10},
}
SWEEP = {"tag": "s:{init.supportsize}", "over": {"init.supportsize": [24, 30]}}


def ctl(campaign: Campaign, *arguments: str) -> tuple[int, str]:
    """Exit code and output of ``spring-ctl``."""
    command = [sys.executable, "-m", "spring_mpi.cli.ctl", str(campaign.rundir), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def followed(
    small_mpi: Callable[..., Campaign], tmp_path: Path
) -> Iterator[Callable[..., Campaign]]:
    """``followed(ranks, **sections)``: a campaign of a run that does not exist yet, serving."""
    living = []

    def start(ranks: int = 1, **sections: Any) -> Campaign:
        campaign = small_mpi(**{"data": DATA, "settings": QUICK} | sections)
        campaign.process = campaign.start("--serve", ranks=ranks)
        living.append(campaign)
        return campaign

    yield start
    for campaign in living:
        if campaign.process.poll() is None:
            os.killpg(campaign.process.pid, signal.SIGKILL)
        campaign.process.communicate()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A process that writes ``run.h5``."""
    with Writer(tmp_path / "run.h5") as writer:
        yield writer


def wait_until_done(campaign: Campaign, names: Iterable[str]) -> None:
    """Until the journal says that these jobs, and no others, are done; each of them once."""
    campaign.wait_for(lambda: set(names) <= set(campaign.in_state("done")), campaign.process)
    assert Counter(campaign.in_state("done")) == Counter(names)
    assert set(campaign.results()) == {f"{name.replace(':', '_')}.h5" for name in names}


def drained(campaign: Campaign) -> tuple[int, str]:
    """Exit code and output of a campaign that is told to end."""
    assert ctl(campaign, "drain")[0] == 0
    return finish(campaign.process)


@pytest.mark.parametrize("ranks", [1, 3])
def test_every_event_once(
    followed: Callable[..., Campaign], writer: Writer, tmp_path: Path, ranks: int
) -> None:
    """Events of a growing file and new files become jobs with every variant, each done once."""
    campaign = followed(ranks, sweep=SWEEP)
    for pid in (1, 3):
        writer.do("add", pid)
        write_shot(tmp_path, pid + 1)
    names = [f"{pid}-s:{size}" for pid in (1, 2, 3, 4) for size in (24, 30)]
    wait_until_done(campaign, names)
    writer.do("add", 5)
    wait_until_done(campaign, [*names, "5-s:24", "5-s:30"])
    code, output = drained(campaign)
    assert code == 0, output
    assert "1 new events (5 in all): 2 new jobs" in output
    # The run is over: without --serve there is nothing left to do.
    before = campaign.results()
    code, output = campaign.run("--set", "data.follow=null")
    assert (code, campaign.results()) == (0, before), output


def test_a_torn_record_is_no_job(followed: Callable[..., Campaign], writer: Writer) -> None:
    """A pid without its frame is no event; it becomes one with the frame."""
    campaign = followed()
    writer.do("add_pid", 1)
    writer.do("add_frame", 1)
    writer.do("add_pid", 2)
    wait_until_done(campaign, ["1"])
    code, told = ctl(campaign, "info")
    assert code == 0
    assert re.fullmatch(r"Idle\.\nEmpty queue\.\nResults: 1 (good|doubtful|bad)\.\n", told)
    writer.do("add_frame", 2)
    wait_until_done(campaign, ["1", "2"])
    assert drained(campaign)[0] == 0


@pytest.mark.parametrize("ranks", [1, 3])
def test_rank0_dies(
    followed: Callable[..., Campaign], writer: Writer, tmp_path: Path, ranks: int
) -> None:
    """After kill -9 of rank 0 in mid run nothing is lost, and nothing done twice."""
    campaign = followed(ranks)
    for pid in range(1, 5):
        writer.do("add", pid)
    campaign.wait_for(lambda: campaign.in_state("done"), campaign.process)
    os.kill(rank_processes(campaign.process, ranks)[0], signal.SIGKILL)
    finish(campaign.process)
    writer.do("add", 5)
    write_shot(tmp_path, 6)
    campaign.process = campaign.start("--serve", ranks=ranks)
    writer.do("add", 7)
    wait_until_done(campaign, [str(pid) for pid in range(1, 8)])
    assert drained(campaign)[0] == 0


def test_names_stay(followed: Callable[..., Campaign], tmp_path: Path) -> None:
    """Events without a pid keep the numbers of their arrival, also after kill -9."""

    def arrive(name: str) -> None:
        np.save(tmp_path / f"{name}.npy", frame(1))

    campaign = followed(data={"source": "*.npy", "follow": 0.1})
    arrive("second")
    wait_until_done(campaign, ["0-0"])
    arrive("first")
    wait_until_done(campaign, ["0-0", "0-1"])
    os.kill(campaign.process.pid, signal.SIGKILL)
    finish(campaign.process)
    arrive("a")
    campaign.process = campaign.start("--serve")
    wait_until_done(campaign, ["0-0", "0-1", "0-2"])
    assert drained(campaign)[0] == 0


def test_only_what_is_asked_for(
    followed: Callable[..., Campaign], writer: Writer, tmp_path: Path
) -> None:
    """A list of events may name some that are to come, and may itself become longer."""
    hits = tmp_path / "hits.txt"
    hits.write_text("2\n")
    campaign = followed(events={"list": "hits.txt"})
    for pid in (1, 2, 3):
        writer.do("add", pid)
    wait_until_done(campaign, ["2"])
    hits.write_text("2\n3\n4\n")
    wait_until_done(campaign, ["2", "3"])
    writer.do("add", 4)
    wait_until_done(campaign, ["2", "3", "4"])
    assert drained(campaign)[0] == 0


def test_duplicates_are_told_and_left_out(
    followed: Callable[..., Campaign], writer: Writer, tmp_path: Path
) -> None:
    """A pid that comes twice is one line in the log, not the end."""
    campaign = followed()
    writer.do("add", 1)
    wait_until_done(campaign, ["1"])
    path = write_shot(tmp_path, 1)
    line = f"{path}: 1 events have pids that others have; they are left out"
    campaign.wait_for(lambda: line in campaign.log(), campaign.process)
    writer.do("add", 2)
    wait_until_done(campaign, ["1", "2"])
    code, output = drained(campaign)
    assert (code, output.count(line)) == (0, 1)


def test_a_campaign_that_becomes_followed(
    followed: Callable[..., Campaign],
    writer: Writer,
    tmp_path: Path,
    small_mpi: Callable[..., Campaign],
) -> None:
    """What was done of the run before it was followed stays done, also in a file that grew."""
    for pid in (1, 2):
        writer.do("add", pid)
    write_shot(tmp_path, 3)
    campaign = small_mpi(data=DATA, settings=QUICK)
    code, output = campaign.run("--set", "data.follow=null", "--set", "events.pids=[[1],[3]]")
    assert code == 0, output
    writer.do("add", 4)
    campaign = followed()
    wait_until_done(campaign, ["1", "2", "3", "4"])
    assert drained(campaign)[0] == 0
    assert len(campaign.in_state("running")) == 4


LOADER = """
import pathlib, time
import numpy as np

def load(path):
    folder = pathlib.Path(path).parent
    if "_2." in path:
        (folder / "blocked").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    with np.load(path) as held:
        return {"pattern": held["pattern"], "pid": held["pid_1"]}
"""


@pytest.mark.parametrize("kind", [OSError, SourceError])
def test_an_index_that_cannot_be_saved_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[Any]
) -> None:
    """It is told once; its events are nobody's until it is on the disk."""
    faults = [kind(errno.ENOSPC, os.strerror(errno.ENOSPC))] * 2

    def save(path: Path) -> None:
        if faults:
            raise faults.pop()

    old, new = SimpleNamespace(), SimpleNamespace(save=save)
    events = SimpleNamespace(list=None)
    plan: Any = SimpleNamespace(config=SimpleNamespace(events=events), index=old, positions=[])
    follower: Any = SimpleNamespace(index=new, look=list)
    monkeypatch.setattr(following, "grown", lambda *_: [7])
    search = following.EventSearch(follower, plan, tmp_path / "index.h5", may_save=lambda: True)
    first, second, third = search.look(), search.look(), search.look()
    (remark,) = first.remarks
    assert "No space left on device; it is tried again" in remark
    assert (second.remarks, third.remarks) == ((), ())
    assert (first.index, first.positions) == (second.index, second.positions) == (old, [])
    assert (third.index, third.positions) == (new, [7])


def test_rank0_answers_while_a_look_lasts(
    followed: Callable[..., Campaign], tmp_path: Path
) -> None:
    """A look that waits for a file keeps nobody else waiting."""
    (tmp_path / "loader.py").write_text(LOADER)
    campaign = followed(data={"source": "s_*.npz", "reader": "loader.py:load", "follow": 0.1})
    write_shot(tmp_path, 1).rename(tmp_path / "s_1.npz")
    wait_until_done(campaign, ["1"])
    write_shot(tmp_path, 2).rename(tmp_path / "s_2.npz")
    campaign.wait_for((tmp_path / "blocked").exists, campaign.process)
    code, told = ctl(campaign, "info")
    assert code == 0
    assert re.fullmatch(r"Idle\.\nEmpty queue\.\nResults: 1 (good|doubtful|bad)\.\n", told)
    (tmp_path / "go").touch()
    wait_until_done(campaign, ["1", "2"])
    assert drained(campaign)[0] == 0


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"events": {"slice": "0:3"}}, "events.slice: positions change while the data grow"),
        ({"data": DATA | {"index": "i.h5"}}, "data.index: leave it out with data.follow"),
        ({"data": DATA | {"follow": 0}}, "data.follow: must be >0"),
    ],
)
def test_what_cannot_be_followed(
    small: Callable[..., Campaign],
    capsys: pytest.CaptureFixture[str],
    sections: dict[str, dict[str, Any]],
    message: str,
) -> None:
    """Positions and an index of one's own do not go with growing data, and are refused."""
    campaign = small(**{"data": DATA} | sections)
    for argument in ("--serve", "--check"):
        assert main([str(campaign.config), argument, "--transport", "local"]) == 2
        assert message in capsys.readouterr().err


def test_check_of_a_run_that_has_not_begun(
    small: Callable[..., Campaign], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """--check has no fault to find, and tells what is not there yet."""
    campaign = small(data=DATA, settings=QUICK)
    assert main([str(campaign.config), "--check", "--transport", "local"]) == 0
    assert f"note: no file matches '{tmp_path}/run.h5'" in capsys.readouterr().out
