"""Assembling an event index: columns from the scans of sources."""

from __future__ import annotations

import fnmatch
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from .columns import TRANSITIONS, Frames
from .event_index import EventIndex
from .leaving_out import settled
from .scans import Scanned
from .search import sorting
from .wanted import Wanted


def no_events(wanted: Wanted) -> EventIndex:
    """An index of no event."""
    return EventIndex(
        part_pids=np.empty((0, 0), np.int64),
        source=np.empty(0, np.uint32),
        row=np.empty(0, np.uint64),
        part_flags=np.empty(0, np.uint32),
        pid_names=(),
        sources=(),
        frames=(),
        wanted=wanted,
    )


def assemble(scans: Sequence[Scanned], wanted: Wanted, start: int = 0) -> EventIndex:
    """The index of all events of some sources; `scans.scans_of` gives the scans back.

    Parameters
    ----------
    scans
        In the order of their paths.
    wanted
        What the index is built of; the number of the run is put into the pids.
    start
        Number of the first event that brings no pid.

    Raises
    ------
    SourceError
        If the pids of the sources have different numbers.
    """
    names, pids = _all_pids(scans, wanted.run, start)
    counts = [scanned.count for scanned in scans]
    left_out = (scanned.left_out(number, wanted.run) for number, scanned in enumerate(scans))
    index = EventIndex(
        part_pids=pids,
        source=np.repeat(np.arange(len(counts), dtype=np.uint32), counts),
        row=np.concatenate([scanned.rows for scanned in scans]),
        part_flags=np.concatenate([scanned.flags for scanned in scans]),
        pid_names=names,
        sources=tuple(replace(scanned.source, is_part=scanned.scan.is_part) for scanned in scans),
        transitions=_transitions(scans),
        frames=tuple(
            Frames(scanned.scan.dataset, tuple(scanned.scan.shape[-2:]), scanned.scan.dtype)
            for scanned in scans
        ),
        wanted=wanted,
    )
    index = index.with_parts(sorting(index.part_pids, index.source, index.row))
    groups = itertools.chain.from_iterable(left_out)
    return replace(index, left_out=settled(groups, index.part_pids))


def _transitions(scans: Sequence[Scanned]) -> NDArray[np.void]:
    """Of all sources, each with the number of its source, in the order of time."""
    blocks = [np.empty(0, TRANSITIONS)]
    for number, scanned in enumerate(scans):
        found = scanned.scan.transitions
        if found is not None:
            block = np.empty(len(found), TRANSITIONS)
            for name in found.dtype.names or ():
                block[name] = found[name]
            block["source"] = number
            blocks.append(block)
    return np.sort(np.concatenate(blocks), order=["time", "source", "row"])


def _all_pids(
    scans: Sequence[Scanned], run: int | None, start: int
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the pids' numbers, and the pids of all sources, one after the other."""
    groups: dict[tuple[str, ...], list[str]] = {}
    blocks = []
    for scanned in scans:
        groups.setdefault(scanned.pid_names, []).append(scanned.source.path)
        blocks.append(scanned.pids(start, run))
        start += scanned.count
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
