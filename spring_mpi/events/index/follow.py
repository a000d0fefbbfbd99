"""Following sources that are still written: one look after the other, each grows the index."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ...errors import SourceError
from ..event import Source, change_of, source_of_file
from ..formats.reader import READ_FAULTS, Extent, GrowingReader
from ..formats.registry import facts_of, find_reader, guess_file_reader
from ..formats.wording import reason_of
from .assembly import no_events
from .event_index import EventIndex
from .finding import expand, named_paths
from .growth import grow
from .remarks import left_out
from .scans import Scanned, scan_source
from .wanted import Wanted

_LONG = 600.0
"""Seconds after which a source that cannot be read is told once more."""


@dataclass
class _Trouble:
    """A source that is not there, or cannot be read yet."""

    since: float
    is_told_again: bool = False


class Follower:
    """Looks at sources again and again; knows the index of what it has seen.

    A file is scanned until it rests between two looks. One that is being created, locked or
    copied is no fault but tried again at the next look. Of a file that grows only the events
    count that all its datasets hold (`GrowingReader.scan_growing`); files of other formats are
    taken once, when they can be read.

    Parameters
    ----------
    wanted
        Which sources, and how they are read.
    beside
        Datasets of the sources that every event needs beside frame and pid.
    index
        What an earlier follower saw, or an index of the same sources; None: nothing yet.
    clock
        Seconds.
    """

    def __init__(
        self,
        wanted: Wanted,
        beside: Sequence[str] = (),
        index: EventIndex | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted, self._beside, self._clock = wanted, tuple(beside), clock
        self._reader = cache(find_reader)
        self.index = self._opened(index) if index else no_events(wanted)
        known = self.index.sources
        self._names = {source.path: source.reader for source in known}
        self._identities = {os.path.realpath(source.path): source.path for source in known}
        self._settled = {source.path for source in known if not source.grows}
        self._states: dict[str, Source] = {}
        self._rested: set[str] = set()
        self._missing: dict[str, _Trouble] = {}
        self._troubles: dict[str, _Trouble] = {}
        # Who starts the follower tells what its index leaves out already.
        self._told = {("", sentence) for sentence in left_out(self.index)}

    def look(self) -> list[str]:
        """Grow `index` by what is new; what there is to say of it, each thing once."""
        remarks: list[str] = []
        scanned = []
        paths = sorted(self._candidates(remarks))
        busy = {path for path in paths if self._holds_parts(path) and not self._rests(path)}
        for path in paths:
            if busy and self._holds_parts(path):
                continue
            try:
                if found := self._scan(path):
                    scanned.append(found)
            except READ_FAULTS as fault:
                remarks += self._unreadable(self._troubles, path, reason_of(fault))
            else:
                self._troubles.pop(path, None)
        growth = grow(self.index, scanned)
        self.index = growth.index
        told = [("", sentence) for sentence in left_out(self.index)]
        return [*remarks, *self._new([*growth.refused, *told])]

    def _candidates(self, remarks: list[str]) -> Iterator[str]:
        """Every source that is not done with, once."""
        for text in self._wanted.texts:
            try:
                paths = self._paths(text)
            except SourceError as fault:
                remarks += self._unreadable(self._missing, text, str(fault))
                continue
            for path in paths:
                if path not in self._settled and self._is_first(path):
                    yield path

    def _paths(self, text: str) -> list[str]:
        found = expand(text, self._wanted, named_paths, self._reader)
        if not found:
            raise SourceError(f"no file matches {text!r} in {self._wanted.root} yet")
        self._missing.pop(text, None)
        self._names |= {path: name for path, name in found.items() if name}
        return list(found)

    def _is_first(self, path: str) -> bool:
        """Whether no other path is that of the same file."""
        return self._identities.setdefault(os.path.realpath(path), path) == path

    def _holds_parts(self, path: str) -> bool:
        if path not in self._names:
            # What cannot be told yet is tried again, and said, when it is scanned.
            with contextlib.suppress(*READ_FAULTS):
                self._names[path] = guess_file_reader(path)
        return facts_of(self._names.get(path, "")).extent is Extent.RUN

    def _rests(self, path: str) -> bool:
        """Whether a file has not changed since the last look."""
        try:
            state = source_of_file(path, self._names[path])
        except OSError:
            return False
        before, self._states[path] = self._states.get(path), state
        return before == state

    def _scan(self, path: str) -> Scanned | None:
        """What is in a source; None where there is nothing to look at."""
        if path not in self._names:
            if not os.path.isfile(path):
                return None
            self._names[path] = guess_file_reader(path)
        reader = self._reader(self._names[path])
        if reader.needs_file and not os.path.isfile(path):
            return None
        if not isinstance(reader, GrowingReader):
            found = scan_source(self._wanted, path, self._names[path], reader)
            if change_of(found.source):
                # Its last bytes came while it was scanned.
                return None
            self._settled.add(path)
            return found
        state = source_of_file(path, self._names[path])
        rests = self._states.get(path) == state
        if rests and path in self._rested:
            return None
        found = self._growing(path, reader)
        self._states[path] = state
        # A change within the clock tick of a scan cannot be seen: a file at rest is scanned twice.
        (self._rested.add if rests else self._rested.discard)(path)
        return found

    def _growing(self, path: str, reader: GrowingReader) -> Scanned:
        wanted = self._wanted
        scan = reader.scan_growing(
            path, dataset=wanted.dataset, pid=wanted.pid_datasets, beside=self._beside
        )
        return Scanned(Source(path, self._names[path], grows=True), scan)

    def _opened(self, index: EventIndex) -> EventIndex:
        """The index with the sources marked that may grow from now on."""
        sources = (
            replace(source, grows=isinstance(self._reader(source.reader), GrowingReader))
            for source in index.sources
        )
        return replace(index, sources=tuple(sources))

    def _unreadable(self, troubles: dict[str, _Trouble], path: str, reason: str) -> Iterator[str]:
        trouble = troubles.get(path)
        if trouble is None:
            troubles[path] = _Trouble(self._clock())
            yield f"{_placed(path, reason)}; it is tried again"
        elif not trouble.is_told_again and self._clock() - trouble.since >= _LONG:
            trouble.is_told_again = True
            yield f"{_placed(path, reason)}; it was tried for {_LONG / 60:.0f} minutes"

    def _new(self, refused: Sequence[tuple[str, str]]) -> Iterator[str]:
        for path, reason in refused:
            if (path, reason) not in self._told:
                self._told.add((path, reason))
                yield _placed(path, reason)


def _placed(path: str, reason: str) -> str:
    """The reason with the path, which most reasons name already."""
    return reason if path in reason else f"{path}: {reason}"
