"""The plan: config and event index become jobs, known by name and made when they are needed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..events.calibration import Calibration
from ..events.index import EventIndex
from ..events.source import EventRef
from ..hypervisor.messages import Job, Summary
from ..hypervisor.status import Finished
from ..names import file_name, job_name, parse_pid, pid_text
from .sections import Config, EventSelection, parse_slice
from .sweep import PYTHON_ONLY, Variant

_SHARDED_FROM = 10_000


class Plan:
    """All jobs of a campaign: events outer, variants inner.

    Jobs are numbered; only their names are kept, so that 10^6 of them fit in memory.

    Raises
    ------
    ConfigError
        If no event is selected, or two jobs have the same name.
    UnknownPidError
        If a selected pid is not in the index.
    """

    def __init__(self, config: Config, index: EventIndex, folder: Path) -> None:
        self.config, self.index, self._folder = config, index, folder
        self.variants: tuple[Variant, ...] = config.sweep.variants(config.settings)
        self._positions = select(config.events, index)
        if not len(self._positions):
            raise ConfigError([f"events: none of the {len(index)} events in the index is selected"])
        self.numbers = {name: number for number, name in enumerate(self._names())}
        self._check_names()
        self._command = " ".join(sys.argv)
        self._recipes = [_recipe(config, variant) for variant in self.variants]

    def __len__(self) -> int:
        return len(self._positions) * len(self.variants)

    def job(self, name: str) -> Job:
        """The job of that name; KeyError where the plan has none."""
        reference, variant = self._parts(self.numbers[name])
        config = self.config
        return Job(
            name=name,
            tag=variant.tag,
            event=reference,
            calibration=calibration(config),
            cropsize=config.pattern.cropsize,
            size=config.pattern.size,
            settings=variant.settings,
            seed=config.seed,
            fingerprint=self.fingerprint(name),
            result=str(self._folder / self.result_file(name)),
            command=self._command,
        )

    def finished(self, name: str, worker: int, summary: Summary) -> Finished:
        """The line of a finished job in ``summary.csv``."""
        reference, variant = self._parts(self.numbers[name])
        return Finished(
            name=name,
            pid=pid_text(reference.pid),
            tag=variant.tag,
            error=summary.error,
            resolution_px=summary.resolution_px,
            support_px=summary.support_px,
            seconds=summary.seconds,
            worker=worker,
            file=self.result_file(name),
        )

    def result_file(self, name: str) -> str:
        """Path of a job's result, relative to the run directory."""
        if len(self) <= _SHARDED_FROM:
            return f"results/{file_name(name)}.h5"
        shard = hashlib.blake2b(name.encode()).hexdigest()[:3]
        return f"results/{shard}/{file_name(name)}.h5"

    def fingerprint(self, name: str) -> str:
        """Digest of what the result depends on: event, preparation, settings, seed.

        Files count by their names, not their folders: moved data are the same data.
        """
        number = self.numbers[name]
        reference, _ = self._parts(number)
        place = (os.path.basename(reference.source.path), reference.dataset, reference.row)
        return digest([self._recipes[number % len(self.variants)], reference.pid, place])

    def index_digest(self) -> str:
        """Digest of the pids in the index."""
        return hashlib.blake2b(self.index.pids.tobytes(), digest_size=16).hexdigest()

    def _parts(self, number: int) -> tuple[EventRef, Variant]:
        event, variant = divmod(number, len(self.variants))
        return self.index.ref(int(self._positions[event])), self.variants[variant]

    def _names(self) -> Iterator[str]:
        tags = [variant.tag for variant in self.variants]
        for pid in self.index.pids[self._positions].tolist():
            for tag in tags:
                yield job_name(pid, tag)

    def _check_names(self) -> None:
        """Names must differ as file names do."""
        if len({file_name(name) for name in self.numbers}) == len(self):
            return
        seen: dict[str, int] = {}
        for number, name in enumerate(self._names()):
            first = seen.setdefault(file_name(name), number)
            if first != number:
                raise ConfigError([f"two jobs are named {name}: {self._place(first)} and "
                                   f"{self._place(number)}"])  # fmt: skip

    def _place(self, number: int) -> str:
        reference, variant = self._parts(number)
        label = f", variant {variant.tag!r}" if variant.tag else ""
        return (
            f"event {number // len(self.variants)} of the selection "
            f"(row {reference.row} of {reference.source.path}{label})"
        )


def select(events: EventSelection, index: EventIndex) -> NDArray[np.int64]:
    """Positions in the index of the selected events, in the order they are asked for.

    Raises
    ------
    ConfigError
        If the list file is missing or a line is no pid.
    UnknownPidError
        If the index does not hold a pid.
    """
    if events.pids is not None:
        return _positions(list(events.pids), index)
    if events.list is not None:
        return _positions(list(_listed(Path(events.list))), index)
    chosen = parse_slice(events.slice) if events.slice is not None else slice(None)
    return np.arange(len(index))[chosen]


def _listed(path: Path) -> Iterator[tuple[int, ...]]:
    """The pids of a list file; empty lines and what follows ``#`` are left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError([f"events.list: cannot read {path}: {fault}"]) from None
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        try:
            if text:
                yield parse_pid(text)
        except ValueError:
            raise ConfigError(
                [f"{path}:{number}: {text!r} is no pid; write it as 71-1-145"]
            ) from None


def _positions(pids: list[tuple[int, ...]], index: EventIndex) -> NDArray[np.int64]:
    width = index.pids.shape[1]
    wrong = [pid for pid in pids if len(pid) != width]
    if wrong:
        raise ConfigError(
            [f"events: {pid_text(wrong[0])} has {len(wrong[0])} numbers, the pids of the index "
             f"have {width} ({', '.join(index.pid_names)})"]
        )  # fmt: skip
    return index.find_many(np.array(pids, np.int64).reshape(-1, width))


def calibration(config: Config) -> Calibration:
    """The calibration that a config asks for."""
    section = config.pattern
    return Calibration(
        config.data.mask, section.background, section.gain, section.center, section.satvalue
    )


def digest(value: Any) -> str:
    """128-bit BLAKE2b of a value as canonical JSON; of paths only the names count."""
    text = json.dumps(_without_folders(value), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: os.path.basename(item) if key == "file" and item else _without_folders(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_folders(item) for item in value]
    return value


def _recipe(config: Config, variant: Variant) -> str:
    """Digest of all that a result depends on beside its event."""
    settings = {
        section: {key: item for key, item in keys.items() if f"{section}.{key}" not in PYTHON_ONLY}
        for section, keys in variant.settings.to_dict().items()
    }
    preparation = [asdict(calibration(config)), config.pattern.cropsize, config.pattern.size]
    return digest([settings, preparation, config.seed])
