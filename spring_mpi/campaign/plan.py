"""The plan: config and event index become jobs, known by name and made when they are needed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..events.calibration import Calibration, calibration_digest
from ..events.index import EventIndex
from ..events.readers.userfile import loader_digest
from ..events.source import EventRef
from ..hypervisor.messages import Job, Summary
from ..hypervisor.status import Finished
from ..names import file_name, job_name, parse_pid, pid_text
from .sections import Config, EventSelection, parse_slice
from .sweep import PYTHON_ONLY, Variant

_SHARDED_FROM = 10_000
_LONGEST_NAME = 200


class Plan:
    """All jobs of a campaign: events outer, variants inner.

    Jobs are numbered; only their names are kept, so that 10^6 of them fit in memory.

    Parameters
    ----------
    is_sharded
        Whether results lie in sub-folders; None: above 10,000 jobs. An existing run directory
        stays as it is.

    Raises
    ------
    ConfigError
        If no event is selected, or two jobs have the same name.
    UnknownPidError
        If a selected pid is not in the index.
    """

    def __init__(
        self, config: Config, index: EventIndex, folder: Path, *, is_sharded: bool | None = None
    ) -> None:
        self.config, self.index, self._folder = config, index, folder
        self.variants: tuple[Variant, ...] = config.sweep.variants(config.settings)
        self._positions = select(config.events, index)
        if not len(self._positions):
            raise ConfigError([f"events: none of the {len(index)} events in the index is selected"])
        self.numbers = {name: number for number, name in enumerate(self._names())}
        self._check_names()
        self.is_sharded = len(self) > _SHARDED_FROM if is_sharded is None else is_sharded
        self._command = " ".join(sys.argv)
        recorded = calibration_digest(calibration(config)) + loader_digest(config.data.reader)
        self._recipes = [_recipe(config, variant, recorded) for variant in self.variants]

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
            checkpoint=str(self._folder / checkpoint_file(name)),
            checkpoint_every=config.workers.checkpoint,
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
        if not self.is_sharded:
            return f"results/{file_name(name)}.h5"
        shard = hashlib.blake2b(name.encode()).hexdigest()[:3]
        return f"results/{shard}/{file_name(name)}.h5"

    def fingerprint(self, name: str) -> str:
        """Digest of what the result depends on: event, preparation, settings, seed.

        Data files count by name and size, not by folder: moved data are the same data. Masks and
        other small files, and a user's own loader, count by name and content.
        """
        number = self.numbers[name]
        reference, _ = self._parts(number)
        source = (os.path.basename(reference.source.path), reference.source.size)
        place = (*source, reference.dataset, reference.row)
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
        """Names must differ as file names do, and be short enough for one."""
        longest = max(self.numbers, key=len)
        if len(file_name(longest)) > _LONGEST_NAME:
            raise ConfigError(
                [f"{longest[:60]}...: the name has {len(longest)} characters, at most "
                 f"{_LONGEST_NAME} are possible; shorten sweep.tag"]
            )  # fmt: skip
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


def checkpoint_file(name: str) -> str:
    """Path of a job's checkpoint, relative to the run directory; there are few at any time."""
    return f"checkpoints/{file_name(name)}.npz"


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
                yield _parse_line(text)
        except ValueError:
            raise ConfigError(
                [f"{path}:{number}: {text!r} is no pid; write it as 71-1-145"]
            ) from None


def _parse_line(text: str) -> tuple[int, ...]:
    """``71-1-145``, ``[71, 1, 145]`` or one integer; ValueError for anything else."""
    if text.startswith("[") and text.endswith("]"):
        return tuple(int(number) for number in text[1:-1].split(","))
    return parse_pid(text)


def _positions(pids: list[tuple[int, ...]], index: EventIndex) -> NDArray[np.int64]:
    width = index.pids.shape[1]
    wrong = [pid for pid in pids if len(pid) != width]
    if any(abs(number) >= 2**63 for pid in pids for number in pid):
        raise ConfigError(["events: a pid has a number beyond 64 bits"])
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
    """128-bit BLAKE2b of a value as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _recipe(config: Config, variant: Variant, recorded: str) -> str:
    """Digest of all that a result depends on beside its event."""
    settings = {
        section: {key: item for key, item in keys.items() if f"{section}.{key}" not in PYTHON_ONLY}
        for section, keys in variant.settings.to_dict().items()
    }
    preparation = [recorded, config.pattern.cropsize, config.pattern.size]
    return digest([settings, preparation, config.seed])
