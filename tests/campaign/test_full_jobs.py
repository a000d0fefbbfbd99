"""Quick jobs and the full ones that follow: which there are, from what, and each exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.campaign.added import blueprint, requested
from spring_mpi.campaign.beginning import first_lines
from spring_mpi.campaign.past import Past
from spring_mpi.campaign.plan import Plan
from spring_mpi.campaign.resume import resume
from spring_mpi.campaign.run import PlannedJobs
from spring_mpi.config.sections import Config
from spring_mpi.errors import ConfigError, SettingsError
from spring_mpi.events import build_index
from spring_mpi.model.names import FULL, quick_name
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rank0.control import Control
from spring_mpi.rank0.loop import Hypervisor
from spring_mpi.rank0.progress import Progress
from spring_mpi.rank0.steering import Steering
from spring_mpi.rundir.journal import Journal, replay
from spring_mpi.rundir.lines import JobLine, Line
from spring_mpi.rundir.mailbox_messages import Message
from spring_mpi.rundir.paths import RunDirectory
from spring_mpi.worker.messages import Assign, Done, Equipment, Job, Ready

TEXT = """
name: c
data: {reader: simulate, source: "events=3:seed=1"}
pattern: {cropsize: 256, size: 64}
settings: {global: {generations: 9}, init: {supportsize: 24}}
quick: {global: {generations: 3}, IA: {it: 7}}
workers: {retries: 9}
"""


def done(name: str, verdict: Verdict | None) -> Outcome:
    """A job's result is complete, and so far it can be believed."""
    return Outcome(name, state=State.DONE, verdict=verdict)


@pytest.fixture
def plan(load: Callable[..., Config], tmp_path: Path) -> Callable[..., Plan]:
    """``plan(*overrides)``: three events, quick jobs."""
    index = build_index("events=3:seed=1", reader="simulate")
    return lambda *overrides: Plan(load(TEXT, *overrides), index, tmp_path / "run")


def test_only_doubtful_results_of_quick_jobs_have_a_full_job(plan: Callable[..., Plan]) -> None:
    made = plan()
    (name, *_) = made.numbers
    full = name + FULL
    for verdict in (Verdict.GOOD, Verdict.BAD, None):
        assert made.follow_up(done(name, verdict)) is None
    assert made.follow_up(done(name, Verdict.DOUBTFUL)) == full
    assert made.follow_up(done(full, Verdict.DOUBTFUL)) is None
    assert made.follow_up(Outcome(name, state=State.FAILED)) is None
    assert plan("quick=null").follow_up(done(name, Verdict.DOUBTFUL)) is None
    assert not plan("quick=null").knows(full)


def test_what_both_jobs_are_made_from(plan: Callable[..., Plan]) -> None:
    """The quick one has its own settings, and recipe; the full one is as without the key."""
    made, plain = plan(), plan("quick=null")
    (name, *_) = made.numbers
    quick, full, alone = made.job(name), made.job(name + FULL), plain.job(name)
    assert (quick.settings.global_.generations, quick.settings.IA.it) == (3, 7)
    assert full.settings == alone.settings
    assert full.fingerprint == alone.fingerprint != quick.fingerprint
    assert (full.event, full.tag) == (quick.event, quick.tag)
    assert full.result == str(made.folder / f"results/{name}{FULL}.h5")
    assert made.identified(done(name + FULL, None)).pid == name
    assert (quick.checkpoint_every, full.checkpoint_every) == (3, 5)
    assert made.kind(name) != made.kind(name + FULL)


def test_variants_keep_their_values(plan: Callable[..., Plan]) -> None:
    """Each variant's quick job has that variant's value, and a full job of its own."""
    made = plan("sweep.over={init.supportsize: [20, 30]}")
    name = list(made.numbers)[1]
    for job in (made.job(name), made.job(name + FULL)):
        assert (job.tag, job.settings.init.supportsize) == ("supportsize:30", 30)
    assert made.identified(done(name + FULL, None)).swept == (("init.supportsize", "30"),)


def test_jobs_that_people_add(plan: Callable[..., Plan]) -> None:
    """A job again is quick, too; an event with a tag is done with all of the settings at once."""
    made = plan()
    (name, *_) = made.numbers
    ((_, request),) = requested(made, {"jobs": [name], "tag": "", "set": {}})
    made.add(f"{name}~2", blueprint(made, request))
    assert made.follow_up(done(f"{name}~2", Verdict.DOUBTFUL)) == f"{name}~2{FULL}"
    assert made.job(f"{name}~2{FULL}").settings.global_.generations == 9
    ((other, request),) = requested(made, {"jobs": [name], "tag": "wide", "set": {}})
    made.add(other, blueprint(made, request))
    assert made.job(other).settings.global_.generations == 9
    assert made.follow_up(done(other, Verdict.DOUBTFUL)) is None
    with pytest.raises(SettingsError, match="are those of full jobs"):
        requested(made, {"jobs": [name], "tag": f"a{FULL}", "set": {}})


@pytest.mark.parametrize(
    ("tag", "message"),
    [("a~full", "with quick, no tag may end with ~full"), ("x" * 190, "at most 195 are possible")],
)
def test_names_that_leave_no_room(plan: Callable[..., Plan], tag: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(f"sweep.tag={tag}", "sweep.over={init.supportsize: [20]}")


# ---- each exactly once, however the campaign ends and begins again


class CrashError(Exception):
    """The process is killed."""


class Workers:
    """One worker that ends at once what it is given, with these verdicts."""

    def __init__(self, verdicts: dict[str, Verdict]) -> None:
        self._verdicts = verdicts
        self._reports: list[Any] = [(1, Ready("node", "cpu", 0.0))]
        self.given: list[str] = []

    def start(self, equipment: object) -> None:
        pass

    def close(self) -> None:
        pass

    def send(self, worker: int, order: object) -> None:
        for job in cast(Assign, order).jobs:
            self.given.append(job.name)
            self._reports.append((worker, Done(self._finished(job))))

    def poll(self) -> list[Any]:
        reports, self._reports = self._reports, []
        return reports

    def _finished(self, job: Job) -> Outcome:
        Path(job.result).parent.mkdir(exist_ok=True)
        Path(job.result).touch()
        return done(job.name, self._verdicts[job.name])


class TornJournal:
    """A journal; the process may be killed while it is written."""

    def __init__(self, path: Path, lines_left: int) -> None:
        self._journal, self._left = Journal(path), lines_left

    @property
    def is_empty(self) -> bool:
        return self._journal.is_empty

    def commit(self, lines: Iterable[Line]) -> None:
        wanted = list(lines)
        self._journal.commit(wanted[: self._left])
        self._left -= len(wanted)
        if self._left < 0:
            raise CrashError


def run(
    plan: Plan, verdicts: dict[str, Verdict], crash: int, removals: Iterator[str | None]
) -> list[str]:
    """A run of rank 0 that is killed after so many lines of the journal; the jobs given out."""
    rundir = RunDirectory(plan.folder)
    past = Past.read(rundir.journal)
    for name, request in past.requests.items():
        plan.add(name, blueprint(plan, request))
    resumption = resume(plan, past, rundir)
    queue, progress, jobs = resumption.queue, Progress(lambda: 0.0), PlannedJobs(plan, lambda: None)
    workers, numbers = Workers(verdicts), count()

    def asked() -> list[Message]:
        item = next(removals, None)
        arguments = {"item": item, "name": False}
        id = f"{past.starts}-{next(numbers)}"
        return [] if item is None else [Message(id, "remove", arguments, "me")]

    mailbox: Any = SimpleNamespace(poll=asked, answer=lambda *_: None)
    journal: Any = TornJournal(rundir.journal, crash)
    try:
        journal.commit(first_lines(plan, past, resumption, is_new=journal.is_empty))
        Hypervisor(
            jobs, queue, progress, cast(Any, workers), journal,
            Control(mailbox, Steering(queue, progress, jobs), past.answered),
            cast(Any, _Silent()), sleep=lambda seconds: None,
        ).run({1: Equipment()})  # fmt: skip
    except CrashError:
        pass
    return workers.given


class _Silent:
    """A reporter that tells nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


VERDICTS = st.sampled_from([Verdict.GOOD, Verdict.DOUBTFUL, Verdict.DOUBTFUL, Verdict.BAD])
REMOVALS = st.sampled_from([None, None, None, f"*{FULL}", f"*[02468]{FULL}"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    verdicts=st.fixed_dictionaries(dict.fromkeys(range(3), VERDICTS)),
    crashes=st.lists(st.integers(0, 12), max_size=4),
    removals=st.lists(REMOVALS, max_size=6),
)
def test_exactly_once_whatever_happens(
    plan: Callable[..., Plan],
    tmp_path_factory: pytest.TempPathFactory,
    verdicts: dict[int, Verdict],
    crashes: list[int],
    removals: list[str | None],
) -> None:
    """A doubtful quick result has one full job, others none, and none is left at exit 0."""
    made = plan()
    made.folder = tmp_path_factory.mktemp("run")
    names = list(made.numbers)
    of = {name: verdicts[number] for name, number in made.numbers.items()}
    of |= {name + FULL: Verdict.DOUBTFUL for name in names}
    asked = iter(removals)
    for crash in [*crashes, 10**6]:
        given = run(made, of, crash, asked)
        assert [*map(bool, map(quick_name, given))] == sorted(map(bool, map(quick_name, given)))
    past = Past.read(RunDirectory(made.folder).journal)
    assert past.last_exit == 0
    doubtful = {name + FULL for name in names if of[name] is Verdict.DOUBTFUL}
    assert set(past.jobs) == {*names, *doubtful}
    assert all(line.state in (State.DONE, State.REMOVED) for line in past.jobs.values())
    ended = Counter(line for line in _done_lines(made) if quick_name(line))
    assert all(times == 1 for times in ended.values())
    again = resume(made, past, RunDirectory(made.folder))
    assert (len(again.queue.waiting), again.following) == (0, ())


def _done_lines(plan: Plan) -> list[str]:
    lines = replay(RunDirectory(plan.folder).journal)
    jobs = (line for line in lines if isinstance(line, JobLine))
    return [line.name for line in jobs if line.state is State.DONE]
