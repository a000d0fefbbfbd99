"""``spring-batch --check``: everything that would stop a campaign, told before it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ..config.config import load_config
from ..config.quick import of_both
from ..config.sections import Config
from ..engine.requirements import check as check_settings
from ..engine.requirements import support_size
from ..errors import ConfigError, SpringError
from ..events.geometry import read_geometry
from ..events.index.remarks import flagged, remarks
from ..events.reading.calibrator import Calibrator
from ..events.reading.loader import Loader
from ..events.reading.preparation import Prepared, Preparer
from ..model.findings import AUTO
from ..model.names import pid_text
from ..model.pattern import Pattern
from ..rank0.placement import table
from ..rank0.transport import Transport
from ..rundir.lock import Lock
from ..rundir.paths import RunDirectory
from .centring import centre_text, expected_centre
from .earlier import Choice, judge
from .indexing import open_index
from .past import Past
from .placing import placed
from .plan import Plan
from .recipe import calibration_of
from .sampling import suspects_of
from .selection import SLICE_OF_GROWING, WHERE_OF_GROWING

_BASE_MB = 200
_POPULATIONS = 4
_BYTES_PER_PIXEL = {"positive": 5, "real": 5, "complex": 9}
"""Of an individual: the density in single precision, and a byte of its support."""


def check_campaign(
    path: str,
    overrides: Sequence[str],
    workers: Transport | None = None,
    choice: Choice = Choice.REFUSE,
) -> int:
    """Print what a campaign would do, and where these workers would run.

    With a choice results of an earlier version, whose events are prepared otherwise by now, are no
    fault.

    Raises
    ------
    ConfigError
        With every fault that can be found.
    LaunchError
        If the workers cannot be placed.
    """
    config = load_config(path, overrides)
    rundir = RunDirectory(Path(config.output))
    rundir.refuse_moved(path, overrides)
    problems = [*faults(config), *_unusable(rundir)]
    examined = _examined(config, rundir, choice, problems)
    if examined is None or problems:
        raise ConfigError(problems)
    for note in filter(None, (Lock(rundir.lock).obstacle(), *examined.notes)):
        print(f"note: {note}")
    print(f"{path}: no fault found")
    print("\n".join(_described(config, examined)))
    if workers is not None:
        print("\n".join(table(placed(config, workers))))
    return 0


@dataclass(frozen=True)
class _Examined:
    """A campaign as it would begin."""

    plan: Plan
    first: Prepared | None
    """The pattern of the first event; None where there is none yet."""
    notes: tuple[str, ...]
    """What there is to say of the index and of the values in its events."""


def _examined(
    config: Config, rundir: RunDirectory, choice: Choice, problems: list[str]
) -> _Examined | None:
    """What the campaign is; what is wrong with it is added to the problems."""
    try:
        past = Past.read(rundir.journal)
        opened = open_index(config, rundir)
        is_growing = config.data.follow is not None
        plan = Plan(
            config, opened.index, rundir.path, is_sharded=past.is_sharded,
            may_be_empty=is_growing, is_growing=is_growing,
        )  # fmt: skip
        plan.suspects, unknown = suspects_of(plan)
        centre, uncentred = expected_centre(plan, past)
        if centre:
            plan.expect(centre)
        first = _first_pattern(plan, problems)
        refuse_wrong_stacks(plan)
        problems += _trial(plan, past, rundir, choice)
    except SpringError as fault:
        problems += str(fault).splitlines()
        return None
    cautions = dict.fromkeys(text for one in plan.variants for text in one.settings.cautions())
    return _Examined(plan, first, (*opened.remarks, unknown, uncentred, *cautions))


def _described(config: Config, examined: _Examined) -> Iterator[str]:
    """What the campaign would do, line by line."""
    plan = examined.plan
    yield f"events: {len(plan) // len(plan.variants)} of {len(plan.index)} in the index"
    yield from (f"index: {text}" for text in remarks(plan.index))
    if text := flagged(plan.index, plan.positions):
        yield f"flags: {text}"
    yield f"jobs: {len(plan)} ({plan.ways})"
    if config.data.geometry:
        yield f"geometry: {read_geometry(config.data.geometry)}"
    if plan.expected is not None:
        yield f"centre: {centre_text(plan.expected)}"
    if examined.first is not None:
        yield from _prepared_lines(examined.first)
        yield from _support_lines(plan, examined.first.pattern)
    yield f"memory: about {memory_mb(config, plan)} MB per worker"
    yield f"run directory: {config.output}"


def _prepared_lines(first: Prepared) -> Iterator[str]:
    yield f"first event: {pid_text(first.pattern.pid)}, {_measured(first.pattern)}"
    yield f"  the frame itself says: {first.pattern.findings.text(first.pattern.estimated_gain)}"
    yield from (f"  {exclusion}" for exclusion in first.exclusions)
    if not first.exclusions:
        yield "  no mask is used: neither the config nor the files bring one"
    yield from (f"warning: {warning}" for warning in first.warnings)


def _support_lines(plan: Plan, pattern: Pattern) -> Iterator[str]:
    """The size of the initial support where the event decides it."""
    for variant in plan.variants:
        if (init := variant.settings.init).supportsize == AUTO:
            size = support_size(init, pattern.object_size, pattern.size)
            extent = f"{pattern.object_size:.0f} pixels" if pattern.object_size else "not known"
            yield f"its initial support: {size} pixels, for the extent of its object is {extent}"
            return


def _first_pattern(plan: Plan, problems: list[str]) -> Prepared | None:
    """The pattern of the first event, if there is one; what is wrong with it is a problem."""
    for name in islice(plan.numbers, 1):
        try:
            made = plan.blueprint(name)
            with Preparer() as preparer:
                return preparer.prepare(
                    made.event, made.calibration,
                    cropsize=made.cropsize, size=made.size, suspects=plan.suspects,
                )  # fmt: skip
        except SpringError as fault:
            problems.append(f"event {name}: {fault}")
    return None


def _unusable(rundir: RunDirectory) -> Iterator[str]:
    try:
        rundir.check()
    except SpringError as fault:
        yield str(fault)


def _measured(pattern: Pattern) -> str:
    row, column = pattern.center
    return (
        f"{pattern.measured.mean():.0%} of {pattern.size} x {pattern.size} pixels measured, "
        f"centre ({row:.6g}, {column:.6g}), {pattern.center_origin}"
    )


def _trial(plan: Plan, past: Past, rundir: RunDirectory, choice: Choice) -> Iterator[str]:
    """What goes wrong with the memory, and with the results so far."""
    needed, present = memory_mb(plan.config, plan), physical_memory_mb()
    if present is not None and needed > present:
        yield (
            f"a worker needs {needed} MB, but this machine has {present}: lower global.popsize or "
            "workers.pack"
        )
    try:
        judge(plan, past, rundir.results_present(), rundir, choice)
    except SpringError as fault:
        yield from str(fault).splitlines()


def faults(config: Config) -> Iterator[str]:
    """What is wrong beside the config's own text: files, settings that do not fit."""
    for variant in config.sweep.variants(config.settings):
        label = f" (variant {variant.tag!r})" if variant.tag else ""
        for key, settings in of_both(config.quick, variant.settings):
            try:
                check_settings(settings, config.pattern.size)
            except SpringError as fault:
                yield f"{key}: {fault}{label}"
    if config.data.follow is not None and config.events.slice is not None:
        yield SLICE_OF_GROWING
    if config.data.follow is not None and config.events.where is not None:
        yield WHERE_OF_GROWING
    if config.data.follow is not None and config.part is not None:
        yield "part: the data still grow (data.follow); they cannot be divided yet"
    if config.data.follow is not None and config.data.index is not None:
        yield "data.index: leave it out with data.follow: a growing index is the run directory's"
    try:
        Calibrator(calibration_of(config), Loader())
    except SpringError as fault:
        yield f"pattern: {fault}"


def refuse_wrong_stacks(plan: Plan) -> None:
    """Raises `SourceError` if a mask, background, gain or centre has no entry for each event.

    Tried is the event in the last row of its source, which needs the most, and two events in the
    same row of two sources, which no file of its own can tell apart.
    """
    if not len(plan.positions):
        return
    index = plan.index
    rows = index.row[index.starts[plan.positions]]
    order = rows.argsort(kind="stable")
    equal = np.flatnonzero(np.diff(rows[order]) == 0)[:1]
    with Loader() as loader:
        calibrator = Calibrator(plan.calibration, loader)
        calibrator.refuse_short(index.ref(int(plan.positions[order[-1]])))
        for place in equal:
            first, second = plan.positions[order[place : place + 2]]
            calibrator.refuse_shared(index.ref(int(first)), index.ref(int(second)))


def memory_mb(config: Config, plan: Plan) -> int:
    """Largest use of memory by one worker, megabytes: populations, archive and libraries.

    That of all its jobs, where it does several at once.
    """
    pixels = config.pattern.size**2
    needs = (
        settings.global_.popsize
        * _BYTES_PER_PIXEL[settings.object.constraint]
        * _POPULATIONS
        * pixels
        for variant in plan.variants
        for _, settings in of_both(config.quick, variant.settings)
    )
    together = min(config.workers.pack, max(len(plan), 1))
    return _BASE_MB + round((together * max(needs) + 32 * config.pattern.cropsize**2) / 1e6)


def physical_memory_mb() -> int | None:
    """Memory of this machine, megabytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6
    except (ValueError, OSError):
        return None
