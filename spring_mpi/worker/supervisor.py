"""A worker: supervises one child, passes orders down and reports up, and never waits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import ClassVar

from ..launch.devices import VISIBLE_DEVICES
from ..launch.environment import MPI_PREFIXES
from .messages import (
    Alive,
    Assign,
    Cancel,
    Done,
    Equipment,
    Failed,
    Gone,
    Lost,
    Order,
    Printed,
    Quit,
    Ready,
    Report,
    Stopped,
)
from .printout import Printout

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_MOST_FAILED_STARTS = 5
"""In a row, without one that got ready: the next would fail, too."""
_START_SECONDS = 300.0
"""Until a child is hung that is still starting: libraries and drivers load slowly on many nodes."""
_END_SECONDS = 10.0
"""Until a child that closed its connection is killed."""
_SHARED_PERCENT = 90
"""Of a GPU's memory, shared by the pools of its workers; CUDA itself needs the rest."""


class Worker:
    """One child at a time; a dead one is replaced.

    Parameters
    ----------
    equipment
        Device, threads and timeout.
    clock
        Seconds on a clock that only goes forward.
    """

    def __init__(self, equipment: Equipment, clock: Callable[[], float]) -> None:
        self._equipment, self._clock = equipment, clock
        self._jobs: list[str] = []
        self._failed_starts = 0
        self._child: Child | None = None
        self._is_over = False
        self._last_heard = clock()

    def send(self, order: Order) -> list[Report]:
        """Carry out an order; the reports that follow at once."""
        match order:
            case Assign(jobs):
                self._jobs = [job.name for job in jobs]
                self._last_heard = self._clock()
                if self._child is not None:
                    self._child.send(order)
            case Cancel(name) if name in self._jobs:
                return self._cancel(name)
            case Quit():
                self._is_over = True
                self.close()
        return []

    def poll(self) -> list[Report]:
        """What the child said since the last call, its death included."""
        if self._is_over:
            return []
        if self._child is None:
            return self._start()
        # In this order: what a dying child said and printed last is still in the pipes.
        was_alive = self._child.is_alive
        if not was_alive:
            self._child.await_end()
        reports = self._listen(self._child)
        if any(isinstance(report, Gone) for report in reports):
            self._is_over = True
            self.close()
            return reports
        if not was_alive:
            return [*reports, *self._replace(self._child.ending())]
        if self._is_hung():
            silence = self._clock() - self._last_heard
            return [*reports, *self._replace(f"no progress for {silence:.0f} s")]
        return reports

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _cancel(self, name: str) -> list[Report]:
        """Stop a job, unless its result is already complete."""
        reports = self._listen(self._child) if self._child is not None else []
        if name not in self._jobs:
            return reports
        self._jobs.remove(name)
        stopped = [*reports, Stopped(name)]
        stopped += [
            Lost(other, "a job beside it was stopped", is_innocent=True) for other in self._jobs
        ]
        self._jobs = []
        self.close()
        return [*stopped, *self._start()]

    def _listen(self, child: Child) -> list[Report]:
        """Everything that the child said and printed, without its `Alive` reports."""
        reports = child.receive()
        if text := child.printed():
            reports.append(Printed(text))
        for report in reports:
            if not isinstance(report, Printed):
                self._last_heard = self._clock()
            if isinstance(report, Ready):
                self._failed_starts = 0
            elif isinstance(report, Done | Failed) and report.name in self._jobs:
                self._jobs.remove(report.name)
        return [report for report in reports if not isinstance(report, Alive)]

    def _is_hung(self) -> bool:
        """Nothing heard for too long; a child that is still starting has a limit of its own."""
        is_ready = self._child is not None and self._child.was_ready
        longest = self._equipment.timeout if is_ready else _START_SECONDS
        return bool(self._jobs) and self._clock() - self._last_heard > longest

    def _replace(self, reason: str) -> list[Report]:
        """A new child; the jobs of the old one are lost."""
        lost: list[Report] = [Lost(name, reason) for name in self._jobs]
        was_ready = self._child is not None and self._child.was_ready
        self.close()
        self._jobs = []
        self._failed_starts = 0 if was_ready else self._failed_starts + 1
        if self._failed_starts >= _MOST_FAILED_STARTS:
            self._is_over = True
            return [*lost, Gone(f"its child cannot start: {reason}")]
        return [*lost, *self._start()]

    def _start(self) -> list[Report]:
        try:
            self._child = Child(self._equipment)
        except OSError as fault:
            self._is_over = True
            return [Gone(f"no child can be started: {fault}")]
        self._last_heard = self._clock()
        return []


class Child:
    """A child process, the connection to it, and what it prints."""

    program: ClassVar[tuple[str, ...]] = ("-m", "spring_mpi.worker.child")
    """What Python runs; arguments: connection's descriptor, worker's process, device, threads."""

    def __init__(self, equipment: Equipment) -> None:
        # Not stdin and stdout: what libraries print must not come between the messages.
        ours, theirs = socket.socketpair()
        arguments = [theirs.fileno(), os.getpid(), equipment.device, equipment.threads]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-u", *self.program, *map(str, arguments)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=child_environment(os.environ, equipment),
            )
        if equipment.cpus:
            # At once: the threads of its libraries, which come later, inherit this.
            with suppress(OSError):
                os.sched_setaffinity(self._process.pid, equipment.cpus)
        assert self._process.stdout is not None
        self._printout = Printout(self._process.stdout)
        self._connection = Connection(ours.detach())
        self.was_ready = False
        self._is_open = True

    @property
    def is_alive(self) -> bool:
        return self._is_open and self._process.poll() is None

    def send(self, order: Order) -> None:
        """Send an order; where the child is gone, it is no longer alive."""
        try:
            self._connection.send(order)
        except OSError:
            self._is_open = False

    def receive(self) -> list[Report]:
        """Everything that has arrived; what a dying child sent last is not lost."""
        reports: list[Report] = []
        try:
            while self._connection.poll():
                reports.append(self._connection.recv())
        except (EOFError, OSError):
            self._is_open = False
        self.was_ready |= any(isinstance(report, Ready) for report in reports)
        return reports

    def printed(self) -> str:
        """The lines that it wrote on stdout and stderr since the last call."""
        return self._printout.read()

    def await_end(self) -> None:
        """Wait for a child that closed its connection, by force where it does not end."""
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ending(self) -> str:
        """How a dead child ended."""
        code = self._process.wait()
        if code >= 0:
            last = self._printout.last_line
            return f"its child ended with exit code {code}" + (f" ({last})" if last else "")
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"its child was killed by {name}{hint}"

    def kill(self) -> None:
        """End it now, and wait until the system has taken it back."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
        self._printout.close()


def child_environment(environment: Mapping[str, str], equipment: Equipment) -> dict[str, str]:
    """The worker's environment, with its threads and GPU, without what would let it join MPI."""
    made = {name: value for name, value in environment.items() if not name.startswith(MPI_PREFIXES)}
    made |= dict.fromkeys(_THREADS, str(equipment.threads))
    # What a user's loader prints must not fail in a locale that knows ASCII only.
    made["PYTHONIOENCODING"] = "utf-8:backslashreplace"
    if equipment.gpu is not None:
        made[VISIBLE_DEVICES] = equipment.gpu.uuid
    if equipment.sharers > 1:
        made["CUPY_GPU_MEMORY_LIMIT"] = f"{_SHARED_PERCENT // equipment.sharers}%"
    return made
