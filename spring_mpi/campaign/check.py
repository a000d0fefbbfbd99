"""``spring-batch --check``: everything that would stop a campaign, told before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..engine.backends import make_backend
from ..engine.mpr import check as check_settings
from ..errors import ConfigError, SpringError
from ..events.build import build_index, find_sources
from ..events.calibration import Calibrator
from ..events.index import EventIndex
from ..events.loader import Loader
from ..events.storage import load_index
from .config import load_config
from .plan import Plan, calibration
from .rundir import RunDirectory
from .sections import Config

_BASE_MB = 200
_POPULATIONS = 4
_BYTES_PER_PIXEL = {"positive": 5, "real": 5, "complex": 9}


def check_campaign(path: str, overrides: Sequence[str]) -> int:
    """Print what a campaign would do; raises `ConfigError` with every fault that can be found."""
    config = load_config(path, overrides)
    problems = list(faults(config))
    plan = None
    try:
        plan = Plan(
            config, open_index(config, RunDirectory(Path(config.output))), Path(config.output)
        )
    except SpringError as fault:
        problems += str(fault).splitlines()
    if problems or plan is None:
        raise ConfigError(problems)
    print(f"{path}: no fault found")
    print(f"events: {len(plan) // len(plan.variants)} of {len(plan.index)} in the index")
    print(f"jobs: {len(plan)} ({len(plan.variants)} variants of the settings)")
    print(f"memory: about {memory_mb(config, plan)} MB per worker")
    print(f"run directory: {config.output}")
    return 0


def faults(config: Config) -> Iterator[str]:
    """What is wrong beside the config's own text: files, device, settings that do not fit."""
    for variant in config.sweep.variants(config.settings):
        label = f" (variant {variant.tag!r})" if variant.tag else ""
        try:
            check_settings(variant.settings, config.pattern.size)
        except SpringError as fault:
            yield f"settings: {fault}{label}"
    try:
        make_backend(config.workers.device)
    except SpringError as fault:
        yield f"workers: {fault}"
    try:
        Calibrator(calibration(config), Loader())
    except SpringError as fault:
        yield f"pattern: {fault}"


def open_index(config: Config, rundir: RunDirectory) -> EventIndex:
    """The event index of a campaign, built from the sources' headers where it is absent.

    The run directory's own one is also built again where the config names other files by now.

    Raises
    ------
    SourceError
        If a source cannot be read; `StaleIndexError` if one changed since it was indexed.
    """
    data = config.data
    own = rundir.index if data.index is None else None
    path = own or Path(str(data.index))
    if path.exists():
        index = load_index(str(path))
        if not own or _sources(index) == set(find_sources(data.source, data.reader, data.root)):
            index.check()
            return index
    return build_index(
        list(data.source),
        reader=data.reader,
        dataset=data.dataset,
        pid=list(data.pid) or None,
        run=data.run,
        root=data.root,
    )


def _sources(index: EventIndex) -> set[str]:
    return {source.path for source in index.sources}


def memory_mb(config: Config, plan: Plan) -> int:
    """Largest use of memory by one worker, megabytes: populations, archive and libraries."""
    pixels = config.pattern.size**2
    needs = (
        variant.settings.global_.popsize
        * _BYTES_PER_PIXEL[variant.settings.object.constraint]
        * _POPULATIONS
        * pixels
        for variant in plan.variants
    )
    return _BASE_MB + round((max(needs) + 32 * config.pattern.cropsize**2) / 1e6)
