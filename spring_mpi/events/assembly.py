"""Assembling an event index: columns from the scans of sources, and two indexes into one."""

from __future__ import annotations

import fnmatch
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from .index import DUPLICATE, EventIndex, Frames
from .readers import Scan
from .search import repeated, sorting
from .source import Source, run_in_name

ROW_NAMES = ("run", "row")
"""Names of a pid's numbers where sources bring none."""


@dataclass(frozen=True)
class Scanned:
    """A source, and what was found in it."""

    source: Source
    scan: Scan
    first: int = 0
    """The row of the first event that counts; those before it are known already."""

    @property
    def count(self) -> int:
        """How many events count."""
        return self.scan.shape[0] - self.first

    @property
    def pid_names(self) -> tuple[str, ...]:
        """One name for each number of the pids."""
        return ROW_NAMES if self.scan.pids is None else self.scan.pid_names

    def pids(self, start: int, run: int | None) -> NDArray[np.int64]:
        """(count, numbers); events that bring no pid are counted from ``start``."""
        if self.scan.pids is not None:
            pids = self.scan.pids[self.first :].copy()
        else:
            rows = np.arange(start, start + self.count, dtype=np.int64)
            pids = np.stack([np.full_like(rows, run_in_name(self.source.path)), rows], axis=1)
        if run is not None and "run" in self.pid_names:
            pids[:, self.pid_names.index("run")] = run
        return pids


def no_events(root: str, command: str) -> EventIndex:
    """An index of no event; see `EventIndex` for ``root`` and ``command``."""
    return EventIndex(
        pids=np.empty((0, 0), np.int64),
        source=np.empty(0, np.uint32),
        row=np.empty(0, np.uint64),
        flags=np.empty(0, np.uint32),
        pid_names=(),
        sources=(),
        frames=(),
        root=root,
        command=command,
    )


def assemble(
    scanned: Sequence[Scanned], *, run: int | None, root: str, command: str, start: int = 0
) -> EventIndex:
    """The index of all events of some sources.

    Parameters
    ----------
    scanned
        In the order of their paths.
    run
        Number of the run; None: that of each file.
    root, command
        See `EventIndex`.
    start
        Number of the first event that brings no pid.

    Raises
    ------
    SourceError
        If the pids of the sources have different numbers.
    """
    names, pids = _all_pids(scanned, run, start)
    counts = [one.count for one in scanned]
    rows = [np.arange(one.first, one.first + one.count, dtype=np.uint64) for one in scanned]
    return _sorted(
        EventIndex(
            pids=pids,
            source=np.repeat(np.arange(len(counts), dtype=np.uint32), counts),
            row=np.concatenate(rows),
            flags=np.empty(len(pids), np.uint32),
            pid_names=names,
            sources=tuple(one.source for one in scanned),
            frames=tuple(
                Frames(one.scan.dataset, tuple(one.scan.shape[-2:]), one.scan.dtype)
                for one in scanned
            ),
            root=root,
            command=command,
        )
    )


def merged(one: EventIndex, other: EventIndex) -> EventIndex:
    """The events of two indexes in one, equal to the index that is built of all their sources.

    Raises
    ------
    SourceError
        If their pids have different numbers.
    """
    if not len(other):
        return one
    if len(one) and one.pid_names != other.pid_names:
        groups = {index.pid_names: [s.path for s in index.sources] for index in (one, other)}
        raise SourceError(_apart(groups))
    frames = {**dict(zip(one.sources, one.frames, strict=True)),
              **dict(zip(other.sources, other.frames, strict=True))}  # fmt: skip
    sources = sorted(frames, key=lambda source: (source.path, not source.size))
    place = {source: number for number, source in enumerate(sources)}
    columns = [
        np.array([place[source] for source in index.sources], np.uint32)[index.source]
        for index in (one, other)
    ]
    return _sorted(
        replace(
            one,
            pids=np.concatenate([one.pids.reshape(len(one), other.pids.shape[1]), other.pids]),
            pid_names=other.pid_names,
            source=np.concatenate(columns),
            row=np.concatenate([one.row, other.row]),
            flags=np.empty(len(one) + len(other), np.uint32),
            sources=tuple(sources),
            frames=tuple(frames[source] for source in sources),
        )
    )


def _sorted(index: EventIndex) -> EventIndex:
    """The same events in the order of their pids, then of sources and rows; flags made anew."""
    order = sorting(index.pids, index.source, index.row)
    pids = index.pids[order]
    return replace(
        index,
        pids=pids,
        source=index.source[order],
        row=index.row[order],
        flags=np.where(repeated(pids), DUPLICATE, 0).astype(np.uint32),
    )


def _all_pids(
    scanned: Sequence[Scanned], run: int | None, start: int
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the pids' numbers, and the pids of all sources, one after the other."""
    groups: dict[tuple[str, ...], list[str]] = {}
    blocks = []
    for one in scanned:
        groups.setdefault(one.pid_names, []).append(one.source.path)
        blocks.append(one.pids(start, run))
        start += one.count
    if len(groups) > 1:
        raise SourceError(_apart(groups))
    (names,) = groups
    return names, np.concatenate(blocks)


def _apart(groups: Mapping[tuple[str, ...], Sequence[str]]) -> str:
    """What to do with paths, by the names of their pids' numbers, that fit into no one index."""
    told = (
        f"{_counted(paths)}: {len(names)} numbers ({', '.join(names)})"
        for names, paths in groups.items()
    )
    patterns = " and ".join(filter(None, (_pattern(paths, groups) for paths in groups.values())))
    return (
        f"pids do not fit together: {'; '.join(told)}. Give each group a config or index of its "
        f"own{f', as with source {patterns}' if patterns else ''}, "
        "or name a pid that all of them have (pid)"
    )


def _counted(paths: Sequence[str]) -> str:
    return f"{paths[0]} and {len(paths) - 1} more" if len(paths) > 1 else paths[0]


def _pattern(paths: Sequence[str], groups: Mapping[tuple[str, ...], Sequence[str]]) -> str:
    """A pattern of file names for these paths alone; empty where their names tell none."""
    names = [os.path.basename(path) for path in paths]
    columns = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    start = "".join(letters[0] for letters in columns)
    pattern = f"{start}*{os.path.splitext(names[0])[1]}" if len(names) > 1 else names[0]
    everything = [os.path.basename(path) for group in groups.values() for path in group]
    return pattern if fnmatch.filter(everything, pattern) == names else ""
