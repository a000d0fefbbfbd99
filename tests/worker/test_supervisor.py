"""Workers with real children: crashes, kills and hangs cost a child and nothing else."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import TypeVar

import pytest

from spring_mpi.launch.devices import Gpu
from spring_mpi.worker.messages import Cancel, Equipment, Gone, Lost, Quit, Ready, Stopped
from spring_mpi.worker.supervisor import Worker, child_environment

T = TypeVar("T")


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A worker on this machine's CPU."""
    worker = Worker(Equipment(), time.monotonic)
    yield worker
    worker.close()


def wait_for(worker: Worker, kind: type[T], deadline: float = 30.0) -> T:
    """The first report of a kind."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        for report in worker.poll():
            if isinstance(report, kind):
                return report
        time.sleep(0.01)
    pytest.fail(f"no {kind.__name__} within {deadline} s")


def test_child_says_what_it_is(worker: Worker) -> None:
    """A child that is up names host and device."""
    ready = wait_for(worker, Ready)
    assert ready.host == os.uname().nodename
    assert 0 <= ready.load <= 1


def test_idle_child_is_replaced(worker: Worker) -> None:
    """A child that dies while idle is replaced without a lost job."""
    wait_for(worker, Ready)
    os.kill(worker._child._process.pid, signal.SIGKILL)
    wait_for(worker, Ready)


def test_device_that_is_not_there() -> None:
    """A child that cannot have its device says why, and the worker gives up at once."""
    worker = Worker(Equipment(device="cuda:7"), time.monotonic)
    reason = wait_for(worker, Gone).reason
    assert any(text in reason for text in ("no device cuda:7", "CuPy", "CUDA")), reason
    assert worker.poll() == []


def test_child_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """After five failed starts the worker gives up and says how they ended."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    worker = Worker(Equipment(), time.monotonic)
    assert wait_for(worker, Gone).reason == (
        "its child cannot start: its child ended with exit code 1"
    )


def test_quit_ends_the_child(worker: Worker) -> None:
    """After Quit there is no child, and the worker is silent."""
    wait_for(worker, Ready)
    pid = worker._child._process.pid
    worker.send(Quit())
    assert worker.poll() == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_child_environment() -> None:
    """A child cannot join MPI, and its libraries use the threads that it is given."""
    environment = {"PATH": "/bin", "OMPI_COMM_WORLD_RANK": "1", "PMIX_RANK": "1", "I_MPI_X": "y"}
    assert child_environment(environment, Equipment(threads=3)) == {
        "PATH": "/bin", "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3",
        "MKL_NUM_THREADS": "3", "NUMEXPR_NUM_THREADS": "3",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }  # fmt: skip


def test_the_gpu_of_a_child() -> None:
    """It sees its own GPU alone, and takes no more of the memory than its share."""
    gpu = Gpu(1, 1, "GPU-bb", "NVIDIA H200", 0.0)
    given = child_environment({"CUDA_VISIBLE_DEVICES": "0,1"}, Equipment(gpu=gpu, sharers=3))
    assert given["CUDA_VISIBLE_DEVICES"] == "GPU-bb"
    assert given["CUPY_GPU_MEMORY_LIMIT"] == "30%"
    assert child_environment({"CUDA_VISIBLE_DEVICES": "0,1"}, Equipment())[
        "CUDA_VISIBLE_DEVICES"
    ] == "0,1"  # fmt: skip


def test_threads_are_bound() -> None:
    """A child has the processors that it is given, and no others."""
    cpu = max(os.sched_getaffinity(0))
    worker = Worker(Equipment(cpus=(cpu,)), time.monotonic)
    wait_for(worker, Ready)
    assert os.sched_getaffinity(worker._child._process.pid) == {cpu}
    worker.close()


def test_stopping_is_no_failed_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose jobs are stopped before its child is up does not give up."""
    worker = Worker(Equipment(), time.monotonic)
    worker.poll()
    for _ in range(8):
        worker._jobs = ["a", "b"]
        assert worker.send(Cancel("a")) == [
            Stopped("a"),
            Lost("b", "a job beside it was stopped", is_innocent=True),
        ]
    wait_for(worker, Ready)
    worker.close()
