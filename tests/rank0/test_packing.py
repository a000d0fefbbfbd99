"""Jobs that a worker does at once: which go together, and what becomes of them."""

from __future__ import annotations

from typing import cast

from spring_mpi.rank0.decisions import Give
from spring_mpi.rank0.queue import Queue


def packing(pack: int, *workers: int) -> Queue:
    """A queue with those workers; jobs are of the kind of their first letter, e of none."""
    queue = Queue(pack=pack, kind=lambda name: None if name[0] == "e" else name[0])
    queue.append(["a1", "b1", "a2", "b2", "a3", "b3", "e1", "e2"])
    for worker in workers:
        queue.joined(worker)
    return queue


def test_jobs_of_one_kind_go_together() -> None:
    """With the first waiting job go the next of its kind; those of no kind go alone."""
    queue = packing(3, 1)
    given = []
    while queue.waiting:
        (order,) = queue.assign().instructions
        assert isinstance(order, Give)
        given.append(order.names)
        for name in order.names:
            queue.done(1, name)
    assert given == [("a1", "a2", "a3"), ("b1", "b2", "b3"), ("e1",), ("e2",)]


def test_a_worker_is_idle_when_all_its_jobs_have_ended() -> None:
    """Whatever became of each of them."""
    queue = packing(3, 1)
    queue.assign()
    queue.done(1, "a1")
    queue.failed(1, "a2", "no")
    assert not queue.idle
    assert not queue.assign().instructions
    queue.stop("a3")
    queue.stopped(1, "a3")
    assert queue.assign().instructions == (Give(1, ("b1", "b2", "b3")),)


def test_nobody_takes_the_share_of_others() -> None:
    """Eight jobs and four workers: two for each, though three are allowed."""
    queue = packing(3, 1, 2, 3, 4)
    given = [cast(Give, order).names for order in queue.assign().instructions]
    assert given == [("a1", "a2"), ("b1", "b2"), ("a3",), ("b3",)]


def test_a_job_that_was_lost_is_tried_alone() -> None:
    """It may be the one that killed the child; a job beside it has lost no attempt."""
    queue = packing(3, 1)
    queue.assign()
    queue.lost(1, "a1", "killed")
    queue.lost(1, "a2", "a job beside it was stopped", is_innocent=True)
    queue.done(1, "a3")
    assert queue.assign().instructions == (Give(1, ("a2",)),)
    assert queue.running["a2"].attempt == 1
    queue.done(1, "a2")
    assert queue.assign().instructions == (Give(1, ("a1",)),)
    assert queue.running["a1"].attempt == 2
