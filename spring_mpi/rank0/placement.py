"""Placement: which worker gets which GPU and which processors; a pure decision of rank 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ..errors import LaunchError
from ..launch.devices import Gpu
from ..worker.inventory import Inventory
from ..worker.messages import Equipment


def place(
    workers: Mapping[int, Inventory], common: Equipment, version: str
) -> dict[int, Equipment]:
    """Give every rank its host, GPU and processors.

    Workers take turns at the GPUs that they see, the least used first; between equals, in the
    order that the scheduler gave, or the least loaded where it gave none. A GPU is known by its
    UUID, so that it does not matter whether ranks see one GPU each or all of their node's.

    Parameters
    ----------
    workers
        Of every rank.
    common
        What the config gives to all of them.
    version
        Of spring-mpi on rank 0.

    Raises
    ------
    LaunchError
        If the ranks run different versions, do not share the run directory, or are more than the
        GPUs can take.
    """
    _refuse_unfit(workers, version)
    gpus = _share_out(workers, common)
    cpus = _pinned(workers, common.threads)
    return {
        rank: replace(
            common,
            # To its child, the GPU is the only one, number 0.
            device="cuda" if rank in gpus and common.device != "auto" else common.device,
            host=worker.host,
            gpu=gpus.get(rank),
            cpus=cpus.get(rank, ()),
        )
        for rank, worker in workers.items()
    }


def _refuse_unfit(workers: Mapping[int, Inventory], version: str) -> None:
    for rank, worker in workers.items():
        if worker.version != version:
            raise LaunchError(
                f"rank {rank} on {worker.host} runs spring-mpi {worker.version}, rank 0 runs "
                f"{version}: let every node use the same environment"
            )
        if worker.disk_fault:
            raise LaunchError(f"rank {rank} on {worker.host}: {worker.disk_fault}")
        if not worker.sees_rundir:
            raise LaunchError(
                f"rank {rank} on {worker.host} does not see the run directory of rank 0: choose "
                "an output on a file system that all nodes share"
            )


def _share_out(workers: Mapping[int, Inventory], common: Equipment) -> dict[int, Gpu]:
    """A GPU for every rank that sees one."""
    candidates = {rank: _candidates(worker, common.device) for rank, worker in workers.items()}
    users: Counter[str] = Counter()
    chosen: dict[int, Gpu] = {}
    # Who has less choice chooses first.
    for rank in sorted(workers, key=lambda rank: (len(candidates[rank]), rank)):
        if not candidates[rank]:
            continue
        chosen[rank] = gpu = min(candidates[rank], key=lambda gpu: users[gpu.uuid])
        users[gpu.uuid] += 1
        if users[gpu.uuid] > common.sharers:
            raise _too_many(rank, workers, candidates, common)
    return chosen


def _candidates(worker: Inventory, device: str) -> Sequence[Gpu]:
    """The GPUs that a rank may get, best first."""
    kind, _, ordinal = device.partition(":")
    if kind == "cpu":
        return ()
    if ordinal:
        return worker.gpus[int(ordinal) : int(ordinal) + 1]
    if worker.has_own_gpus:
        return worker.gpus
    return sorted(worker.gpus, key=lambda gpu: (gpu.load, gpu.id))


def _too_many(
    rank: int,
    workers: Mapping[int, Inventory],
    candidates: Mapping[int, Sequence[Gpu]],
    common: Equipment,
) -> LaunchError:
    worker = workers[rank]
    here = [
        other for other, found in workers.items() if found.node == worker.node and candidates[other]
    ]
    present = len({gpu.uuid for other in here for gpu in candidates[other]})
    enough = -(-len(here) // present)
    gpus = "1 GPU" if present == 1 else f"{present} GPUs"
    return LaunchError(
        f"{len(here)} workers on {worker.host} are too many for {gpus} (workers.per_device: "
        f"{common.sharers}): start at most {present * common.sharers} workers there, or set "
        f"workers.per_device: {enough}"
    )


def _pinned(workers: Mapping[int, Inventory], threads: int) -> dict[int, tuple[int, ...]]:
    """As many processors as threads for every rank of a node that owns enough of them.

    Ranks that differ in their processors were bound by their launcher; that holds.
    """
    pinned: dict[int, tuple[int, ...]] = {}
    for node in {worker.node for worker in workers.values()}:
        here = [rank for rank, worker in sorted(workers.items()) if worker.node == node]
        owned = {workers[rank].cpus for rank in here}
        cpus = owned.pop()
        if not owned and len(here) * threads <= len(cpus):
            for number, rank in enumerate(here):
                pinned[rank] = cpus[number * threads : (number + 1) * threads]
    return pinned


def table(placed: Mapping[int, Equipment]) -> Iterator[str]:
    """A line for every worker."""
    for worker, equipment in sorted(placed.items()):
        gpu, cpus = equipment.gpu, equipment.cpus
        words = [f"GPU {gpu.shown_id}, {gpu.name}, {gpu.uuid}"] if gpu else []
        words += [f"processors {_ranges(cpus)}"] if cpus else []
        found = "; ".join(words) or "what its process finds"
        yield f"worker {worker} on {equipment.host}: {found}"


def _ranges(numbers: Sequence[int]) -> str:
    """As ``0-3,8``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
