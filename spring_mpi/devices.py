"""The GPUs of this machine as people know them: id, name, load."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shutil import which

from .errors import LaunchError

_QUERY = "index,uuid,name,utilization.gpu,memory.used,memory.total"
_PATIENCE = 30.0


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process may use."""

    id: int
    """As ``nvidia-smi`` counts."""
    ordinal: int
    """As CUDA counts the visible ones, in the order of their buses."""
    uuid: str
    name: str
    load: float
    """Share in use, 0 to 1: of the processor or of the memory, whichever is more."""

    def __str__(self) -> str:
        return f"- {self.name} (Id: {self.id}, load: {round(100 * self.load)}%)"


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
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_PATIENCE
        ).stdout
    except (OSError, subprocess.SubprocessError) as fault:
        raise LaunchError(f"nvidia-smi does not work here: {fault}") from fault
    return visible([line.split(", ") for line in told.splitlines()], environment)


def visible(rows: Sequence[Sequence[str]], environment: Mapping[str, str]) -> list[Gpu]:
    """The GPUs of ``nvidia-smi``'s rows that the environment leaves visible, in its order."""
    tokens = environment.get("CUDA_VISIBLE_DEVICES")
    chosen = list(rows)
    if tokens is not None:
        # As CUDA reads it: the first that fits no device ends the list.
        chosen = []
        for token in map(str.strip, tokens.split(",")):
            fits = [row for row in rows if token and _names(token, row)]
            if not fits:
                break
            chosen.append(fits[0])
    return [_gpu(row, ordinal) for ordinal, row in enumerate(chosen)]


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


def _names(token: str, row: Sequence[str]) -> bool:
    return row[0] == token if token.isdigit() else row[1].startswith(token)


def _gpu(row: Sequence[str], ordinal: int) -> Gpu:
    index, uuid, name, processor, used, total = row
    shares = [_number(processor) / 100, _number(used) / max(_number(total), 1.0)]
    return Gpu(int(index), ordinal, uuid, name, min(max(shares), 1.0))


def _number(text: str) -> float:
    """0 where the driver does not tell (``[N/A]``)."""
    try:
        return float(text)
    except ValueError:
        return 0.0
