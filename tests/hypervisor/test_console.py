"""Print-outs: SPRING's formats, character for character."""

from __future__ import annotations

import pytest

from spring_mpi.hypervisor.console import device_lines, duration, info_lines, status_lines
from spring_mpi.hypervisor.messages import Ready
from spring_mpi.hypervisor.queue import Queue

PIDS = ["197-10-14558540587", "250-23-14565026066", "71-1-14546865407", "19-7-14541946795"]
TAGS = ["suppsize:80", "suppsize:100", "suppsize:120"]


def running_queue(names, workers=1):
    queue = Queue()
    queue.append(names)
    for worker in range(1, workers + 1):
        queue.joined(worker)
    queue.assign()
    return queue


def test_info_with_waiting_jobs():
    """The running job, the number of waiting ones, then each with its position."""
    assert info_lines(running_queue(PIDS)) == [
        "Running: 197-10-14558540587",
        "Execution queue (3 total):",
        "0: 250-23-14565026066",
        "1: 71-1-14546865407",
        "2: 19-7-14541946795",
    ]


def test_info_after_prepend():
    """The prepended job is number 0, the running one goes on."""
    queue = running_queue(PIDS)
    queue.prepend(["190-1769647347"])
    assert info_lines(queue)[:3] == [
        "Running: 197-10-14558540587",
        "Execution queue (4 total):",
        "0: 190-1769647347",
    ]


def test_the_pages_removals():
    """Twelve tagged jobs, two removals by wildcard: what is left is what the page shows."""
    queue = running_queue([f"{pid}-{tag}" for pid in PIDS for tag in TAGS])
    assert queue.remove("71-*").reply == tuple(
        f"Removing 71-1-14546865407-{tag} from queue" for tag in TAGS
    )
    assert queue.remove("*suppsize:100").reply == (
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


def test_info_of_a_queue_that_stands_still():
    """It says why, and what would change that."""
    queue = running_queue(PIDS)
    queue.pause()
    assert info_lines(queue)[1] == "Paused: no job is given out until resume."
    queue.unpause()
    queue.drain()
    assert info_lines(queue)[1].startswith("Draining: no job is given out")


def test_info_of_an_empty_queue():
    """Nothing runs, nothing waits."""
    assert info_lines(Queue()) == ["Idle.", "Empty queue."]
    assert info_lines(running_queue(["190-1769647347"])) == [
        "Running: 190-1769647347",
        "Empty queue.",
    ]


def test_info_of_a_long_queue():
    """The first hundred, then how many more; all on request."""
    queue = running_queue([str(number) for number in range(151)])
    assert info_lines(queue)[-2:] == ["99: 100", "... and 50 more"]
    assert info_lines(queue, everything=True)[-1] == "149: 150"


@pytest.mark.parametrize(
    ("percent", "cells"),
    [(0, 0), (4, 0), (5, 1), (9, 1), (10, 1), (25, 3), (26, 3), (34, 3), (95, 10), (100, 10)],
)
def test_progress_bar(percent, cells):
    """Ten cells, rounded half up."""
    queue = running_queue(["a"])
    queue.progressed(1, "a", percent / 100)
    bar = "#" * cells + "-" * (10 - cells)
    assert status_lines(queue)[-1] == f"RUNNING a [{bar}] {percent}%"


def test_status_of_several_workers():
    """One line per busy worker, the number of waiting jobs on the last; 21 dashes above."""
    queue = running_queue(["a", "b", "c"], workers=2)
    assert status_lines(queue) == [
        "- - - - - - - - - - - - - - - - - - - - -",
        "RUNNING a [----------] 0%",
        "RUNNING b [----------] 0% (1 queued)",
    ]


def test_idle_status():
    """Eleven dashes and IDLE."""
    assert status_lines(Queue()) == ["- - - - - - - - - - -", "IDLE"]


def test_device_lines():
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
def test_duration(seconds, text):
    """Minutes and seconds, hours where there are any."""
    assert duration(seconds) == text
