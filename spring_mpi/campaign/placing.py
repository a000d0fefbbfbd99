"""Asking the workers what they have, and placing them."""

from __future__ import annotations

from importlib.metadata import version

from ..config.sections import Config
from ..rank0.placement import place
from ..rank0.transport import Transport
from ..rundir.lock import Lock
from ..rundir.paths import RunDirectory
from ..worker.inventory import InventoryRequest
from ..worker.messages import Equipment


def placed(
    config: Config, transport: Transport, rundir: RunDirectory | None = None
) -> dict[int, Equipment]:
    """What every worker is given.

    Parameters
    ----------
    rundir
        Held by us, and to be seen by every worker; None: the workers need not see it.

    Raises
    ------
    LaunchError
        See `spring_mpi.rank0.placement.place`.
    """
    request = InventoryRequest(
        wants_gpus=config.workers.device != "cpu",
        lock=str(rundir.lock) if rundir else "",
        holder=Lock(rundir.lock).read() if rundir else None,
    )
    workers = config.workers
    common = Equipment(workers.device, workers.threads, workers.timeout, workers.per_device)
    return place(transport.inventories(request), common, version("spring-mpi"))
