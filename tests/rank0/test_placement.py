"""Placement: every worker gets a GPU that it sees, and no GPU too many; else a clear refusal."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.errors import LaunchError
from spring_mpi.launch.devices import Gpu, visible
from spring_mpi.rank0.placement import place, table
from spring_mpi.worker.inventory import Inventory, own_cpus
from spring_mpi.worker.messages import Equipment
from spring_mpi.worker.supervisor import child_environment

CUDA = Equipment("cuda")


def gpu(name: str, load: float = 0.0) -> Gpu:
    """A GPU whose UUID ends with its name, such as ``a1``: the second of node a."""
    return Gpu(int(name[1:]), int(name[1:]), f"GPU-{name}", "NVIDIA H200", load)


def worker(node: str, *gpus: Gpu, has_own: bool = True, cpus: tuple[int, ...] = ()) -> Inventory:
    return Inventory(node, ord(node), "1", gpus, has_own, cpus)


def uuids(workers: dict[int, Inventory], common: Equipment = CUDA) -> dict[int, str]:
    """What `place` gives, without the common beginning."""
    placed = place(workers, common, "1")
    return {rank: given.gpu.uuid[4:] if given.gpu else "" for rank, given in placed.items()}


A, B = (gpu("a0"), gpu("a1")), (gpu("b0"), gpu("b1"))


def test_one_worker_per_gpu() -> None:
    """Over two nodes, all GPUs of each visible to all of its ranks."""
    workers = {
        1: worker("a", *A),
        2: worker("a", *A),
        3: worker("b", *B),
        4: worker("b", *B),
    }
    assert uuids(workers) == {1: "a0", 2: "a1", 3: "b0", 4: "b1"}


def test_one_gpu_for_each_rank() -> None:
    """``--gpus-per-task``: every rank sees its own GPU as number 0, and keeps it."""
    workers = {rank: worker("a", Gpu(0, 0, f"GPU-a{rank}", "X", 0.0)) for rank in range(1, 5)}
    assert uuids(workers) == {rank: f"a{rank}" for rank in range(1, 5)}


def test_the_least_loaded_where_none_is_assigned() -> None:
    busy = (gpu("a0", 0.9), gpu("a1", 0.1), gpu("a2", 0.5))
    assert uuids({1: worker("a", *busy, has_own=False)}) == {1: "a1"}
    assert uuids({1: worker("a", *busy)}) == {1: "a0"}


def test_workers_that_share() -> None:
    """``per_device`` workers on each GPU, and each knows with how many it shares."""
    workers = {rank: worker("a", *A) for rank in range(1, 5)}
    common = Equipment("cuda", sharers=2)
    assert uuids(workers, common) == {1: "a0", 2: "a1", 3: "a0", 4: "a1"}
    equipment = place(workers, common, "1")[3]
    assert (equipment.device, equipment.gpu, equipment.sharers) == ("cuda", A[0], 2)


@pytest.mark.parametrize(
    "names",
    [
        [f"MIG-{one}1982c2c-a3e9-54d0-b2dc-4f16bbb8a1e2" for one in "abc"],
        ["MIG-GPU-aa11/1/0", "MIG-GPU-aa11/2/0", "MIG-GPU-bb22/7/0"],
        ["GPU-bb22", "MIG-GPU-aa11/1/0", "MIG-GPU-aa11/2/0"],
    ],
)
def test_instances_one_by_one(names: list[str]) -> None:
    """What the scheduler lists, whole GPUs and parts of them, and its child sees one alone."""
    rows = [["0", "GPU-aa11", "H200", "[N/A]", "0", "9"], ["1", "GPU-bb22", "H200", "0", "0", "9"]]
    there = visible(rows, {"CUDA_VISIBLE_DEVICES": ",".join(names)})
    workers = {rank: worker("a", *there) for rank in (1, 2, 3)}
    placed = place(workers, CUDA, "1")
    equipment = [placed[rank] for rank in (1, 2, 3)]
    assert [given.gpu and given.gpu.uuid for given in equipment] == names
    assert {given.device for given in equipment} == {"cuda"}
    children = [child_environment({"CUDA_VISIBLE_DEVICES": "all"}, given) for given in equipment]
    assert [child["CUDA_VISIBLE_DEVICES"] for child in children] == names
    with pytest.raises(LaunchError, match="4 workers on a are too many for 3 GPUs"):
        place(workers | {4: workers[1]}, CUDA, "1")


def test_less_choice_chooses_first() -> None:
    """A rank that sees one GPU gets it, although a rank before it sees it, too."""
    assert uuids({1: worker("a", *A), 2: worker("a", A[0])}) == {1: "a1", 2: "a0"}


def test_a_chosen_ordinal() -> None:
    """``cuda:1`` is the second of every node; whoever has none is left to find out."""
    assert uuids({1: worker("a", *A), 2: worker("b", B[0])}, Equipment("cuda:1")) == {
        1: "a1",
        2: "",
    }


def test_processors() -> None:
    """``cpu`` takes no GPU; ``auto`` takes one where there is one."""
    workers = {1: worker("a", *A), 2: worker("c")}
    assert uuids(workers, Equipment("cpu")) == {1: "", 2: ""}
    assert uuids(workers, Equipment("auto")) == {1: "a0", 2: ""}
    assert place(workers, Equipment("auto"), "1")[1].device == "auto"


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 3))
def test_full_nodes_fit(gpus_per_node: list[int], per_device: int) -> None:
    """As many workers as GPUs x per_device always fit, equally; one more never does."""
    workers: dict[int, Inventory] = {}
    for node, number in zip("abcd", gpus_per_node, strict=False):
        there = worker(node, *(gpu(f"{node}{ordinal}") for ordinal in range(number)))
        for _ in range(number * per_device):
            workers[len(workers) + 1] = there
    common = Equipment("cuda", sharers=per_device)
    assert set(Counter(uuids(workers, common).values()).values()) == {per_device}
    workers[len(workers) + 1] = workers[1]
    with pytest.raises(LaunchError, match="are too many for"):
        place(workers, common, "1")


def test_too_many_workers() -> None:
    with pytest.raises(LaunchError) as refused:
        place({rank: worker("a", *A) for rank in range(1, 6)}, CUDA, "1")
    assert str(refused.value) == (
        "5 workers on a are too many for 2 GPUs (workers.per_device: 1): start at most 2 workers "
        "there, or set workers.per_device: 3"
    )


def test_another_version() -> None:
    with pytest.raises(LaunchError, match="rank 2 on b runs spring-mpi 1, rank 0 runs 2"):
        place({2: worker("b")}, CUDA, "2")


def test_another_file_system() -> None:
    blind = Inventory("b", 0, "1", sees_rundir=False)
    with pytest.raises(LaunchError, match="rank 7 on b does not see the run directory"):
        place({7: blind}, CUDA, "1")


def test_a_disk_with_a_fault_is_no_other_file_system() -> None:
    blind = Inventory(
        "b", 0, "1", sees_rundir=False, disk_fault="cannot read the lock x: I/O error"
    )
    with pytest.raises(LaunchError, match="rank 7 on b: cannot read the lock x: I/O error"):
        place({7: blind}, CUDA, "1")


@pytest.mark.parametrize(
    ("allowed", "total", "said", "own"),
    [
        ({4, 5}, 8, None, (4, 5)),
        ({0, 1}, 2, "2", (0, 1)),
        ({0, 1}, 2, "1", ()),
        ({0, 1}, 2, None, ()),
        ((), 8, None, ()),
    ],
)
def test_own_processors(
    allowed: set[int], total: int, said: str | None, own: tuple[int, ...]
) -> None:
    """Those that a scheduler confines us to, or says are all ours."""
    environment = {} if said is None else {"SLURM_CPUS_ON_NODE": said}
    assert own_cpus(allowed, total, environment) == own


def test_threads_are_spread() -> None:
    """On each node every worker gets as many processors as threads, of its own."""
    four = (0, 1, 2, 3)
    workers = {
        1: worker("a", cpus=four),
        2: worker("a", cpus=four),
        3: worker("b", cpus=four),
    }
    placed = place(workers, Equipment("cpu", threads=2), "1")
    assert [given.cpus for given in placed.values()] == [(0, 1), (2, 3), (0, 1)]
    assert list(table(placed))[1] == "worker 2 on a: processors 2-3"


def test_threads_are_not_bound_where_that_harms() -> None:
    """Too few processors, processors of others, or ranks that their launcher has bound."""
    two = (0, 1)
    for workers in (
        {1: worker("a", cpus=two), 2: worker("a", cpus=two)},
        {1: worker("a"), 2: worker("a")},
        {1: worker("a", cpus=two), 2: worker("a", cpus=(2, 3))},
    ):
        placed = place(workers, Equipment("cpu", threads=2), "1")
        assert [given.cpus for given in placed.values()] == [(), ()]
