"""Assembling an event index: columns from the scans of sources, and two indexes into one."""

from __future__ import annotations

import fnmatch
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from .formats.reader import Scan
from .index import TRANSITIONS, EventIndex, Frames
from .left_out import LeftOut, settled
from .search import sorting
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

    @property
    def rows(self) -> NDArray[np.uint64]:
        """(count,): what the reader finds the events by."""
        rows = self.scan.rows
        counted = np.arange(self.scan.shape[0], dtype=np.uint64) if rows is None else rows
        return counted[self.first :]

    @property
    def flags(self) -> NDArray[np.uint32]:
        """(count,): what the source says of the events."""
        flags = self.scan.flags
        return np.zeros(self.count, np.uint32) if flags is None else flags[self.first :]

    def pids(self, start: int, run: int | None) -> NDArray[np.int64]:
        """(count, numbers); events that bring no pid are counted from ``start``."""
        if self.scan.pids is not None:
            pids = self.scan.pids[self.first :]
        else:
            rows = np.arange(start, start + self.count, dtype=np.int64)
            pids = np.stack([np.full_like(rows, run_in_name(self.source.path)), rows], axis=1)
        return self._of_run(pids, run)

    def left_out(self, number: int, run: int | None) -> Iterator[LeftOut]:
        """What is left out of the source of that number."""
        for one in self.scan.left_out:
            pids = None if one.pids is None else self._of_run(one.pids, run)
            yield replace(one, pids=pids, source=number)

    def _of_run(self, pids: NDArray[np.int64], run: int | None) -> NDArray[np.int64]:
        """The pids with that number of the run, if they have one; None: as they are."""
        if run is None or "run" not in self.pid_names:
            return pids
        pids = pids.copy()
        pids[:, self.pid_names.index("run")] = run
        return pids


def no_events(root: str, command: str) -> EventIndex:
    """An index of no event; see `EventIndex` for ``root`` and ``command``."""
    return EventIndex(
        part_pids=np.empty((0, 0), np.int64),
        source=np.empty(0, np.uint32),
        row=np.empty(0, np.uint64),
        part_flags=np.empty(0, np.uint32),
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
    left_out = (one.left_out(number, run) for number, one in enumerate(scanned))
    index = _sorted(
        EventIndex(
            part_pids=pids,
            source=np.repeat(np.arange(len(counts), dtype=np.uint32), counts),
            row=np.concatenate([one.rows for one in scanned]),
            part_flags=np.concatenate([one.flags for one in scanned]),
            pid_names=names,
            sources=tuple(replace(one.source, is_part=one.scan.is_part) for one in scanned),
            transitions=_transitions(scanned),
            frames=tuple(
                Frames(one.scan.dataset, tuple(one.scan.shape[-2:]), one.scan.dtype)
                for one in scanned
            ),
            root=root,
            command=command,
        )
    )
    return _settled(index, itertools.chain.from_iterable(left_out))


def merged(one: EventIndex, other: EventIndex) -> EventIndex:
    """The events of two indexes in one, equal to the index that is built of all their sources.

    Raises
    ------
    SourceError
        If their pids have different numbers.
    """
    if not len(other.row) and not other.left_out:
        return one
    if len(one) and one.pid_names != other.pid_names:
        groups = {index.pid_names: [s.path for s in index.sources] for index in (one, other)}
        raise SourceError(_apart(groups))
    frames = {**dict(zip(one.sources, one.frames, strict=True)),
              **dict(zip(other.sources, other.frames, strict=True))}  # fmt: skip
    sources = sorted(frames, key=lambda source: (source.path, not source.size))
    width = other.part_pids.shape[1]
    place = {source: number for number, source in enumerate(sources)}
    columns = [
        np.array([place[source] for source in index.sources], np.uint32)[index.source]
        for index in (one, other)
    ]
    left_out = [
        replace(part, source=place[index.sources[part.source]])
        for index in (one, other)
        for part in index.left_out or ()
    ]
    index = _sorted(
        replace(
            one,
            part_pids=np.concatenate([one.part_pids.reshape(len(one.row), width), other.part_pids]),
            pid_names=other.pid_names,
            source=np.concatenate(columns),
            row=np.concatenate([one.row, other.row]),
            part_flags=np.concatenate([one.part_flags, other.part_flags]),
            statistics=None,
            transitions=_merged_transitions((one, other), place),
            sources=tuple(sources),
            frames=tuple(frames[source] for source in sources),
        )
    )
    return _settled(index, left_out)


def _settled(index: EventIndex, left_out: Iterable[LeftOut]) -> EventIndex:
    """The index with what it leaves out."""
    return replace(index, left_out=settled(left_out, index.part_pids))


def _sorted(index: EventIndex) -> EventIndex:
    """The same parts in the order of their pids, then of sources and rows."""
    order = sorting(index.part_pids, index.source, index.row)
    return replace(
        index,
        part_pids=index.part_pids[order],
        source=index.source[order],
        row=index.row[order],
        part_flags=index.part_flags[order],
    )


def _transitions(scanned: Sequence[Scanned]) -> NDArray[np.void]:
    """Of all sources, each with the number of its source, in the order of time."""
    blocks = [np.empty(0, TRANSITIONS)]
    for number, one in enumerate(scanned):
        if one.scan.transitions is not None:
            block = np.empty(len(one.scan.transitions), TRANSITIONS)
            for name in one.scan.transitions.dtype.names or ():
                block[name] = one.scan.transitions[name]
            block["source"] = number
            blocks.append(block)
    return np.sort(np.concatenate(blocks), order=["time", "source", "row"])


def _merged_transitions(
    indexes: Sequence[EventIndex], place: Mapping[Source, int]
) -> NDArray[np.void]:
    """Of all indexes, by the places of their sources, each once."""
    blocks = []
    for index in indexes:
        block = index.transitions.copy()
        numbers = np.array([place[source] for source in index.sources], np.uint32)
        block["source"] = numbers[block["source"]]
        blocks.append(block)
    return np.sort(np.unique(np.concatenate(blocks)), order=["time", "source", "row"])


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
