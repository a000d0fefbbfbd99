"""Print-outs: SPRING's formats, character for character."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from spring_mpi.model.outcome import State
from spring_mpi.rank0.console import (
    device_lines,
    duration,
    info_lines,
    reply_lines,
    status_lines,
)
from spring_mpi.rank0.decisions import Decision, Record, Refusal, Why
from spring_mpi.rank0.queue import Queue
from spring_mpi.worker.messages import Ready

PIDS = ["197-10-14558540587", "250-23-14565026066", "71-1-14546865407", "19-7-14541946795"]
TAGS = ["suppsize:80", "suppsize:100", "suppsize:120"]


def running_queue(names: Iterable[str], workers: int = 1) -> Queue:
    queue = Queue()
    queue.append(names)
    for worker in range(1, workers + 1):
        queue.joined(worker)
    queue.assign()
    return queue


def test_info_with_waiting_jobs() -> None:
    """The running job, the number of waiting ones, then each with its position."""
    assert info_lines(running_queue(PIDS)) == [
        "Running: 197-10-14558540587",
        "Execution queue (3 total):",
        "0: 250-23-14565026066",
        "1: 71-1-14546865407",
        "2: 19-7-14541946795",
    ]


def test_info_after_prepend() -> None:
    """The prepended job is number 0, the running one goes on."""
    queue = running_queue(PIDS)
    queue.prepend(["190-1769647347"])
    assert info_lines(queue)[:3] == [
        "Running: 197-10-14558540587",
        "Execution queue (4 total):",
        "0: 190-1769647347",
    ]


def test_the_pages_removals() -> None:
    """Twelve tagged jobs, two removals by wildcard: what is left is what the page shows."""
    queue = running_queue([f"{pid}-{tag}" for pid in PIDS for tag in TAGS])
    assert reply_lines(queue.remove("71-*")) == tuple(
        f"Removing 71-1-14546865407-{tag} from queue" for tag in TAGS
    )
    assert reply_lines(queue.remove("*suppsize:100")) == (
        "Removing 197-10-14558540587-suppsize:100 from queue",
        "Removing 250-23-14565026066-suppsize:100 from queue",
        "Removing 19-7-14541946795-suppsize:100 from queue",
    )
    assert info_lines(queue) == [
        "Running: 197-10-14558540587-suppsize:80",
        "Execution queue (5 total):",
        "0: 197-10-14558540587-suppsize:120",
        "1: 250-23-14565026066-suppsize:80",
        "2: 250-23-14565026066-suppsize:120",
        "3: 19-7-14541946795-suppsize:80",
        "4: 19-7-14541946795-suppsize:120",
    ]


def test_kill() -> None:
    """Removal lines first, then the line of the running job, which has no name and no full stop."""
    assert reply_lines(running_queue(PIDS).kill()) == (
        *(f"Removing {pid} from queue" for pid in PIDS[1:]),
        "Terminating running MPR process... Done",
    )


def test_stop_of_several_names_them() -> None:
    """With several running jobs each line has its name."""
    assert reply_lines(running_queue("ab", workers=2).stop()) == (
        "Terminating running MPR process a... Done",
        "Terminating running MPR process b... Done",
    )


def test_jobs_that_wait_again() -> None:
    """However they came into the queue."""
    queue = running_queue("abc")
    assert reply_lines(queue.append("a")) == ("Adding a~2 to queue",)
    assert reply_lines(queue.prepend("cd")) == ("Adding c to queue", "Adding d to queue")
    queue.remove("b")
    assert reply_lines(queue.retry("b")) == ("Adding b to queue",)


def test_modes() -> None:
    """What runs and how much waits, in a line."""
    queue = running_queue("abc")
    assert reply_lines(queue.pause()) == ("Paused: a running, 2 jobs waiting",)
    assert reply_lines(queue.resume()) == ("Resumed: a running, 2 jobs waiting",)
    assert reply_lines(Queue().drain()) == ("Draining: nothing running, 0 jobs waiting",)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda queue: queue.remove("x{}*"), "No job matching x{}* in queue"),
        (lambda queue: queue.stop("b"), "No job matching b is running"),
        (
            lambda queue: queue.retry("a"),
            "No such job has failed, was removed or stopped, or is of an earlier engine",
        ),
        (lambda queue: queue.resume(), "The campaign is not paused"),
    ],
)
def test_refusals(ask: Callable[..., Any], line: str) -> None:
    """Why nothing could be done."""
    assert reply_lines(ask(running_queue("ab"))) == (line,)


@pytest.mark.parametrize("why", Why)
def test_every_refusal_has_words(why: Why) -> None:
    """One line at most: of kill without any job SPRING says nothing."""
    lines = reply_lines(Decision(refusal=Refusal(why, "x")))
    assert len(lines) == (why is not Why.NO_JOBS)


BY_WORKERS = (State.RUNNING, State.DONE, State.FAILED, State.STOPPED)


@pytest.mark.parametrize("state", [state for state in State if state not in BY_WORKERS])
def test_every_state_that_people_can_ask_for_has_words(state: State) -> None:
    """A new state gets its phrase, or the reply of its verb would fail after the queue changed."""
    assert reply_lines(Decision((Record("a", state),)))


def test_info_of_a_queue_that_stands_still() -> None:
    """It says why, and what would change that."""
    queue = running_queue(PIDS)
    queue.pause()
    assert info_lines(queue)[1] == "Paused: no job is given out until resume."
    queue.resume()
    queue.drain()
    assert info_lines(queue)[1].startswith("Draining: no job is given out")


def test_info_of_an_empty_queue() -> None:
    """Nothing runs, nothing waits."""
    assert info_lines(Queue()) == ["Idle.", "Empty queue."]
    assert info_lines(running_queue(["190-1769647347"])) == [
        "Running: 190-1769647347",
        "Empty queue.",
    ]


def test_info_of_a_long_queue() -> None:
    """The first hundred, then how many more; all on request."""
    queue = running_queue([str(number) for number in range(151)])
    assert info_lines(queue)[-2:] == ["99: 100", "... and 50 more"]
    assert info_lines(queue, everything=True)[-1] == "149: 150"


@pytest.mark.parametrize(
    ("percent", "cells"),
    [(0, 0), (4, 0), (5, 1), (9, 1), (10, 1), (25, 3), (26, 3), (34, 3), (95, 10), (100, 10)],
)
def test_progress_bar(percent: int, cells: int) -> None:
    """Ten cells, rounded half up."""
    queue = running_queue(["a"])
    queue.progressed(1, "a", percent / 100)
    bar = "#" * cells + "-" * (10 - cells)
    assert status_lines(queue)[-1] == f"RUNNING a [{bar}] {percent}%"


def test_status_of_several_workers() -> None:
    """One line per busy worker, the number of waiting jobs on the last; 21 dashes above."""
    queue = running_queue(["a", "b", "c"], workers=2)
    assert status_lines(queue) == [
        "- - - - - - - - - - - - - - - - - - - - -",
        "RUNNING a [----------] 0%",
        "RUNNING b [----------] 0% (1 queued)",
    ]


def test_idle_status() -> None:
    """Eleven dashes and IDLE."""
    assert status_lines(Queue()) == ["- - - - - - - - - - -", "IDLE"]


def test_device_lines() -> None:
    """As SPRING shows its GPUs; a processor has the number of its worker."""
    assert device_lines({2: Ready("vm", "AMD EPYC", 0.126)}) == [
        "Selected CPUs:",
        "- AMD EPYC on vm (Id: 2, load: 13%)",
    ]
    gpus = {1: Ready("n1", "NVIDIA H200", 0.0, 3), 2: Ready("n2", "NVIDIA H200", 0.07, 0)}
    assert device_lines(gpus) == [
        "Selected GPUs:",
        "- NVIDIA H200 on n1 (Id: 3, load: 0%)",
        "- NVIDIA H200 on n2 (Id: 0, load: 7%)",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (125, "2:05"), (3723, "1:02:03")]
)
def test_duration(seconds: float, text: str) -> None:
    """Minutes and seconds, hours where there are any."""
    assert duration(seconds) == text
