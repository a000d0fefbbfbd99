"""The queue: order, removal, retries and, under random histories, its invariants."""

from __future__ import annotations

from collections import Counter
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spring_mpi.model.names import file_name
from spring_mpi.model.outcome import Outcome, State
from spring_mpi.model.verdict import Verdict
from spring_mpi.rank0.decisions import (
    Decision,
    Give,
    Interrupt,
    Mode,
    Record,
    Refusal,
    Switched,
    Why,
)
from spring_mpi.rank0.queue import Queue


@pytest.fixture
def queue() -> Queue:
    """Four waiting jobs, one worker."""
    queue = Queue()
    queue.append(["a", "b", "c", "d"])
    queue.joined(1)
    return queue


def test_assignment_follows_the_order(queue: Queue) -> None:
    """The first waiting job goes to the worker that has been idle longest."""
    queue.joined(2)
    decision = queue.assign()
    assert decision.instructions == (Give(1, ("a",)), Give(2, ("b",)))
    assert decision.records == (
        Record("a", State.RUNNING, 1, 1),
        Record("b", State.RUNNING, 2, 1),
    )
    assert list(queue.waiting) == ["c", "d"]


def test_done_frees_the_worker(queue: Queue) -> None:
    """A finished job's worker gets the next one."""
    queue.assign()
    assert queue.done(1, "a").records == (Record("a", State.DONE, 1, 1),)
    assert queue.assign().instructions == (Give(1, ("b",)),)


def test_taken_names_are_numbered(queue: Queue) -> None:
    """Names are equal when their file names are; a taken one gets the next free number."""
    assert queue.append(["a", "a", "x:y", "x_y"]).names == ("a~2", "a~3", "x:y", "x_y~2")


def test_prepend_moves_and_keeps_order(queue: Queue) -> None:
    """Waiting jobs move to the front, new ones come with them, in the order given."""
    assert queue.prepend(["c", "new", "b"]).names == ("c", "new", "b")
    assert list(queue.waiting) == ["c", "new", "b", "a", "d"]


def test_prepend_does_not_interrupt(queue: Queue) -> None:
    """The running job goes on; a second one of its name gets another."""
    queue.assign()
    assert queue.prepend(["a"]).names == ("a~2",)
    assert list(queue.running) == ["a"]


@pytest.mark.parametrize(
    ("item", "by_name", "removed"),
    [
        ("1", False, ["b"]),
        ("c", False, ["c"]),
        ("[bc]", False, ["b", "c"]),
        ("*", False, list("abcd")),
    ],
)
def test_remove(queue: Queue, item: str, by_name: bool, removed: list[str]) -> None:
    """Digits are a position, else the exact name, else a wildcard; in order."""
    decision = queue.remove(item, name=by_name)
    assert decision.records == tuple(Record(name, State.REMOVED) for name in removed)
    assert list(queue.waiting) == [name for name in "abcd" if name not in removed]


def test_remove_by_name_of_digits() -> None:
    """``name`` lets a job be removed whose name is a number."""
    queue = Queue()
    queue.append(["7", "0"])
    assert queue.remove("0", name=True).names == ("0",)
    assert list(queue.waiting) == ["7"]


@pytest.mark.parametrize("item", ["4", "A", "x*"])
def test_remove_nothing(queue: Queue, item: str) -> None:
    """No match changes nothing and says so; case counts."""
    assert queue.remove(item) == Decision(refusal=Refusal(Why.NOT_WAITING, item))
    assert list(queue.waiting) == list("abcd")


def test_remove_spares_the_running_job(queue: Queue) -> None:
    """Only waiting jobs are removed."""
    queue.assign()
    queue.remove("*")
    assert list(queue.running) == ["a"]


def test_stop(queue: Queue) -> None:
    """The running job is stopped; the next one starts when its worker says so."""
    queue.assign()
    decision = queue.stop()
    assert decision == Decision(instructions=(Interrupt(1, "a"),))
    assert queue.stopped(1, "a").records == (Record("a", State.STOPPED, 1, 1),)
    assert queue.assign().instructions == (Give(1, ("b",)),)


def test_stop_of_several(queue: Queue) -> None:
    """All running jobs are stopped, or the one that is named."""
    queue.joined(2)
    queue.assign()
    assert queue.stop("b").interrupted == ("b",)
    assert queue.stop().interrupted == ("a", "b")


def test_stop_of_an_idle_queue(queue: Queue) -> None:
    """There is nothing to stop, and the reply says so."""
    assert queue.stop().refusal == Refusal(Why.NOTHING_RUNS)
    assert queue.stop("a").refusal == Refusal(Why.NOT_RUNNING, "a")


def test_kill(queue: Queue) -> None:
    """Every waiting job is removed and every running one stopped; without any it is refused."""
    queue.assign()
    decision = queue.kill()
    assert decision.names == ("b", "c", "d")
    assert decision.interrupted == ("a",)
    queue.stopped(1, "a")
    assert queue.kill() == Decision(refusal=Refusal(Why.NO_JOBS))


def test_done_wins_over_stop(queue: Queue) -> None:
    """A result that was complete before the stop arrived counts."""
    queue.assign()
    queue.stop()
    queue.done(1, "a")
    assert queue.jobs.of("a") is State.DONE


def test_lost_is_tried_again_then_given_up(queue: Queue) -> None:
    """A lost job returns to the front ``retries`` times, then it fails with the reason."""
    for attempt in (1, 2):
        assert queue.assign().instructions == (Give(1, ("a",)),)
        assert queue.lost(1, "a", "killed").records == (
            Record("a", State.WAITING, None, attempt, "killed"),
        )
    queue.assign()
    (record,) = queue.lost(1, "a", "killed").records
    assert (record.state, record.reason) == (State.FAILED, "given up after 3 attempts: killed")
    assert queue.assign().instructions == (Give(1, ("b",)),)


def test_lost_while_stopping_is_stopped(queue: Queue) -> None:
    """A job that was to be stopped is not tried again."""
    queue.assign()
    queue.stop()
    queue.lost(1, "a", "killed")
    assert queue.jobs.of("a") is State.STOPPED


def test_gone_worker_gives_its_job_back(queue: Queue) -> None:
    """A lost worker's job goes to another one; the lost one gets nothing."""
    queue.assign()
    queue.gone(1, "rank died")
    assert next(iter(queue.waiting)) == "a"
    assert queue.assign().instructions == ()
    queue.joined(2)
    assert queue.assign().instructions == (Give(2, ("a",)),)


def test_late_reports_change_nothing(queue: Queue) -> None:
    """What a worker says of a job that it no longer has is ignored."""
    queue.joined(2)
    queue.assign()
    queue.gone(1, "rank died")
    queue.assign()
    assert queue.done(1, "a").records == ()
    assert queue.failed(2, "a", "no").records == ()
    assert queue.progressed(1, "a", 0.5).records == ()


def test_names_are_equal_when_their_files_are() -> None:
    """Every verb takes a name for the job whose file has the same name."""
    queue = Queue()
    queue.append(["1-a:b", "2-a:b", "3-a:b"])
    assert queue.prepend(["2-a_b"]).names == ("2-a:b",)
    assert queue.remove("1-a_b").names == ("1-a:b",)
    assert queue.retry("1-a_b").names == ("1-a:b",)
    queue.joined(1)
    queue.assign()
    assert queue.stop("2-a_b").instructions == (Interrupt(1, "2-a:b"),)


def test_pause_and_resume(queue: Queue) -> None:
    """A paused queue gives nothing out; its running job goes on."""
    queue.assign()
    queue.joined(2)
    assert queue.pause() == Decision(switched=Switched(Mode.PAUSED, ("a",), 3))
    assert queue.assign().instructions == ()
    assert queue.pause().refusal == Refusal(Why.PAUSED_ALREADY)
    assert queue.resume().switched == Switched(Mode.RESUMED, ("a",), 3)
    assert queue.assign().instructions == (Give(2, ("b",)),)
    assert queue.resume().refusal == Refusal(Why.NOT_PAUSED)


def test_drain_ends_with_the_running_jobs(queue: Queue) -> None:
    """Waiting jobs stay waiting, and the campaign is over when the running ones are."""
    queue.assign()
    queue.drain()
    assert not queue.is_over
    queue.done(1, "a")
    assert queue.assign().instructions == ()
    assert queue.is_over
    assert queue.jobs.counts[State.WAITING] == 3


def test_retry(queue: Queue) -> None:
    """Failed, removed and stopped jobs wait again, at the back, with fresh attempts."""
    queue.assign()
    queue.failed(1, "a", "no")
    queue.remove("b")
    assert queue.retry("*").names == ("a", "b")
    assert list(queue.waiting) == ["c", "d", "a", "b"]
    for item in ("c", "nobody"):
        assert queue.retry(item).refusal == Refusal(Why.NOT_ENDED, item)


def test_what_follows_waits_behind_all_others(queue: Queue) -> None:
    """Also behind jobs that come later, are lost or tried again; people may put it to the front."""
    assert queue.follow_up(["x", "y"]).names == ("x", "y")
    queue.append(["e"])
    assert list(queue.waiting) == list("abcdexy")
    queue.assign()
    queue.lost(1, "a", "killed")
    queue.remove("[xb]")
    queue.retry("*")
    assert list(queue.waiting) == list("acdebyx")
    queue.prepend(["x"])
    assert queue.assign().instructions == (Give(1, ("x",)),)
    queue.lost(1, "x", "killed")
    assert list(queue.waiting) == list("acdebxy")


def test_what_follows_comes_once(queue: Queue) -> None:
    """A name that there ever was, in whatever state, is not queued again."""
    queue.follow_up(["x", "y", "x"])
    queue.remove("x")
    assert queue.follow_up(["x", "y", "a"]) == Decision()
    assert list(queue.waiting) == list("abcdy")


def test_results_of_an_earlier_engine_are_made_again(queue: Queue) -> None:
    """Where people ask for it: then they are counted no more, until they are done again."""
    former = Outcome("x", state=State.DONE, verdict=Verdict.GOOD)
    queue.settle("x", State.DONE, done=former)
    queue.settle("y", State.DONE, done=former.made_by_engine(1))
    assert queue.jobs.verdicts[Verdict.GOOD] == 2
    assert queue.retry("x").refusal == Refusal(Why.NOT_ENDED, "x")
    assert queue.retry("*").names == ("y",)
    assert queue.jobs.verdicts[Verdict.GOOD] == 1
    assert queue.jobs.counts[State.DONE] == 1
    assert queue.retry("y").refusal == Refusal(Why.NOT_ENDED, "y"), "it waits already"


def kind(name: str) -> bool | None:
    """What a job has in common with others; some have nothing."""
    return None if name.startswith("e") else name < "c"


class History(RuleBasedStateMachine):
    """Random histories: people ask, workers report, also what no longer makes sense."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: set[str] = set()

    @initialize(pack=st.integers(1, 3))
    def start(self, pack: int) -> None:
        self.queue = Queue(retries=1, pack=pack, kind=kind)
        self.behind: set[str] = set()

    names = st.sampled_from(["a", "b", "c:1", "c_1", "d-x", "e~2"])
    workers = st.integers(1, 3)

    @rule(names=st.lists(names, max_size=3))
    def append(self, names: list[str]) -> None:
        self.ever |= set(self.queue.append(names).names)

    @rule(names=st.lists(names, max_size=3))
    def prepend(self, names: list[str]) -> None:
        before = list(self.queue.waiting)
        reply = list(self.queue.prepend(names).names)
        self.ever |= set(reply)
        assert len(reply) == len({file_name(name) for name in names})
        rest = [name for name in before if name not in reply]
        assert list(self.queue.waiting) == reply + rest
        self.behind -= set(reply)

    @rule(names=st.lists(st.sampled_from(["x", "y:1", "y_1"]), max_size=3))
    def follow_up(self, names: list[str]) -> None:
        before = list(self.queue.waiting)
        new = self.queue.follow_up(names).names
        assert {file_name(name) for name in new}.isdisjoint(map(file_name, self.ever))
        assert list(self.queue.waiting) == [*before, *new]
        self.ever |= set(new)
        self.behind |= set(new)

    @rule(item=st.sampled_from(["0", "1", "a", "c*", "*", "zzz", "[", "[!a]*"]))
    def remove(self, item: str) -> None:
        before = list(self.queue.waiting)
        removed = [record.name for record in self.queue.remove(item).records]
        assert list(self.queue.waiting) == [name for name in before if name not in removed]

    @rule(name=st.none() | names)
    def stop(self, name: str | None) -> None:
        self.queue.stop(name)

    @rule(item=names | st.sampled_from(["*", "c*", "[", "0"]))
    def retry(self, item: str) -> None:
        self.queue.retry(item)

    @rule(how=st.sampled_from(["pause", "resume", "drain", "kill"]))
    def switch(self, how: str) -> None:
        getattr(self.queue, how)()

    @rule(worker=workers)
    def join(self, worker: int) -> None:
        self.queue.joined(worker)

    @rule(worker=workers)
    def leave(self, worker: int) -> None:
        self.queue.gone(worker, "gone")

    @rule()
    def assign(self) -> None:
        before = dict(self.queue.waiting)
        alone = self.queue.alone
        for names in [cast(Give, order).names for order in self.queue.assign().instructions]:
            others = [name for name in before if name not in alone]
            assert names[0] == (others or list(before))[0]
            assert len(names) == 1 or not alone & {*names}
            assert [name for name in before if name in names] == list(names)
            if len(names) > 1:
                assert len(names) <= self.queue.pack
                assert {kind(name) for name in names} == {kind(names[0])} != {None}
                assert not any(before[name] or name in self.queue.unpacked for name in names)
            before = {name: tries for name, tries in before.items() if name not in names}
        assert before == self.queue.waiting
        held = self.queue.is_paused or self.queue.is_draining
        waits = alone & {*self.queue.running} or {*self.queue.waiting} <= alone
        held = held or (waits and bool(self.queue.running))
        assert held or not (self.queue.idle and self.queue.waiting)

    @precondition(lambda self: self.queue.waiting)
    @rule(kind=st.sampled_from(["alone", "unpacked"]), place=st.integers(0, 5))
    def set_apart(self, kind: str, place: int) -> None:
        waiting = list(self.queue.waiting)
        getattr(self.queue, kind).add(waiting[place % len(waiting)])

    @rule(worker=workers, name=names, how=st.sampled_from(["done", "stopped"]))
    def end(self, worker: int, name: str, how: str) -> None:
        getattr(self.queue, how)(worker, name)

    @rule(worker=workers, name=names, how=st.sampled_from(["failed", "lost"]))
    def fail(self, worker: int, name: str, how: str) -> None:
        getattr(self.queue, how)(worker, name, "because")

    @precondition(lambda self: self.queue.running)
    @rule(how=st.sampled_from(["done", "failed", "stopped", "lost"]))
    def end_first(self, how: str) -> None:
        name, run = next(iter(self.queue.running.items()))
        extra = ("because",) if how in ("failed", "lost") else ()
        assert len(getattr(self.queue, how)(run.worker, name, *extra).records) == 1

    @invariant()
    def what_runs_alone_has_no_company(self) -> None:
        running = self.queue.running
        assert len(running) < 2 or self.queue.alone.isdisjoint(running)

    @invariant()
    def what_follows_waits_behind(self) -> None:
        places = [name in self.behind for name in self.queue.waiting]
        assert places == sorted(places)

    @invariant()
    def every_job_is_in_one_state(self) -> None:
        queue = self.queue
        assert {file_name(name) for name in queue.jobs.names} == {
            file_name(name) for name in self.ever
        }
        assert not set(queue.waiting) & set(queue.running)
        for state, names in ((State.WAITING, queue.waiting), (State.RUNNING, queue.running)):
            held = {name for name in queue.jobs.names if queue.jobs.of(name) is state}
            assert held == set(names)
        assert +queue.jobs.counts == Counter(map(queue.jobs.of, queue.jobs.names))

    @rule(worker=workers, name=names)
    def lose_innocently(self, worker: int, name: str) -> None:
        run = self.queue.running.get(name)
        records = self.queue.lost(worker, name, "beside", is_innocent=True).records
        if records and not run.is_stopping:
            assert self.queue.waiting[name] == run.attempt - 1

    @invariant()
    def every_worker_is_busy_or_idle(self) -> None:
        busy = Counter(run.worker for run in self.queue.running.values())
        assert +self.queue.loads == busy
        assert max(busy.values(), default=0) <= self.queue.pack
        assert not set(busy) & set(self.queue.idle)
        assert set(busy) | set(self.queue.idle) == self.queue.workers

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert all(run.attempt <= 2 for run in self.queue.running.values())


History.TestCase.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
TestHistory = History.TestCase
