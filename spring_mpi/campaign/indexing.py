"""The event index of a campaign: loaded, built, or followed while the data grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from ..config.config import load_config
from ..config.sections import Config
from ..errors import ConfigError, SpringError
from ..events.index.build import build
from ..events.index.event_index import EventIndex
from ..events.index.finding import source_paths
from ..events.index.follow import Follower
from ..events.index.loading import load_index
from ..events.index.origin import differences
from ..events.index.wanted import Wanted
from ..events.specs import ArraySpec, MaskSpec
from ..launch.communicator import NullCommunicator
from ..rundir.paths import RunDirectory


@dataclass(frozen=True)
class Opened:
    """An index to begin with."""

    index: EventIndex
    follower: Follower | None = None
    """Finds what is new; None where the data are complete."""
    remarks: tuple[str, ...] = ()
    """What there is to say of an index that was not there, or sources that are not complete."""


def open_index(config: Config, rundir: RunDirectory) -> Opened:
    """The event index of a campaign, built from the sources' headers where it is absent.

    The run directory's own one is also built again where the config names other data by now. An
    index that was followed once is always grown from then on, never built by the files' sizes:
    fingerprints stay the same.

    Raises
    ------
    SourceError
        If a source cannot be read; `StaleIndexError` if one changed since it was indexed.
    ConfigError
        If ``data.index`` is of other sources than ``data.source``, or was built in another way.
    """
    data = config.data
    if data.index and Path(data.index).exists():
        index, wanted = load_index(data.index), _wanted(config)
        if problems := list(differences(wanted, index)):
            told = [f"data.index: {data.index} {problem}" for problem in problems]
            again = f"{wanted.command} -o {quote(data.index)}"
            raise ConfigError([*told, f"build the index that the config names: {again}"])
        # What it was built of may name folders that it was moved from.
        replace(index, wanted=wanted).check()
        return Opened(index)
    before = None if data.index else _own(rundir)
    was_followed = before is not None and any(source.grows for source in before.sources)
    if data.follow is not None or was_followed:
        is_alike = before is not None and before.wanted.root == data.root
        return _followed(config, before if is_alike and _is_read_alike(config, rundir) else None)
    if before is not None and _is_read_alike(config, rundir) and _is_of_same_files(config, before):
        before.check()
        return Opened(before)
    index = build(_wanted(config), NullCommunicator()).index
    remark = f"{data.index} is not there yet; it is built from data.source"
    return Opened(index, remarks=(remark,) if data.index else ())


def _followed(config: Config, before: EventIndex | None) -> Opened:
    follower = Follower(_wanted(config), tuple(_beside(config)), before)
    follower.index.check()
    remarks = tuple(follower.look())
    return Opened(follower.index, follower, remarks)


def _wanted(config: Config) -> Wanted:
    data = config.data
    return Wanted(data.source, data.reader, data.dataset, data.pid, data.run, data.root)


def _beside(config: Config) -> Iterator[str]:
    """Datasets of the sources that the preparation of an event reads."""
    pattern = config.pattern
    for spec in (*config.data.mask, pattern.background, pattern.gain, pattern.center):
        if isinstance(spec, ArraySpec | MaskSpec) and spec.dataset and spec.file is None:
            yield spec.dataset


def _own(rundir: RunDirectory) -> EventIndex | None:
    """The index in the run directory; None where there is none that can be read."""
    try:
        return load_index(rundir.index)
    except SpringError:
        return None


def _is_read_alike(config: Config, rundir: RunDirectory) -> bool:
    """Whether the last run read the same sources in the same way."""
    try:
        before = _wanted(load_config(rundir.config))
    except SpringError:
        return False
    # Sources are absolute: another root alone does not make them others.
    return replace(before, root="") == replace(_wanted(config), root="")


def _is_of_same_files(config: Config, index: EventIndex) -> bool:
    """Whether the index is of all files that the config's patterns match now."""
    return {source.path for source in index.sources} == source_paths(_wanted(config))
