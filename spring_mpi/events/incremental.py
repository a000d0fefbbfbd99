"""Building on an earlier index: what it tells of sources that are as they were."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .assembly import ROW_NAMES, Scanned
from .formats.reader import Scan
from .formats.registry import READERS_OF_PARTS, guess_file_reader
from .index import EventIndex
from .search import places_of
from .source import Source, change_of, run_in_name

_ALONE = frozenset({"cxi", "flash", "hdf5", "npy", "npz", "swissfel"})
"""Readers whose scan depends on the file alone."""
_BY_RUN = READERS_OF_PARTS
"""Readers of which a run is scanned as a whole: which of its events have no frame can only be found
in all of its files."""


@dataclass(frozen=True)
class Earlier:
    """An index, and what of it still holds.

    The columns of an index keep all that a scan found but one thing, whether the events brought
    their pids or were counted. An index of the same options tells that: see ``is_counted``.
    """

    index: EventIndex
    same: Mapping[str, Source]
    """The sources, by path, whose files have the size and time of change that they had."""
    is_counted: bool
    """Whether the events brought no pids."""

    @classmethod
    def of(cls, index: EventIndex, *, names_pids: bool) -> Earlier:
        """The index compared with the files; ``names_pids`` where datasets of the pids are named.

        Files that were still written have no size and time, and do not count.
        """
        # A file that was indexed before and while it grew occurs twice, the second time as growing.
        sources = {source.path: source for source in index.sources}
        same = {
            path: source for path, source in sources.items()
            if source.mtime_ns and not source.grows and not change_of(source)
            # An index of an older version does not tell what it leaves out.
            and (index.left_out is not None or source.reader not in READERS_OF_PARTS)
        }  # fmt: skip
        return cls(index, same, index.pid_names == ROW_NAMES and not names_pids)

    def reader_of(self, path: str) -> str:
        """The name of the reader that knows the file, which need not be opened if it is the same.

        Raises `SourceError` if none does.
        """
        return self.same[path].reader if path in self.same else guess_file_reader(path)

    def scans(self, found: Mapping[str, str]) -> list[Scanned]:
        """What a scan would find again, of those sources that need none.

        A file of a run whose files are scanned with a view of each other needs one if any of them
        is new, changed or gone; and so does any file whose reader looks at other files, or may
        have become another one.

        Parameters
        ----------
        found
            The name of the reader for each source that there is now.
        """
        before = {source.path: source.reader for source in self.index.sources}
        changed = {_unit(path, name) for path, name in {**before, **found}.items()
                   if not (path in found and path in self.same)}  # fmt: skip
        kept = {path for path, name in found.items() if _unit(path, name) not in {None, *changed}}
        numbers = {source.path: number for number, source in enumerate(self.index.sources)}
        count = len(self.index.sources)
        events = places_of(self.index.source, count)
        transitions = places_of(self.index.transitions["source"], count)
        return [self._scanned(number, events[number], transitions[number])
                for path, number in numbers.items() if path in kept]  # fmt: skip

    def _scanned(
        self, number: int, events: NDArray[np.intp], transitions: NDArray[np.intp]
    ) -> Scanned:
        index, frames = self.index, self.index.frames[number]
        # Events that were counted are in the order of their count, which is that of the scan;
        # those of others may come in any.
        scan = Scan(
            dataset=frames.dataset,
            pids=None if self.is_counted else index.part_pids[events],
            pid_names=index.pid_names,
            shape=(len(events), *frames.shape),
            dtype=frames.dtype,
            rows=index.row[events],
            flags=index.part_flags[events],
            transitions=index.transitions[transitions],
            is_part=index.sources[number].is_part,
            left_out=tuple(one for one in index.left_out or () if one.source == number),
        )
        return Scanned(index.sources[number], scan)


def _unit(path: str, reader: str) -> Hashable:
    """What is scanned as a whole if any of it changed; None: it always is."""
    if reader in _ALONE:
        return path
    return (reader, os.path.dirname(path), run_in_name(path)) if reader in _BY_RUN else None
