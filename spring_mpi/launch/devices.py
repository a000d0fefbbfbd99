"""The devices of this machine as people know them: GPUs, parts of them (MIG), the processor."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which
from types import MappingProxyType

from ..errors import LaunchError

_QUERY = "index,uuid,name,utilization.gpu,memory.used,memory.total"
_MOST_SECONDS = 30.0
VISIBLE_DEVICES = "CUDA_VISIBLE_DEVICES"
"""The environment variable that hides and orders the devices of CUDA."""


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process may use, or an instance of one (MIG), which counts like a GPU."""

    id: int
    """As ``nvidia-smi`` counts; of an instance that of its GPU, -1 where it does not say."""
    ordinal: int
    """As CUDA counts the visible ones, in the order of their buses."""
    uuid: str
    """By which ``CUDA_VISIBLE_DEVICES`` can name it."""
    name: str
    load: float
    """Share in use, 0 to 1: of the processor or of the memory, whichever is more."""

    def __str__(self) -> str:
        return f"- {self.name} (Id: {self.shown_id}, load: {round(100 * self.load)}%)"

    @property
    def shown_id(self) -> str:
        """The id for people."""
        return "?" if self.id < 0 else str(self.id)


Instances = Mapping[str, Sequence[tuple[str, str]]]
"""UUID of a GPU -> name, such as ``MIG 3g.40gb``, and UUID of each part that MIG makes of it."""


def gpus(environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """The visible GPUs, by ``nvidia-smi``; none where there is no driver.

    ``CUDA_VISIBLE_DEVICES`` hides and orders them, by ids or beginnings of UUIDs.

    Raises
    ------
    LaunchError
        If ``nvidia-smi`` is there but fails.
    """
    if which("nvidia-smi") is None:
        return []
    try:
        told = _answer(f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits")
    except (OSError, subprocess.SubprocessError) as fault:
        raise LaunchError(f"nvidia-smi does not work here: {fault}") from fault
    rows = [line.split(", ") for line in told.splitlines()]
    return visible(rows, environment, _instances(rows, environment))


def visible(
    rows: Sequence[Sequence[str]],
    environment: Mapping[str, str],
    instances: Instances = MappingProxyType({}),
) -> list[Gpu]:
    """The devices that the environment leaves visible, in its order.

    The instances of a GPU stand in its place. A process can use the first of several alone, which
    is no matter where each has a process of its own.

    Parameters
    ----------
    rows
        Of ``nvidia-smi``, one for each GPU.
    instances
        Those that ``nvidia-smi`` lists; where it lists none, UUIDs are taken as they are.
    """
    made = [_gpu(row) for row in rows]
    tokens = environment.get(VISIBLE_DEVICES)
    if tokens is None:
        chosen = [part for gpu in made for part in _parts(gpu, instances)]
    else:
        chosen = []
        for token in map(str.strip, tokens.split(",")):
            # As CUDA reads it: the first that fits no device ends the list.
            if not (named := _named(token, made, instances)):
                break
            chosen += [gpu for gpu in named if gpu not in chosen]
    return [replace(gpu, ordinal=ordinal) for ordinal, gpu in enumerate(chosen)]


def gpu_of(device: str) -> Gpu | None:
    """The GPU that ``cuda[:K]`` or ``auto`` means; None where ``nvidia-smi`` does not tell."""
    ordinal = int(device.partition(":")[2] or 0)
    return next((gpu for gpu in gpus() if gpu.ordinal == ordinal), None)


def of_one_process(present: Sequence[Gpu]) -> Sequence[Gpu]:
    """Those of the visible that CUDA lets one process use: where instances are, the first alone."""
    instances = [gpu for gpu in present if gpu.uuid.startswith("MIG-")]
    return instances[:1] or present


def select(wanted: int | Sequence[int], present: Sequence[Gpu]) -> list[Gpu]:
    """The GPUs that ``global.gpus`` asks for.

    A number takes so many of those least loaded, 0 and less all of them; a list names ordinals,
    which are ids where no device is hidden.

    Raises
    ------
    LaunchError
        If there are not so many, or there is no such device.
    """
    if not isinstance(wanted, int):
        if missing := [number for number in wanted if not 0 <= number < len(present)]:
            raise LaunchError(
                f"global.gpus: there is no GPU {missing[0]}; {len(present)} are visible (from 0 on)"
            )
        return [present[number] for number in wanted]
    if wanted > len(present):
        raise LaunchError(f"global.gpus: {wanted} GPUs are asked for, here are {len(present)}")
    by_load = sorted(present, key=lambda gpu: (gpu.load, gpu.id))
    return by_load[: wanted if wanted > 0 else None]


def _answer(*options: str) -> str:
    """What ``nvidia-smi`` prints."""
    return subprocess.run(
        ["nvidia-smi", *options], capture_output=True, text=True, check=True, timeout=_MOST_SECONDS
    ).stdout


def _instances(rows: Sequence[Sequence[str]], environment: Mapping[str, str]) -> Instances:
    """Asked for only where there may be any: the load of a GPU with instances is not available."""
    named = "MIG-" in environment.get(VISIBLE_DEVICES, "")
    if not named and not any(row[3].startswith("[N") for row in rows):
        return {}
    try:
        return listed_instances(_answer("-L"))
    except (OSError, subprocess.SubprocessError):
        return {}


def listed_instances(text: str) -> Instances:
    """Those that ``nvidia-smi -L`` prints, each below its GPU."""
    found: dict[str, list[tuple[str, str]]] = {}
    parent = ""
    for line in text.splitlines():
        if gpu := re.match(r"GPU \d+: .*\(UUID: (GPU-[^)]+)\)", line):
            parent = gpu[1]
        elif part := re.match(r"\s+(MIG \S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)", line):
            found.setdefault(parent, []).append((part[1], part[2]))
    return found


def _named(token: str, gpus: Sequence[Gpu], instances: Instances) -> Sequence[Gpu]:
    """The devices that a word of ``CUDA_VISIBLE_DEVICES`` names: none, one, or a GPU's parts."""
    if token.isdecimal():
        named = [gpu for gpu in gpus if gpu.id == int(token)]
        return [part for gpu in named for part in _parts(gpu, instances)]
    if token.startswith("GPU-"):
        fits = [gpu for gpu in gpus if gpu.uuid.startswith(token)]
        # A beginning has to be that of one device alone.
        return _parts(fits[0], instances) if len(fits) == 1 else []
    if not token.startswith("MIG-"):
        return []
    known = [part for gpu in gpus for part in _parts(gpu, instances) if part.uuid != gpu.uuid]
    fits = [part for part in known if part.uuid.startswith(token)]
    if fits:
        return fits if len(fits) == 1 else []
    return _unlisted(token, gpus, are_others_listed=bool(known))


def _unlisted(token: str, gpus: Sequence[Gpu], *, are_others_listed: bool) -> Sequence[Gpu]:
    """An instance that ``nvidia-smi`` does not list: by an older name, or since it may not."""
    # Before driver R470: MIG-<UUID of the GPU>/<GPU instance>/<compute instance>.
    parents = [gpu for gpu in gpus if token.startswith(f"MIG-{gpu.uuid}/")]
    if not parents and are_others_listed:
        return []
    if not parents and len(gpus) == 1:
        parents = list(gpus)
    parent = parents[0] if parents else Gpu(-1, 0, token, "NVIDIA", 0.0)
    return [replace(parent, uuid=token, name=f"{parent.name} MIG", load=0.0)]


def _parts(gpu: Gpu, instances: Instances) -> Sequence[Gpu]:
    """Its instances; itself where it has none."""
    return [
        replace(gpu, uuid=uuid, name=f"{gpu.name} {name}", load=0.0)
        for name, uuid in instances.get(gpu.uuid, ())
    ] or [gpu]


def _gpu(row: Sequence[str]) -> Gpu:
    index, uuid, name, processor, used, total = row
    shares = [_number(processor) / 100, _number(used) / max(_number(total), 1.0)]
    return Gpu(int(index), 0, uuid, name, min(max(shares), 1.0))


def _number(text: str) -> float:
    """0 where the driver does not tell (``[N/A]``)."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def processor_name() -> str:
    """The processor's model, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
