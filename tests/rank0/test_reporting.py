"""What rank 0 tells: faults name job, rank, host and device; times left; ``status.json``."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rank0.console import info_lines, worker_lines
from spring_mpi.rank0.decisions import Decision, Give
from spring_mpi.rank0.log import Level, Log
from spring_mpi.rank0.loop import Hypervisor
from spring_mpi.rank0.overview import Pace
from spring_mpi.rank0.progress import Progress
from spring_mpi.rank0.queue import Queue
from spring_mpi.rank0.reporting import Reporter, ReportFiles
from spring_mpi.rank0.standing import Standing
from spring_mpi.rundir.summary import SummaryFile
from spring_mpi.worker.messages import (
    Done,
    Equipment,
    Failed,
    Gone,
    Lost,
    Printed,
    Progressed,
    Ready,
    Remark,
    Stopped,
)

PLACE = "worker 1 (node07, AMD EPYC)"


def done(name: str, **more: Any) -> Done:
    """The word of a child that made a result."""
    figures: dict[str, Any] = {
        "verdict": Verdict.GOOD,
        "score": 0.875,
        "error": 0.1,
        "resolution_px": 2.0,
        "support_px": 500,
        "seconds": 10.0,
    }
    known = {"pid": "1", "worker": 1, "file": "a.h5"}
    return Done(Outcome(name, state=State.DONE, **figures | known | more))


class Recorder:
    """A screen that keeps (level, line without its time)."""

    def __init__(self) -> None:
        self.told: list[tuple[Level, str]] = []

    def show(self, lines: str, level: Level) -> None:
        self.told += [(level, line[28:]) for line in lines.splitlines()]

    def draw(self, overview: object) -> None:
        pass

    def close(self) -> None:
        pass


class NoJobs:
    """A campaign of which nothing is known."""

    def complete(self, name: str) -> None:
        return None

    def identified(self, outcome: Outcome) -> Outcome:
        return outcome


class Rank0:
    """Rank 0 with a queue of four jobs and one worker, at a time that we choose."""

    def __init__(self, folder: Path) -> None:
        self.now, self.queue, self.screen = 0.0, Queue(), Recorder()
        self.status = folder / "status.json"
        self.log = Log(folder / "log", self.screen)
        files = ReportFiles(self.log, SummaryFile(folder / "summary.csv", ()), self.status)
        self.progress = Progress(lambda: self.now)
        self.standing = Standing(self.queue, self.progress)
        self.reporter = Reporter(files, self.queue, self.progress)
        self.loop = Hypervisor(
            cast(Any, NoJobs()), self.queue, self.progress, None, None, None, self.reporter
        )  # fmt: skip
        self.queue.append("abcd")
        self.progress.equipped({1: Equipment("cpu", host="node07")})

    def hears(self, report: Any, worker: int = 1) -> None:
        """Rank 0 hears of a worker."""
        self.loop._heard(worker, report)

    def ready(self) -> None:
        self.hears(Ready("node07", "AMD EPYC", 0.0))
        self.give()

    def give(self) -> None:
        for give in self.queue.assign().instructions:
            assert isinstance(give, Give)
            self.progress.given(give.names)
            self.reporter.given(give.worker, give.names)
        self.screen.told.clear()

    def progressed(self, at: float, name: str, generation: int, worker: int = 1) -> None:
        self.now = at
        self.hears(Progressed(name, generation, 10, 0.1, 0.2), worker)

    def done(self, at: float, name: str) -> None:
        self.now = at
        self.hears(done(name, warnings=("it is blurred",)))
        self.loop._act([])

    def told(self, level: Level) -> list[str]:
        return [line for one, line in self.screen.told if one == level]


@pytest.fixture
def rank0(tmp_path: Path) -> Iterator[Rank0]:
    """A reporter and what it is made of."""
    rank0 = Rank0(tmp_path)
    yield rank0
    rank0.log.close()


@pytest.mark.parametrize(
    ("tell", "line"),
    [
        (
            lambda r: r.hears(Failed("a", "no light")),
            f"a failed on {PLACE}: no light",
        ),
        (
            lambda r: r.hears(Lost("a", "it hung")),
            f"a lost on {PLACE}: it hung; it is tried again",
        ),
        (
            lambda r: r.loop._reporter.heard(1, Gone("its rank died"), Decision()),
            f"{PLACE} is lost: its rank died",
        ),
        (
            lambda r: r.hears(Remark("a", "waits for room: the disk is full", True)),
            f"a on {PLACE} waits for room: the disk is full",
        ),
        (
            lambda r: r.reporter.say("waits for room: the disk is full"),
            f"The campaign on rank 0 ({platform.node()}) waits for room: the disk is full",
        ),
    ],
    ids=["failed", "lost", "left", "remark", "rank 0"],
)
def test_faults_name_their_place(rank0: Rank0, tell: Callable[..., Any], line: str) -> None:
    """Rank, host and device, in one form; and they are shown also to who asks for quiet."""
    rank0.ready()
    tell(rank0)
    assert rank0.screen.told == [(Level.FAULT, line)]


def test_warnings_of_a_result_name_their_place(rank0: Rank0) -> None:
    """What is odd about a result is said when it is done."""
    rank0.ready()
    rank0.done(1.0, "a")
    assert rank0.told(Level.FAULT) == [f"a on {PLACE}: it is blurred"]


def test_a_worker_that_was_never_ready(rank0: Rank0) -> None:
    """Its host and the device that it should have had are known; of an unheard one nothing."""
    rank0.progress.starting |= {2, 3}
    rank0.hears(Gone("its child cannot start"))
    rank0.hears(Gone("its rank died"), worker=2)
    assert rank0.told(Level.FAULT) == []
    rank0.hears(Ready("node08", "AMD EPYC", 0.0), worker=3)
    assert rank0.told(Level.FAULT) == [
        "worker 1 (node07, cpu) is lost: its child cannot start",
        "worker 2 (host and device unknown) is lost: its rank died",
    ]


def test_details_follow_their_fault(rank0: Rank0) -> None:
    """Tracebacks and what children print are details."""
    rank0.ready()
    rank0.hears(Failed("a", "KeyError: 'x'", "Traceback:\n  here"))
    rank0.hears(Printed("one\ntwo\n"))
    assert rank0.told(Level.DETAIL) == ["Traceback:", "  here", f"{PLACE}: one", f"{PLACE}: two"]


def test_what_is_no_fault_is_news(rank0: Rank0) -> None:
    """A stopped job, and one that continues."""
    rank0.ready()
    rank0.hears(Remark("a", "continues from generation 3 of 10", False))
    rank0.hears(Stopped("a"))
    assert rank0.screen.told == [
        (Level.NEWS, "a continues from generation 3 of 10"),
        (Level.NEWS, f"a stopped on {PLACE}"),
    ]


def test_time_left_of_a_job(rank0: Rank0) -> None:
    """From its own rate on this worker: neither the loading nor what was resumed counts."""
    rank0.ready()
    rank0.progressed(100.0, "a", 4)  # the state of an earlier attempt
    assert rank0.told(Level.GENERATION)[-1].endswith("best error 0.1000, median 0.2000")
    rank0.progressed(110.0, "a", 6)
    assert rank0.told(Level.GENERATION)[-1] == (
        "a generation 6 of 10: best error 0.1000, median 0.2000, 0:20 left"
    )
    for now, left in ((110.0, 20.0), (112.0, 18.0), (115.0, 15.0), (900.0, 15.0)):
        rank0.now = now
        assert rank0.progress.busy("a", rank0.queue.running["a"]).seconds_left == left
    rank0.progressed(130.0, "a", 10)
    assert rank0.progress.busy("a", rank0.queue.running["a"]).seconds_left == 0.0


def test_time_left_of_full_jobs(rank0: Rank0) -> None:
    """They last longer than the quick ones: how long is known when one of them is done."""
    rank0.ready()
    rank0.done(10.0, "a")
    assert rank0.standing.overview(9).seconds_left == 30.0
    rank0.queue.follow_up(["a~full", "b~full"])
    assert rank0.standing.overview(9).seconds_left is None
    for at, name in ((20.0, "b"), (30.0, "c"), (40.0, "d"), (140.0, "a~full")):
        rank0.give()
        rank0.done(at, name)
    assert rank0.standing.overview(9).seconds_left == 100.0


def test_a_new_attempt_has_its_own_rate(rank0: Rank0) -> None:
    """What a lost attempt made says nothing of the next one."""
    rank0.ready()
    rank0.progressed(1.0, "a", 1)
    rank0.progressed(2.0, "a", 5)
    rank0.hears(Lost("a", "killed"))
    rank0.give()
    rank0.progressed(10.0, "a", 3)
    assert rank0.progress.busy("a", rank0.queue.running["a"]).seconds_left is None
    assert rank0.progress.under_way == 0.0


def test_a_late_report_is_not_heard(rank0: Rank0) -> None:
    """Of a worker that has the job no more, or never had it."""
    rank0.ready()
    rank0.progressed(1.0, "a", 1, worker=2)
    rank0.progressed(1.0, "b", 1)
    assert rank0.progress.paces == {}
    assert rank0.screen.told == []


def test_time_left_of_the_campaign(rank0: Rank0) -> None:
    """Jobs under way count with what they made, before the first one is done and after."""
    rank0.ready()
    assert rank0.standing.overview(9).seconds_left is None
    rank0.progressed(0.0, "a", 0)
    rank0.progressed(50.0, "a", 5)
    view = rank0.standing.overview(9)
    assert (view.jobs_per_hour, view.seconds_left, view.share) == (36.0, 350.0, 0.125)
    rank0.done(100.0, "a")
    assert rank0.told(Level.NEWS)[-1].endswith("[1 of 4 jobs finished, 36 jobs/h, 5:00 left]")
    rank0.give()
    rank0.progressed(100.0, "b", 5)  # resumed: nothing made here yet
    rank0.progressed(150.0, "b", 10)
    assert rank0.standing.overview(9).seconds_left == 250.0


def test_jobs_that_finish_together(tmp_path: Path) -> None:
    """Each is counted when it is told; what runs, and what people removed or stopped, is not."""
    rank0 = Rank0(tmp_path)
    rank0.queue.pack, rank0.queue.kind = 2, len
    rank0.ready()
    rank0.queue.remove("d")
    rank0.now = 60.0
    for name in "ab":
        rank0.progressed(60.0, name, 5)
        rank0.hears(done(name))
    rank0.loop._act([])
    told = [line.partition("[")[2] for line in rank0.told(Level.NEWS)]
    assert told == [
        "1 of 3 jobs finished, 120 jobs/h, 0:30 left]",
        "2 of 3 jobs finished, 120 jobs/h, 0:30 left]",
    ]
    view = rank0.standing.overview(9)
    assert (view.done, view.total, view.share) == (2, 3, 2 / 3)


def test_a_warning_of_many_jobs(rank0: Rank0) -> None:
    """It is told once, with the first job, and at the end with their number."""
    rank0.ready()
    rank0.done(10.0, "a")
    assert rank0.told(Level.FAULT) == [f"a on {PLACE}: it is blurred"]
    rank0.give()
    rank0.done(10.0, "b")
    assert rank0.told(Level.FAULT) == []
    rank0.reporter.ended(0, None)
    assert rank0.told(Level.FAULT) == ["2 jobs of this run: it is blurred"]


def test_a_job_without_resolution(rank0: Rank0) -> None:
    """It is said in words, and its field in ``summary.csv`` is empty."""
    rank0.ready()
    rank0.hears(done("a", resolution_px=None))
    rank0.loop._act([])
    assert "error 0.1000, no resolution, support 500 px [" in rank0.told(Level.NEWS)[-1]
    rank0.reporter.flush()
    lines = (rank0.status.parent / "summary.csv").read_text().splitlines()
    assert lines[-1] == "a,1,,good,0.875,0.1,,500,10.00,1,a.h5,,done,,,,,"


VERDICTS: list[tuple[Verdict | None, tuple[str, ...]]] = [
    (Verdict.GOOD, ()),
    (Verdict.GOOD, ("the interior is not determined",)),
    (Verdict.DOUBTFUL, ("not centrosymmetric", "too few photons")),
    (None, ()),
]
"""Of the jobs a, b, c, d."""


def test_verdicts_are_told_with_each_job_and_counted(rank0: Rank0) -> None:
    """With the first reason; their numbers stand in the status, the view and the last lines."""
    rank0.ready()
    for name, (verdict, reasons) in zip("abcd", VERDICTS, strict=True):
        score = None if verdict is None else 0.5
        rank0.hears(done(name, verdict=verdict, score=score, reasons=reasons))
        rank0.loop._act([])
        rank0.give()
        told = rank0.standing.status("running", None, {})["verdicts"]
    assert told == {"good": 2, "doubtful": 1, "bad": 0, "not judged": 1}
    assert rank0.standing.overview(1).verdicts == "2 good, 1 doubtful, 1 not judged"
    assert info_lines(rank0.queue)[-1] == "Results: 2 good, 1 doubtful, 1 not judged."
    rank0.reporter.ended(0, None)
    assert any(
        line.endswith(": 4 done (2 good, 1 doubtful, 1 not judged)")
        for line in rank0.told(Level.ENDING)
    )


@pytest.mark.parametrize(
    ("verdict", "reasons", "expected"),
    [
        (*VERDICTS[0], "good 0.50, error 0.1000, resolution 2.00 px, support 500 px ["),
        (*VERDICTS[1], "resolution 2.00 px, support 500 px (the interior is not determined) ["),
        (
            *VERDICTS[2],
            "doubtful 0.50, error 0.1000, support 500 px (not centrosymmetric; and 1 more) [",
        ),
        (*VERDICTS[3], "not judged, error 0.1000, support 500 px ["),
    ],
)
def test_words_of_a_verdict(
    rank0: Rank0, verdict: Verdict | None, reasons: tuple[str, ...], expected: str
) -> None:
    """Verdict, score, figures, and the first reason."""
    rank0.ready()
    score = None if verdict is None else 0.5
    rank0.hears(done("a", verdict=verdict, score=score, reasons=reasons))
    rank0.loop._act([])
    assert expected in rank0.told(Level.NEWS)[-1]


def test_status(rank0: Rank0) -> None:
    """Of running jobs: generation, errors and time left; None where not known yet."""
    rank0.ready()
    rank0.now = 1.0
    rank0.reporter.write_status("running")
    (running,) = json.loads(rank0.status.read_text())["running"]
    assert running == {
        "name": "a", "worker": 1, "attempt": 1, "progress": 0.0, "generation": None,
        "generations": None, "best": None, "median": None, "seconds": 1.0, "seconds_left": None,
    }  # fmt: skip
    rank0.progressed(2.0, "a", 1)
    rank0.progressed(4.0, "a", 2)
    rank0.reporter.write_status("running")
    (running,) = json.loads(rank0.status.read_text())["running"]
    assert running["generation"] == 2
    assert running["generations"] == 10
    assert (running["best"], running["median"], running["seconds_left"]) == (0.1, 0.2, 16.0)


def test_overview_of_many_workers(rank0: Rank0) -> None:
    """The first busy workers by number, and how many there are beside."""
    for worker in range(3, 0, -1):
        rank0.hears(Ready("node", "cpu", 0.0), worker)
    rank0.give()
    view = rank0.standing.overview(2)
    assert [one.worker for one in view.busy] == [1, 2]
    assert view.others == 1
    assert (view.total, view.running, view.waiting) == (4, 3, 1)


def test_condition(rank0: Rank0) -> None:
    """Why nothing is given out."""
    assert rank0.standing.overview(1).condition == "workers start"
    rank0.ready()
    assert rank0.standing.overview(1).condition == ""
    rank0.queue.pause()
    assert rank0.standing.overview(1).condition == "paused"
    rank0.queue.drain()
    assert rank0.standing.overview(1).condition == "draining"


def test_condition_of_a_campaign_without_jobs(rank0: Rank0) -> None:
    """It lives on for what people add."""
    rank0.ready()
    rank0.queue.remove("*")
    rank0.done(1.0, "a")
    assert rank0.standing.overview(1).condition == "waits for jobs"


def test_workers_and_their_jobs() -> None:
    """Every worker with its device, its job, how far it is and for how long."""
    queue, now = Queue(), [0.0]
    progress = Progress(lambda: now[0])
    queue.append("a")
    for worker in (1, 2):
        queue.joined(worker)
        progress.devices[worker] = Ready("vm", "cpu", 0.0)
    queue.assign()

    def lines() -> list[str]:
        return worker_lines(queue, progress.devices, [progress.busy("a", queue.running["a"])])

    assert lines() == ["1: cpu on vm, a", "2: cpu on vm, idle"]
    progress.heard(Progressed("a", 1, 4, 0.1, 0.2))
    assert lines()[0] == "1: cpu on vm, a, generation 1 of 4"
    now[0] = 30.0
    progress.heard(Progressed("a", 2, 4, 0.1, 0.2))
    assert lines()[0] == "1: cpu on vm, a, generation 2 of 4, 1:00 left"


def test_pace_never_promises_the_past() -> None:
    """The time left is not negative, whatever a slow child does."""
    pace = Pace.begun(Progressed("a", 8, 10, 0.1, 0.2), 0.0)
    pace = pace.advanced(Progressed("a", 10, 10, 0.1, 0.2), 2.0)
    assert pace.seconds_left(100.0) == 0.0
