"""Resume: what a journal says decides what is done again, and how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spring_mpi.campaign.past import Past
from spring_mpi.campaign.plan import Plan, checkpoint_file
from spring_mpi.campaign.resume import Resumption, resume
from spring_mpi.config.sections import Config
from spring_mpi.events import build_index
from spring_mpi.model.outcome import State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rundir.lines import JobLine, to_line
from spring_mpi.rundir.paths import RunDirectory
from spring_mpi.worker.checkpoint import owner_of, packed

TEXT = """
name: c
data: {reader: simulate, source: "events=4:seed=1"}
pattern: {cropsize: 256, size: 64}
"""


@pytest.fixture
def rundir(tmp_path: Path) -> RunDirectory:
    """An empty run directory."""
    rundir = RunDirectory(tmp_path / "run")
    rundir.create()
    return rundir


@pytest.fixture
def plan(load: Callable[..., Config], rundir: RunDirectory) -> Plan:
    """Four jobs."""
    index = build_index("events=4:seed=1", reader="simulate")
    return Plan(load(TEXT), index, rundir.path)


@pytest.fixture
def resumed(
    plan: Plan, rundir: RunDirectory
) -> Callable[..., tuple[Resumption, list[tuple[int, int]]]]:
    """``resumed(*lines)``: what follows from a journal; jobs are named by their numbers."""
    names = list(plan.numbers)

    def run(*lines: dict[str, Any]) -> tuple[Resumption, list[tuple[int, int]]]:
        named = [line | {"job": names[line["job"]]} if "job" in line else line for line in lines]
        rundir.journal.write_text("".join(json.dumps(line) + "\n" for line in named))
        resumption = resume(plan, Past.read(rundir.journal), rundir)
        waiting = [(names.index(name), tries) for name, tries in resumption.queue.waiting.items()]
        return resumption, waiting

    return run


def running(job: int, attempt: int = 1) -> dict[str, Any]:
    return {"job": job, "state": "running", "worker": 1, "attempt": attempt}


def test_a_new_campaign(plan: Plan, rundir: RunDirectory) -> None:
    """Without a journal all jobs wait in the plan's order."""
    resumption = resume(plan, Past.read(rundir.journal), rundir)
    assert list(resumption.queue.waiting) == list(plan.numbers)


def test_jobs_under_which_a_run_ended_come_first(
    resumed: Callable[..., tuple[Resumption, list[tuple[int, int]]]],
) -> None:
    """A job that ran when rank 0 was killed is the first again; that is no attempt of its own."""
    resumption, waiting = resumed({"start": 1}, running(2, attempt=2))
    assert waiting == [(2, 1), (0, 0), (1, 0), (3, 0)]
    assert [(job.outages, job.generation) for job in resumption.interrupted] == [(1, 0)]


def test_an_orderly_end_costs_no_attempt(
    resumed: Callable[..., tuple[Resumption, list[tuple[int, int]]]],
) -> None:
    """After an interruption the jobs that ran have all their attempts, however often."""
    lines = [{"start": 1}, running(2), {"exit": 3}, {"start": 2}, {"exit": 3}, {"start": 3}]
    resumption, waiting = resumed(*lines)
    assert waiting[0] == (2, 0)
    assert [job.outages for job in resumption.interrupted] == [0]


def test_a_restart_counts_the_verdicts(
    plan: Plan, rundir: RunDirectory, resumed: Callable[..., tuple[Resumption, Any]]
) -> None:
    """Of the jobs that are done; those of a version that did not judge are counted apart."""
    told: list[dict[str, Any]] = [
        {"verdict": "good", "score": 0.9, "reasons": ["two parts"]}, {}, {"verdict": "bad"},
    ]  # fmt: skip
    names = list(plan.numbers)
    for number in range(2):  # the result of the third is gone
        (rundir.path / plan.result_file(names[number])).write_bytes(b"")
    lines = [
        {"job": number, "state": "done", "fingerprint": plan.fingerprint(names[number]), **more}
        for number, more in enumerate(told)
    ]
    resumption, _ = resumed({"start": 1}, *lines, {"exit": 3})
    verdicts = resumption.queue.jobs.verdicts
    assert {verdict: number for verdict, number in verdicts.items() if number} == {
        Verdict.GOOD: 1, None: 1,
    }  # fmt: skip
    first = resumption.ended[0]
    assert (first.verdict, first.score, first.reasons) == (Verdict.GOOD, 0.9, ("two parts",))


class Runs:
    """Runs of a campaign, one after the other: what each one writes is what the next one reads."""

    def __init__(self, plan: Plan, rundir: RunDirectory, number: int = 0) -> None:
        self._plan, self._rundir, self._number = plan, rundir, number
        if not number:
            rundir.journal.write_text("")

    def begin(self) -> Resumption:
        """What the next run starts with; its first lines are in the journal."""
        resumption = resume(self._plan, Past.read(self._rundir.journal), self._rundir)
        self._number += 1
        self._write({"start": self._number}, *(to_line(job.line) for job in resumption.interrupted))
        self._write(*(to_line(JobLine(failed)) for failed in resumption.given_up))
        return resumption

    def give(self, name: str, attempt: int = 1) -> None:
        """The job runs."""
        self._write({"job": name, "state": "running", "worker": 1, "attempt": attempt})

    def save(self, name: str, generation: int) -> None:
        """The job writes a checkpoint."""
        owner = owner_of(name, self._plan.fingerprint(name))
        history = np.zeros((generation, 4), np.float32)
        path = self._rundir.path / checkpoint_file(name)
        path.write_bytes(packed(owner, {"history": history}))

    def end_in_order(self) -> None:
        """The run ends after a notice."""
        self._write({"exit": 3})

    def _write(self, *lines: dict[str, Any]) -> None:
        with self._rundir.journal.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


def test_a_job_that_ends_every_run_is_tried_alone_and_then_given_up(
    plan: Plan, rundir: RunDirectory
) -> None:
    """After ``retries`` + 1 runs it is put last and alone; if that ends a run, too, it fails."""
    runs, (first, second, *_) = Runs(plan, rundir), plan.numbers
    for _ in range(3):
        assert not runs.begin().queue.alone
        runs.give(second)
    alone = runs.begin()
    assert (alone.queue.alone, list(alone.queue.waiting)[-1]) == ({second}, second)
    runs.give(first)
    still = runs.begin()
    assert (still.queue.alone, next(iter(still.queue.waiting))) == ({second}, first)
    runs.give(second)
    (failed,) = runs.begin().given_up
    assert failed.name == second
    assert failed.reason == (
        "given up: 4 runs in a row ended while it ran, the last one while it ran alone"
    )
    assert second in runs.begin().queue.waiting, "a failed job is tried again"
    assert not runs.begin().queue.alone


def test_a_job_that_never_ran_alone_is_not_given_up(
    load: Callable[..., Config], rundir: RunDirectory
) -> None:
    """Fewer ``retries`` from one run to the next put it last at once; it fails no sooner."""
    index = build_index("events=4:seed=1", reader="simulate")
    patient, hasty = (
        Plan(load(TEXT, f"workers.retries={retries}"), index, rundir.path) for retries in (5, 0)
    )
    runs, (name, *_) = Runs(patient, rundir), patient.numbers
    for _ in range(3):
        assert not runs.begin().queue.alone
        runs.give(name)
    runs = Runs(hasty, rundir, number=3)
    resumption = runs.begin()
    assert (resumption.queue.alone, resumption.given_up) == ({name}, ())
    runs.give(name)
    assert [failed.name for failed in runs.begin().given_up] == [name]


@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_only_runs_without_progress_count(
    plan: Plan, rundir: RunDirectory, data: st.DataObject
) -> None:
    """Whatever happens, a job has as many outages as runs ended under it since it last saved."""
    for path in (rundir.path / "checkpoints").iterdir():
        path.unlink()
    runs, names = Runs(plan, rundir), list(plan.numbers)
    outages, saved, failed = dict.fromkeys(names, 0), dict.fromkeys(names, 0), set()
    for _ in range(data.draw(st.integers(1, 9))):
        resumption = runs.begin()
        given_up = {failed.name for failed in resumption.given_up}
        assert given_up == {name for name in names if outages[name] == 4}
        outages |= dict.fromkeys(given_up, 0)
        queue = resumption.queue
        assert queue.alone == {name for name in names if outages[name] == 3}
        assert queue.unpacked == {name for name in names if outages[name]}
        if failed := given_up:
            resumption = runs.begin()
        in_order = data.draw(st.booleans())
        for name in data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
            if name in failed:
                continue
            runs.give(name)
            if data.draw(st.booleans()):
                saved[name] += 1
                runs.save(name, saved[name])
                outages[name] = 0
            elif not in_order:
                outages[name] += 1
        if in_order:
            runs.end_in_order()


@pytest.mark.parametrize("state", ["removed", "stopped"])
def test_removed_and_stopped_stay_so(
    resumed: Callable[..., tuple[Resumption, list[tuple[int, int]]]], state: str
) -> None:
    """What a person took out of the queue is not run again by itself."""
    resumption, waiting = resumed({"start": 1}, {"job": 1, "state": state}, {"exit": 0})
    assert [job for job, _ in waiting] == [0, 2, 3]
    assert resumption.queue.jobs.counts[State(state)] == 1
    assert [(job.state, job.file) for job in resumption.ended] == [(state, "")]


def test_failed_jobs_are_tried_again(
    resumed: Callable[..., tuple[Resumption, list[tuple[int, int]]]],
) -> None:
    """A failed job waits again, with all its attempts."""
    resumption, waiting = resumed(
        {"start": 1}, {"job": 1, "state": "failed", "attempt": 3}, {"exit": 1}
    )
    assert (1, 0) in waiting
    assert resumption.retried == 1


def test_a_missing_result_is_made_again(
    resumed: Callable[..., tuple[Resumption, list[tuple[int, int]]]],
) -> None:
    """The journal says done, but the file is gone: the job is not done."""
    line = {"job": 1, "state": "done", "worker": 1, "fingerprint": "?", "attempt": 1}
    _, waiting = resumed({"start": 1}, line, {"exit": 0})
    assert [job for job, _ in waiting] == [0, 1, 2, 3]


def test_jobs_no_longer_planned_are_left_alone(plan: Plan, rundir: RunDirectory) -> None:
    """Jobs that the plan does not have any more do no harm; they are known, to be told."""
    rundir.journal.write_text('{"start": 1}\n{"job": "9-9-9", "state": "running", "attempt": 1}\n')
    past = Past.read(rundir.journal)
    resumption = resume(plan, past, rundir)
    assert list(resumption.queue.waiting) == list(plan.numbers)
    assert resumption.unplanned == ("9-9-9",)
    assert past.ending() == "was killed without a word while 1 jobs ran"


def test_the_order_is_as_people_left_it(
    resumed: Callable[..., tuple[Resumption, list[tuple[int, int]]]], plan: Plan
) -> None:
    """Jobs that were put to the front, and such that came back to the queue at its end."""
    names = list(plan.numbers)
    removed = asked("remove") | {"records": [{"job": names[0], "state": "removed"}]}
    again = asked("retry") | {"records": [{"job": names[0], "state": "waiting"}]}
    front = asked("prepend") | {"front": [names[2]]}
    assert resumed({"start": 1}, removed, again, front)[1] == [(2, 0), (1, 0), (3, 0), (0, 0)]
    first = asked("prepend") | {"front": [names[0]]}
    assert resumed({"start": 1}, removed, again, first)[1] == [(0, 0), (1, 0), (2, 0), (3, 0)]


def asked(verb: str, *, refused: bool = False) -> dict[str, Any]:
    """The journal's line of a message that changes no job."""
    return {"message": verb, "verb": verb, "reply": [], "refused": refused, "records": []}


@pytest.mark.parametrize(
    ("lines", "is_paused"),
    [
        ([asked("pause")], True),
        ([asked("pause"), {"exit": 3}, {"start": 2}], True),
        ([asked("pause"), asked("pause", refused=True), asked("drain"), {"exit": 3}], True),
        ([asked("pause"), asked("resume")], False),
        ([asked("pause"), asked("resume", refused=True)], True),
        ([asked("drain"), {"exit": 3}], False),
    ],
)
def test_a_pause_holds_until_resume(
    resumed: Callable[..., tuple[Resumption, list[tuple[int, int]]]],
    lines: list[dict[str, Any]],
    is_paused: bool,
) -> None:
    """However often rank 0 starts again; a run that was drained is no reason to drain the next."""
    queue = resumed({"start": 1}, *lines)[0].queue
    assert (queue.is_paused, queue.is_draining) == (is_paused, False)
    assert not queue.is_over
