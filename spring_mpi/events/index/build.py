"""Building an event index: from names of files to the columns of all their events."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import SourceError
from ...launch.communicator import Communicator, NullCommunicator
from ...launch.sharing import shared
from ..event import Source, change_of, run_in_name
from ..formats.reader import READ_FAULTS, Extent, PidDatasets, Reader
from ..formats.registry import facts_of, find_reader, guess_file_reader
from ..formats.wording import reason_of
from ..reading.mixed import refuse_mixed_event
from .assembly import assemble, no_events
from .event_index import EventIndex
from .finding import find_sources
from .remarks import left_out
from .scans import ROW_NAMES, Scanned, scan_source, scans_of
from .wanted import AnyPath, Wanted, wanted_sources


@dataclass(frozen=True)
class Built:
    """An index, and how many sources it was built of."""

    index: EventIndex
    kept: int
    """Sources that an earlier index told of."""
    scanned: int
    gone: int
    """Sources of the earlier index that there are no more."""


def build_index(
    paths: AnyPath | Sequence[AnyPath],
    *,
    reader: str = "auto",
    dataset: str | None = None,
    pid: PidDatasets = None,
    run: int | None = None,
    root: AnyPath = ".",
    communicator: Communicator | None = None,
    known: EventIndex | None = None,
) -> EventIndex:
    """The index of all events of some sources, in the order of their pids.

    Parameters
    ----------
    paths
        A file, a list of files, patterns (``**`` for any folders), source strings
        (``exp=cxib7913:run=34:idx``, see `experiment`), or the text of a source that needs no
        file. They are taken in sorted order, every file once.
    reader
        Name of the reader, ``FILE.py:FUNCTION``, or ``auto``.
    dataset
        Dataset of the frames, where the format asks for one.
    pid
        Dataset or datasets of the pid, with one integer per event. Without them the format's own
        pids, or else (run, row counted through all sources).
    run
        Number of the run, from 0 on; default that of the file, as in ``r0034`` in its name,
        else 0.
    root
        Folder at which relative paths start.
    communicator
        Of rank 0, while all others `sharing.serve`; the index is the same for any number of
        ranks. None: this process alone.
    known
        An earlier index. Its sources that did not change since are not scanned again; the index
        is the same as without it, but for the statistics, which it has from ``known`` where
        nothing changed at all. One that was built with other options is not used.

    Raises
    ------
    SourceError
        If nothing matches, a file cannot be read, pids do not fit together, there is no event,
        or the run is out of range.
    """
    wanted = wanted_sources(paths, reader=reader, dataset=dataset, pid=pid, run=run, root=root)
    return build(wanted, communicator or NullCommunicator(), known).index


def build(wanted: Wanted, communicator: Communicator, known: EventIndex | None = None) -> Built:
    """The index of the wanted sources; parameters and errors as of `build_index`."""
    is_usable = known is not None and known.wanted.has_options_of(wanted)
    before = known if known is not None and is_usable else no_events(wanted)
    same = _unchanged(before)
    found = find_sources(
        wanted, lambda path: same[path].reader if path in same else guess_file_reader(path)
    )
    kept = [*_kept(before, _still_known(before, same, found))]
    left = found.keys() - {scanned.source.path for scanned in kept}
    fresh = _scan_all(wanted, {path: found[path] for path in left}, communicator)
    index = assemble(sorted([*kept, *fresh], key=lambda each: each.source.path), wanted)
    if not len(index):
        raise SourceError(_no_events(wanted, index))
    _refuse_mixed(index)
    gone = len({source.path for source in before.sources} - found.keys())
    if not (fresh or gone):
        index = replace(index, statistics=before.statistics)
    return Built(index, len(kept), len(fresh), gone)


def _refuse_mixed(index: EventIndex) -> None:
    """Raises `SourceError` where an event of the index has parts of several detectors.

    Streams of a run may hold one each; without the name of a dataset all of them are taken.
    """
    formats = [facts_of(source.reader) for source in index.sources]
    names = [
        facts.detector_of(frames.dataset) if facts.extent is Extent.RUN else ""
        for facts, frames in zip(formats, index.frames, strict=True)
    ]
    known = sorted(set(names))
    if len(known) < 2 or not len(index):
        return
    detector = np.array([known.index(name) for name in names])[index.source]
    first = np.minimum.reduceat(detector, index.starts)
    last = np.maximum.reduceat(detector, index.starts)
    for place in np.flatnonzero(first != last)[:1].tolist():
        refuse_mixed_event(index.ref(place))


def _unchanged(index: EventIndex) -> dict[str, Source]:
    """The sources, by path, whose files have the size and time of change that they had.

    Files that were still written have no size and time, and do not count.
    """
    # A file that was indexed before and while it grew occurs twice, the second time as growing.
    sources = {source.path: source for source in index.sources}
    return {
        path: source for path, source in sources.items()
        if source.mtime_ns and not source.grows and not change_of(source)
        # An index of an older version does not tell what it leaves out.
        and (index.left_out is not None or facts_of(source.reader).extent is not Extent.RUN)
    }  # fmt: skip


def _still_known(
    before: EventIndex, same: Mapping[str, Source], found: Mapping[str, str]
) -> set[str]:
    """The sources, of those found with their readers, that need not be scanned again.

    A file of a run whose files are scanned with a view of each other needs it if any of them is
    new, changed or gone; and so does any file whose reader looks at other files, or may have become
    another one.
    """
    everything = {source.path: source.reader for source in before.sources} | {**found}
    changed = {
        _unit(path, name) for path, name in everything.items()
        if not (path in found and path in same)
    }  # fmt: skip
    return {path for path, name in found.items() if _unit(path, name) not in {None, *changed}}


def _unit(path: str, reader: str) -> Hashable:
    """What is scanned as a whole if any of it changed; None: it always is."""
    extent = facts_of(reader).extent
    if extent is Extent.FILE:
        return path
    # Which events of a run have no frame can only be found in all of its files.
    return (reader, os.path.dirname(path), run_in_name(path)) if extent is Extent.RUN else None


def _kept(before: EventIndex, paths: set[str]) -> Iterator[Scanned]:
    """What a scan of these sources would find again."""
    # Events that were counted are in the order of their count, which is that of the scan.
    are_counted = before.pid_names == ROW_NAMES and not before.wanted.pid
    for scanned in scans_of(before):
        if scanned.source.path in paths:
            yield scanned.uncounted() if are_counted else scanned


def _no_events(wanted: Wanted, index: EventIndex) -> str:
    """Why there are none, with what the sources hold instead."""
    where = ", ".join(wanted.texts) or "an empty list of files"
    facts = map(facts_of, sorted({source.reader for source in index.sources}))
    decoded = [fact.decoded() for fact in facts if fact.decoded]
    return "; ".join([f"no events in {where}", *left_out(index), *decoded])


def _scan_all(
    wanted: Wanted, found: Mapping[str, str], communicator: Communicator
) -> list[Scanned]:
    """They are handed out by size, for a long one ends late."""
    largest_first = sorted(found.items(), key=lambda source: (-_size(source[0]), source))
    return list(shared(communicator, _Scanner(wanted), largest_first))


class _Scanner:
    """Scans one source after the other, with one reader for each format."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._readers: dict[str, Reader] = {}

    def __call__(self, named: tuple[str, str]) -> Scanned:
        path, name = named
        if name not in self._readers:
            self._readers[name] = find_reader(name)
        try:
            return scan_source(self._wanted, path, name, self._readers[name])
        except SourceError:
            raise
        except READ_FAULTS as fault:
            raise SourceError(f"{path}: cannot be read as {name}: {reason_of(fault)}") from fault


def _size(source: str) -> int:
    """Bytes of the file; 0 where there is none."""
    try:
        return os.path.getsize(source)
    except OSError:
        return 0
