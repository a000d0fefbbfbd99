"""Which GPUs there are, which are visible, and which of them a job gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spring_mpi.errors import LaunchError
from spring_mpi.launch.devices import Gpu, gpus, listed_instances, of_one_process, select, visible

ROWS = [
    ["0", "GPU-aa11", "NVIDIA H200", "80", "1000", "143771"],
    ["1", "GPU-bb22", "NVIDIA H200", "0", "71885", "143771"],
    ["2", "GPU-bc33", "NVIDIA A100-SXM4-80GB", "0", "0", "81920"],
    ["3", "GPU-cc44", "NVIDIA GB10", "[N/A]", "[N/A]", "[N/A]"],
]


def ids(found: list[Gpu]) -> list[int]:
    return [gpu.id for gpu in found]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("2,0", [2, 0]),
        ("GPU-bc,1", [2, 1]),
        ("1, 7, 2", [1]),
        ("", []),
        ("-1", []),
    ],
)
def test_visible_devices(tokens: str | None, expected: list[int]) -> None:
    environment = {} if tokens is None else {"CUDA_VISIBLE_DEVICES": tokens}
    found = visible(ROWS, environment)
    assert ids(found) == expected
    assert [gpu.ordinal for gpu in found] == list(range(len(found)))


H200 = ["GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f", "GPU-5c89852c-ffff-c3f3-1b07-005d5ae1dc3f"]
PARTED = [[str(one), uuid, "NVIDIA H200", "[N/A]", "9", "9000"] for one, uuid in enumerate(H200)]
PARTS = [f"MIG-{one}1982c2c-a3e9-54d0-b2dc-4f16bbb8a1e2" for one in "abc"]
OLD = [f"MIG-{H200[0]}/{one}/0" for one in (1, 2)]
LISTED = f"""\
GPU 0: NVIDIA H200 (UUID: {H200[0]})
  MIG 3g.71gb     Device  0: (UUID: {PARTS[0]})
  MIG 1g.18gb     Device  1: (UUID: {PARTS[1]})
GPU 1: NVIDIA H200 (UUID: {H200[1]})
  MIG 1c.2g.35gb  Device  0: (UUID: {PARTS[2]})
GPU 2: NVIDIA H200 (UUID: GPU-00000000-ffff-c3f3-1b07-005d5ae1dc3f)
"""


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (None, PARTS),
        (f"{PARTS[2]},{PARTS[0]}", [PARTS[2], PARTS[0]]),
        ("MIG-b1982c2c, MIG-a", [PARTS[1], PARTS[0]]),
        (f"{OLD[1]},{OLD[0]}", [OLD[1], OLD[0]]),
        ("1,0", [PARTS[2], PARTS[0], PARTS[1]]),
        (H200[1], [PARTS[2]]),
        (f"{PARTS[0]},{PARTS[0]}", [PARTS[0]]),
        ("GPU-5c89852c", []),
        ("MIG-", []),
        ("MIG-b,MIG-f,MIG-a", [PARTS[1]]),
        ("NoDevFiles", []),
        (f"{PARTS[0]},-1,{PARTS[1]}", [PARTS[0]]),
    ],
)
def test_instances(tokens: str | None, expected: list[str]) -> None:
    """MIG's parts of a GPU stand in its place, by whole names, beginnings, or the GPU's own."""
    environment = {} if tokens is None else {"CUDA_VISIBLE_DEVICES": tokens}
    found = visible(PARTED, environment, listed_instances(LISTED))
    assert [gpu.uuid for gpu in found] == expected
    assert [gpu.ordinal for gpu in found] == list(range(len(found)))


def test_names_of_instances() -> None:
    first, *_, last = visible(PARTED, {}, listed_instances(LISTED))
    assert (first.id, first.name) == (0, "NVIDIA H200 MIG 3g.71gb")
    assert (last.id, last.name) == (1, "NVIDIA H200 MIG 1c.2g.35gb")


def test_instances_that_nobody_lists() -> None:
    """In a container ``nvidia-smi`` may not list them: what the scheduler names is taken."""
    found = visible(PARTED, {"CUDA_VISIBLE_DEVICES": f"{PARTS[1]},{OLD[0]}"})
    assert [(gpu.uuid, gpu.id) for gpu in found] == [(PARTS[1], -1), (OLD[0], 0)]
    assert list(map(str, found)) == [
        "- NVIDIA MIG (Id: ?, load: 0%)", "- NVIDIA H200 MIG (Id: 0, load: 0%)",
    ]  # fmt: skip
    found = visible(PARTED[:1], {"CUDA_VISIBLE_DEVICES": PARTS[1]})
    assert [(gpu.uuid, gpu.id) for gpu in found] == [(PARTS[1], 0)]


def test_one_process_has_one_instance() -> None:
    parts = visible(PARTED, {}, listed_instances(LISTED))
    assert of_one_process(parts) == parts[:1]
    whole = visible(ROWS, {})
    assert of_one_process(whole) == whole


def test_load_is_that_of_processor_or_memory() -> None:
    assert [round(gpu.load, 2) for gpu in visible(ROWS, {})] == [0.8, 0.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (1, [2]),
        (2, [2, 3]),
        (3, [2, 3, 1]),
        (0, [2, 3, 1, 0]),
        (-1, [2, 3, 1, 0]),
        ((3, 0), [3, 0]),
    ],
)
def test_selection(wanted: int | tuple[int, ...], expected: list[int]) -> None:
    assert ids(select(wanted, visible(ROWS, {}))) == expected


@pytest.mark.parametrize(
    ("wanted", "text"),
    [(5, "5 GPUs are asked for, here are 4"), ((0, 9), "no GPU 9; 4 are visible")],
)
def test_impossible_selections(wanted: int | tuple[int, ...], text: str) -> None:
    with pytest.raises(LaunchError, match=text):
        select(wanted, visible(ROWS, {}))


def test_a_list_counts_the_visible() -> None:
    """The default, GPU 0, is the first that a scheduler leaves visible."""
    assert ids(select((0,), visible(ROWS, {"CUDA_VISIBLE_DEVICES": "2,1"}))) == [2]


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ``nvidia-smi`` at the head of the path."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-aa11, NVIDIA GeForce RTX 3090, 7, 10, 24576'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return program


def test_nvidia_smi_is_read(smi: Path) -> None:
    assert gpus({}) == [Gpu(0, 0, "GPU-aa11", "NVIDIA GeForce RTX 3090", 0.07)]


def test_nvidia_smi_is_asked_for_instances(smi: Path) -> None:
    """Where the load is not available, or the environment names one."""
    smi.write_text(
        "#!/bin/sh\n"
        f"if [ $1 = -L ]; then cat <<'END'\n{LISTED}END\n"
        f"else echo '0, {H200[0]}, NVIDIA H200, [N/A], 10, 24576'; fi\n"
    )
    assert [gpu.uuid for gpu in gpus({})] == PARTS[:2]
    assert [gpu.uuid for gpu in gpus({"CUDA_VISIBLE_DEVICES": "MIG-b"})] == [PARTS[1]]
    # An older one, which knows no instances.
    smi.write_text("#!/bin/sh\n[ $1 = -L ] && exit 6\n"
                   f"echo '0, {H200[0]}, NVIDIA H200, [N/A], 10, 24576'\n")  # fmt: skip
    assert [gpu.uuid for gpu in gpus({})] == H200[:1]


def test_a_failing_nvidia_smi_is_told(smi: Path) -> None:
    smi.write_text("#!/bin/sh\nexit 9\n")
    with pytest.raises(LaunchError, match=r"nvidia-smi does not work here.*exit status 9"):
        gpus({})


def test_no_driver_no_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus({}) == []
