"""The plan: names, order, selection and fingerprints of jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from spring_mpi.campaign.plan import Plan
from spring_mpi.campaign.selection import select
from spring_mpi.config.event_choice import EventSelection
from spring_mpi.config.sections import Config
from spring_mpi.errors import ConfigError, UnknownPidError
from spring_mpi.events import build_index
from spring_mpi.events.index.event_index import EventIndex

TEXT = """
name: c
data: {reader: simulate, source: "events=6:seed=1"}
pattern: {cropsize: 256, size: 64}
"""


@pytest.fixture
def index() -> EventIndex:
    """Six simulated events."""
    return build_index("events=6:seed=1", reader="simulate")


@pytest.fixture
def plan(load: Callable[..., Config], index: EventIndex) -> Callable[..., Plan]:
    """``plan(*overrides)``: the plan of a small config."""
    return lambda *overrides: Plan(load(TEXT, *overrides), index, Path("/run"))


def test_order(plan: Callable[..., Plan], index: EventIndex) -> None:
    """Events outer, variants inner; names are pid-tag."""
    made = plan("sweep.over={init.supportsize: [20, 30]}", "events.slice=0:2")
    pids = ["-".join(map(str, pid)) for pid in index.pids[:2].tolist()]
    assert list(made.numbers) == [f"{p}-supportsize:{s}" for p in pids for s in (20, 30)]
    assert len(made) == 4
    job = made.job(f"{pids[1]}-supportsize:30")
    assert (job.tag, job.settings.init.supportsize) == ("supportsize:30", 30)
    assert job.event.pid == tuple(index.pids[1])
    assert job.result == f"/run/results/{pids[1]}-supportsize_30.h5"
    assert job.checkpoint == f"/run/checkpoints/{pids[1]}-supportsize_30.npz"
    assert job.checkpoint_every == 5


def test_selection(index: EventIndex, tmp_path: Path) -> None:
    """All, a slice, pids in the order given, a list with comments."""
    assert select(EventSelection(), index).tolist() == [0, 1, 2, 3, 4, 5]
    assert select(EventSelection(slice="1:6:2"), index).tolist() == [1, 3, 5]
    pids = [tuple(index.pids[position]) for position in (4, 0)]
    assert select(EventSelection(pids=tuple(pids)), index).tolist() == [4, 0]
    file = tmp_path / "hits.txt"
    file.write_text("# hits\n" + "".join("-".join(map(str, pid)) + "  # good\n\n" for pid in pids))
    assert select(EventSelection(list=str(file)), index).tolist() == [4, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1-2-x\n", ":1: '1-2-x' is no pid"),
        ("7\n", "7 has 1 numbers, the pids of the index have 3"),
    ],
)
def test_bad_list(index: EventIndex, tmp_path: Path, text: str, message: str) -> None:
    """A line that is no pid of this index is told."""
    file = tmp_path / "hits.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        select(EventSelection(list=str(file)), index)


def test_missing_list(index: EventIndex, tmp_path: Path) -> None:
    """So is a list that is not there."""
    with pytest.raises(ConfigError, match="cannot read"):
        select(EventSelection(list=str(tmp_path / "none.txt")), index)


def test_unknown_pid(index: EventIndex) -> None:
    """A pid that the index does not hold is a KeyError that names it."""
    with pytest.raises(UnknownPidError, match="1-2-3"):
        select(EventSelection(pids=((1, 2, 3),)), index)


def test_equal_names(plan: Callable[..., Plan], index: EventIndex) -> None:
    """The same event twice is an error that names both places."""
    pid = "-".join(map(str, index.pids[0]))
    with pytest.raises(ConfigError, match=f"two jobs are named {pid}: event 0 .*and event 1"):
        plan(f"events.pids=[{pid}, {pid}]")


@pytest.mark.parametrize(
    "change",
    [
        "seed=2", "pattern.size=128", "pattern.cropsize=192", "pattern.satvalue=5",
        "pattern.gain=2", "pattern.center=[1, 2]", "settings.SW.threshold=0.2",
        "data.mask={dataset: mask, bad: 1}",
    ],
)  # fmt: skip
def test_fingerprint_changes(plan: Callable[..., Plan], change: str) -> None:
    """What the result depends on changes the fingerprint."""
    before, after = plan("events.slice=0:1"), plan("events.slice=0:1", change)
    (name,) = before.numbers
    assert before.fingerprint(name) != after.fingerprint(name)


@pytest.mark.parametrize(
    "change", ["workers.retries=7", "workers.checkpoint=9", "name=d", "output=elsewhere"]
)
def test_fingerprint_stays(plan: Callable[..., Plan], change: str) -> None:
    """Workers, name and output may change."""
    before, after = plan("events.slice=0:1"), plan("events.slice=0:1", change)
    (name,) = before.numbers
    assert before.fingerprint(name) == after.fingerprint(name)


def test_moved_files_are_the_same_data(plan: Callable[..., Plan], tmp_path: Path) -> None:
    """Of a mask the name and the content count, not the folder."""

    def fingerprint(folder: str, value: int) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        np.save(tmp_path / folder / "mask.npy", np.full((264, 272), value))
        made = plan("events.slice=0:1", f"data.mask={{file: {tmp_path / folder}/mask.npy, bad: 1}}")
        return made.fingerprint(*made.numbers)

    assert fingerprint("a", 0) == fingerprint("b", 0)
    assert fingerprint("a", 0) != fingerprint("a", 1)


def test_many_jobs_are_spread_over_folders(load: Callable[..., Config]) -> None:
    """Above 10,000 jobs results lie in folders of three hexadecimal digits."""
    many = build_index("events=10001:seed=1", reader="simulate")
    made = Plan(load(TEXT), many, Path("/run"))
    shard = Path(made.result_file(next(iter(made.numbers)))).parent
    assert shard.parent == Path("results")
    assert int(shard.name, 16) < 4096
    assert len(shard.name) == 3


def test_index_positions_are_not_copied(plan: Callable[..., Plan], index: EventIndex) -> None:
    """A job refers to its event's own row and source."""
    made = plan()
    rows = [made.job(name).event.row for name in made.numbers]
    assert rows == [index.ref(cast(Any, position)).row for position in np.arange(6)]
