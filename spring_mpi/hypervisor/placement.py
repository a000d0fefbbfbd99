"""Placement: which worker gets which GPU and which processors; a pure decision of rank 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..devices import Gpu
from ..errors import LaunchError
from .messages import Equipment
from .seat import Seat


@dataclass(frozen=True)
class Need:
    """What a worker is to have, as the config says."""

    device: str
    """``auto``, ``cpu``, ``cuda`` or ``cuda:K``."""
    per_device: int = 1
    threads: int = 1
    timeout: float = 600.0


@dataclass(frozen=True)
class Place:
    """What one worker gets."""

    host: str
    gpu: Gpu | None = None
    """None: a processor, or whatever GPU its child finds."""
    cpus: tuple[int, ...] = ()
    """Processors to which its threads are bound; empty: none."""

    @property
    def is_chosen(self) -> bool:
        """Whether there was anything to choose."""
        return self.gpu is not None or bool(self.cpus)

    def equipment(self, need: Need) -> Equipment:
        """For its child, to which its GPU is the only one."""
        device = need.device
        if self.gpu is not None and device != "auto":
            device = "cuda"
        return Equipment(
            device, need.threads, need.timeout, self.gpu.uuid if self.gpu else None,
            need.per_device, self.cpus,
        )  # fmt: skip

    def __str__(self) -> str:
        words = [f"GPU {self.gpu.shown_id}, {self.gpu.name}, {self.gpu.uuid}"] if self.gpu else []
        words += [f"processors {_ranges(self.cpus)}"] if self.cpus else []
        return f"{self.host}: {'; '.join(words) or 'what its process finds'}"


def place(seats: Mapping[int, Seat], need: Need, version: str) -> dict[int, Place]:
    """Give every worker its place.

    Workers take turns at the GPUs that they see, the least used first; between equals, in the
    order that the scheduler gave, or the least loaded where it gave none. A GPU is known by its
    UUID, so that it does not matter whether ranks see one GPU each or all of their node's.

    Parameters
    ----------
    seats
        Of every worker.
    version
        Of spring-mpi on rank 0.

    Raises
    ------
    LaunchError
        If the ranks run different versions, do not share the run directory, or are more than the
        GPUs can take.
    """
    _refuse_strangers(seats, version)
    gpus = _share_out(seats, need)
    cpus = _pinned(seats, need.threads)
    return {
        worker: Place(seat.host, gpus.get(worker), cpus.get(worker, ()))
        for worker, seat in seats.items()
    }


def _refuse_strangers(seats: Mapping[int, Seat], version: str) -> None:
    for worker, seat in seats.items():
        if seat.version != version:
            raise LaunchError(
                f"rank {worker} on {seat.host} runs spring-mpi {seat.version}, rank 0 runs "
                f"{version}: let every node use the same environment"
            )
        if seat.disk_fault:
            raise LaunchError(f"rank {worker} on {seat.host}: {seat.disk_fault}")
        if not seat.sees_rundir:
            raise LaunchError(
                f"rank {worker} on {seat.host} does not see the run directory of rank 0: choose "
                "an output on a file system that all nodes share"
            )


def _share_out(seats: Mapping[int, Seat], need: Need) -> dict[int, Gpu]:
    """A GPU for every worker that sees one."""
    candidates = {worker: _candidates(seat, need.device) for worker, seat in seats.items()}
    users: Counter[str] = Counter()
    chosen: dict[int, Gpu] = {}
    # Who has less choice chooses first.
    for worker in sorted(seats, key=lambda one: (len(candidates[one]), one)):
        if not candidates[worker]:
            continue
        chosen[worker] = gpu = min(candidates[worker], key=lambda one: users[one.uuid])
        users[gpu.uuid] += 1
        if users[gpu.uuid] > need.per_device:
            raise _too_many(worker, seats, candidates, need)
    return chosen


def _candidates(seat: Seat, device: str) -> Sequence[Gpu]:
    """The GPUs that a worker may get, best first."""
    kind, _, ordinal = device.partition(":")
    if kind == "cpu":
        return ()
    if ordinal:
        return seat.gpus[int(ordinal) : int(ordinal) + 1]
    if seat.has_own_gpus:
        return seat.gpus
    return sorted(seat.gpus, key=lambda gpu: (gpu.load, gpu.id))


def _too_many(
    worker: int,
    seats: Mapping[int, Seat],
    candidates: Mapping[int, Sequence[Gpu]],
    need: Need,
) -> LaunchError:
    seat = seats[worker]
    here = [one for one in seats if seats[one].node == seat.node and candidates[one]]
    present = len({gpu.uuid for one in here for gpu in candidates[one]})
    enough = -(-len(here) // present)
    gpus = "1 GPU" if present == 1 else f"{present} GPUs"
    return LaunchError(
        f"{len(here)} workers on {seat.host} are too many for {gpus} (workers.per_device: "
        f"{need.per_device}): start at most {present * need.per_device} workers there, or set "
        f"workers.per_device: {enough}"
    )


def _pinned(seats: Mapping[int, Seat], threads: int) -> dict[int, tuple[int, ...]]:
    """As many processors as threads for every worker of a node that owns enough of them.

    Ranks that differ in their processors were bound by their launcher; that holds.
    """
    pinned: dict[int, tuple[int, ...]] = {}
    for node in {seat.node for seat in seats.values()}:
        here = [worker for worker, seat in sorted(seats.items()) if seat.node == node]
        owned = {seats[worker].cpus for worker in here}
        cpus = owned.pop()
        if not owned and len(here) * threads <= len(cpus):
            for number, worker in enumerate(here):
                pinned[worker] = cpus[number * threads : (number + 1) * threads]
    return pinned


def table(places: Mapping[int, Place]) -> Iterator[str]:
    """A line for every worker."""
    for worker, one in sorted(places.items()):
        yield f"worker {worker} on {one}"


def _ranges(numbers: Sequence[int]) -> str:
    """As ``0-3,8``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
