"""Asking the workers what they have, and placing them."""

from __future__ import annotations

from importlib.metadata import version

from ..hypervisor.lock import Lock
from ..hypervisor.placement import Need, Place, place
from ..hypervisor.seat import Survey
from ..hypervisor.transport import Transport
from .rundir import RunDirectory
from .sections import Config


def need(config: Config) -> Need:
    """What a worker of this campaign is to have."""
    workers = config.workers
    return Need(workers.device, workers.per_device, workers.threads, workers.timeout)


def placed(
    config: Config, transport: Transport, rundir: RunDirectory | None = None
) -> dict[int, Place]:
    """The place of every worker.

    Parameters
    ----------
    rundir
        Held by us, and to be seen by every worker; None: the workers need not see it.

    Raises
    ------
    LaunchError
        See `spring_mpi.hypervisor.placement.place`.
    """
    survey = Survey(
        wants_gpus=config.workers.device != "cpu",
        lock=str(rundir.lock) if rundir else "",
        holder=Lock(rundir.lock).read() if rundir else None,
    )
    return place(transport.survey(survey), need(config), version("spring-mpi"))
