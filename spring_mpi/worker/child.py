"""The child: the one process of a worker that touches the device, run as ``python -m``.

It dies with its worker, and when memory runs out the kernel takes it before the worker. A crash
or a kill therefore costs one child, never a rank.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SpringError
from ..rundir.disk_space import UnwritableError
from ..system.parent_death import die_with
from ..system.relayed_warnings import RelayedWarning, relaying_warnings
from .messages import Assign, Done, Failed, Gone, Job, Remark, Report, Unwritable

if TYPE_CHECKING:
    from .runner import Runner


def main(descriptor: int, parent: int, device: str, threads: int) -> None:
    """Run what comes through the connection until it is closed."""
    die_with(parent)
    # First when memory runs out; a container may forbid it, then the kernel chooses by size.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    for number in (signal.SIGINT, signal.SIGUSR1):
        # Sent to whole process groups; the worker decides what they mean for its child.
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()
    connection = _Connection(descriptor)
    with relaying_warnings(connection.tell):
        try:
            _serve(connection, device, threads)
        except SpringError as fault:
            connection.send(Gone(str(fault)))
        except (EOFError, BrokenPipeError):
            return


class _Connection(Connection):
    """One that several threads may send through: readers warn in threads of their own."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        # Reentrant: what warns while a message is pickled sends from within `send`.
        self._lock = threading.RLock()

    def send(self, message: Any) -> None:
        with self._lock:
            super().send(message)

    def tell(self, warning: RelayedWarning) -> None:
        """Pass a warning on; that nobody hears it is found out elsewhere."""
        with contextlib.suppress(OSError):
            self.send(warning)


def _serve(connection: Connection, device: str, threads: int) -> None:
    # The engine's libraries take half a second to load: the ties above come first.
    from .runner import Runner

    with Runner(device, threads) as runner:
        connection.send(runner.ready())
        while True:
            order = connection.recv()
            if isinstance(order, Assign):
                _carry_out(runner, order.jobs, connection)


def _carry_out(runner: Runner, jobs: tuple[Job, ...], connection: Connection) -> None:
    """Run the jobs; after a file that cannot be written the campaign ends, and none is begun."""
    job = jobs[0]
    try:
        for job in _left(runner, jobs, connection):
            connection.send(_attempt(runner, job, connection))
    except UnwritableError as fault:
        connection.send(Unwritable(job.name, str(fault)))


def _left(runner: Runner, jobs: tuple[Job, ...], connection: Connection) -> Sequence[Job]:
    """What is to be done one by one after as much as possible was done together."""
    ended: set[str] = set()

    def send(report: Report) -> None:
        if isinstance(report, Done | Failed):
            ended.add(report.name)
        connection.send(report)

    try:
        runner.run_together(jobs, send)
    except (EOFError, BrokenPipeError, UnwritableError):
        raise
    except Exception as fault:
        if not runner.is_usable():
            raise
        # Whose fault it is shows when each is tried alone.
        text = f"cannot run together with {len(jobs) - 1} more, now one by one: {fault}"
        connection.send(Remark(jobs[0].name, text, is_fault=True))
    return [job for job in jobs if job.name not in ended]


def _attempt(runner: Runner, job: Job, connection: Connection) -> Done | Failed:
    try:
        return runner.run(job, connection.send)
    except SpringError as fault:
        return Failed(job.name, str(fault))
    except (EOFError, BrokenPipeError, UnwritableError):
        raise
    except MemoryError as fault:
        hint = "lower global.popsize, or let fewer workers share this machine"
        return Failed(job.name, f"out of memory: {fault}; {hint}")
    except OSError as fault:
        return Failed(job.name, f"{fault.strerror or fault}: {fault.filename or job.result}")
    except Exception as fault:
        if not runner.is_usable():
            # Every further job would fail; a new process gets a new context.
            raise
        return Failed(job.name, f"{type(fault).__name__}: {fault}", traceback.format_exc())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
