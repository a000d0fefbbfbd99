"""Building an event index: from names of files to the columns of all their events."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import Protocol, runtime_checkable

from ..comm import Communicator, NullCommunicator
from ..errors import SourceError
from .assembly import Scanned, assemble, no_events
from .experiment_files import complete_files, experiment_files
from .formats.experiment import located, names_experiment
from .formats.reader import READ_FAULTS, PidDatasets, Reader
from .formats.registry import (
    BUILT_IN,
    WITHOUT_FILE,
    find_reader,
    guess_file_reader,
    guess_text_reader,
)
from .formats.user_file import names_user_file
from .incremental import Earlier
from .index import EventIndex
from .left_out import left_out
from .mixed import refuse_mixed
from .patterns import matching
from .sharing import shared
from .source import Source, source_of_file

AnyPath = str | os.PathLike[str]
_LARGEST_RUN = 2**63 - 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """Which sources an index is of, and how they are read; see `build_index`."""

    texts: tuple[str, ...]
    reader: str
    dataset: str | None
    pid: tuple[str, ...]
    run: int | None
    root: str
    """Absolute."""

    @property
    def command(self) -> str:
        """The command line that builds the index."""
        options = {
            "reader": self.reader if self.reader != "auto" else None,
            "dataset": self.dataset, "run": self.run, "root": self.root,
        }  # fmt: skip
        named = [(f"--{key}", str(value)) for key, value in options.items() if value is not None]
        words = [word for pair in (*named, *(("--pid", one) for one in self.pid)) for word in pair]
        return shlex.join(["spring-index", "build", *self.texts, *words])

    def are_options_of(self, index: EventIndex) -> bool:
        """Whether an index was built with the same options, of these sources or others."""
        return _options(index.command) == _options(self.command)

    def scan(self, path: str, name: str, reader: Reader) -> Scanned:
        """What is in a source; raises any of `READ_FAULTS`."""
        # The state of the file is taken first: a change while it is scanned makes the index stale.
        source = source_of_file(path, name) if reader.needs_file else Source(path, name)
        return Scanned(source, reader.scan(path, dataset=self.dataset, pid=self.pid_datasets))

    @property
    def pid_datasets(self) -> PidDatasets:
        """As readers take them; one dataset by its name alone."""
        return self.pid[0] if len(self.pid) == 1 else self.pid or None


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


def wanted_sources(
    paths: AnyPath | Sequence[AnyPath],
    *,
    reader: str,
    dataset: str | None,
    pid: PidDatasets,
    run: int | None,
    root: AnyPath,
) -> Wanted:
    """What `build_index` is asked for; `SourceError` if the run is out of range."""
    if run is not None and not 0 <= run <= _LARGEST_RUN:
        raise SourceError(f"the number of the run (run) must be 0 to {_LARGEST_RUN}, not {run}")
    root = os.path.abspath(root)
    texts = [paths] if isinstance(paths, str | os.PathLike) else paths
    if names_user_file(reader):
        reader = os.path.join(root, reader)
    pids = (pid,) if isinstance(pid, str) else tuple(pid or ())
    return Wanted(tuple(os.fspath(text) for text in texts), reader, dataset, pids, run, root)


def build(wanted: Wanted, communicator: Communicator, known: EventIndex | None = None) -> Built:
    """The index of the wanted sources; parameters and errors as of `build_index`."""
    usable = known if known and wanted.are_options_of(known) else None
    before = usable or no_events(wanted.root, wanted.command)
    earlier = Earlier.of(before, names_pids=bool(wanted.pid))
    found = find_sources(wanted.texts, wanted.reader, wanted.root, earlier.reader_of)
    kept = earlier.scans(found)
    left = found.keys() - {one.source.path for one in kept}
    scanned = _scan_all(wanted, {path: found[path] for path in left}, communicator)
    everything = sorted([*kept, *scanned], key=lambda one: one.source.path)
    index = assemble(everything, run=wanted.run, root=wanted.root, command=wanted.command)
    if not len(index):
        raise SourceError(_no_events(wanted, index))
    refuse_mixed(index)
    gone = len({source.path for source in before.sources} - found.keys())
    if not (scanned or gone):
        index = replace(index, statistics=before.statistics)
    return Built(index, len(kept), len(scanned), gone)


def _no_events(wanted: Wanted, index: EventIndex) -> str:
    """Why there are none, with what the sources hold instead."""
    where = ", ".join(wanted.texts) or "an empty list of files"
    readers = map(find_reader, sorted({source.reader for source in index.sources} & {*BUILT_IN}))
    decoded = [reader.decoded() for reader in readers if isinstance(reader, _Decoder)]
    return "; ".join([f"no events in {where}", *left_out(index), *decoded])


@runtime_checkable
class _Decoder(Protocol):
    """A reader of files whose detectors may be of kinds that it cannot decode."""

    def decoded(self) -> str:
        """The kinds that it decodes, for people."""


def _scan_all(
    wanted: Wanted, found: Mapping[str, str], communicator: Communicator
) -> list[Scanned]:
    """They are handed out by size, for a long one ends late."""
    largest_first = sorted(found.items(), key=lambda source: (-_size(source[0]), source))
    return list(shared(communicator, _Scanner(wanted), largest_first))


def _options(command: str) -> list[str]:
    """The options in a `Wanted.command`, whose sources stand before them."""
    return list(dropwhile(lambda word: not word.startswith("--"), shlex.split(command)))


class _Scanner:
    """Scans one source after the other, with one reader for each format."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._readers: dict[str, Reader] = {}

    def __call__(self, named: tuple[str, str]) -> Scanned:
        text, name = named
        if name not in self._readers:
            self._readers[name] = find_reader(name)
        try:
            return self._wanted.scan(text, name, self._readers[name])
        except SourceError:
            raise
        except READ_FAULTS as fault:
            reason = str(fault) or type(fault).__name__
            raise SourceError(f"{text}: cannot be read as {name}: {reason}") from fault


def _size(source: str) -> int:
    """Bytes of the file; 0 where there is none."""
    try:
        return os.path.getsize(source)
    except OSError:
        return 0


def find_sources(
    texts: Sequence[str], reader: str, root: str, guess: Callable[[str], str] = guess_file_reader
) -> dict[str, str]:
    """The name of the reader for each source; a file that several texts name occurs once.

    ``guess`` names that of a file where ``reader`` is ``auto``.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for text in texts:
        for source, name in _expand(text, reader, root, guess):
            identity = os.path.realpath(source)
            if identity not in seen:
                seen.add(identity)
                found[source] = name
    return found


def source_paths(wanted: Wanted) -> set[str]:
    """The wanted sources, none of them opened; `SourceError` where there is none."""
    return set(find_sources(wanted.texts, wanted.reader, wanted.root, lambda path: ""))


def _expand(
    text: str, reader: str, root: str, guess: Callable[[str], str]
) -> list[tuple[str, str]]:
    """The sources that one text stands for, each with its reader's name."""
    if reader != "auto" and not find_reader(reader).needs_file:
        return [(at_root(text, reader, root), reader)]
    paths = _matches(text, root)
    if not paths and reader == "auto" and (name := guess_text_reader(text)):
        return [(text, name)]
    if not paths:
        raise SourceError(f"no file matches {text!r} in {root}")
    return [(path, guess(path) if reader == "auto" else reader) for path in paths]


def _matches(text: str, root: str) -> list[str]:
    """Absolute paths of the files that a name, pattern or source string stands for."""
    if _is_source_string(text, root):
        found = experiment_files(text, root)
        for remark in found.remarks:
            _log.warning(remark)
        return list(found.paths)
    return [path for path in named_paths(text, root) if os.path.isfile(path)]


def at_root(text: str, reader: str, root: str) -> str:
    """The source of a reader that needs no file; its path, if it has one, starts at ``root``.

    What a plug-in's text means only the plug-in knows.
    """
    if reader not in WITHOUT_FILE:
        return text
    return located(text, lambda path: os.path.abspath(os.path.join(root, path)))


def named_paths(text: str, root: str) -> list[str]:
    """Absolute paths that a name or pattern stands for, folders and others among them.

    Of a source string the files, once none of them is written any more.

    Raises
    ------
    SourceError
        If the text is the name of a folder, or a source string whose files are not complete.
    """
    if _is_source_string(text, root):
        return complete_files(text, root)
    path = os.path.abspath(os.path.join(root, text))
    if os.path.isdir(path):
        raise SourceError(f"{path} is a folder; name its files, as in {os.path.join(text, '*')}")
    return list(matching(text, root))


def _is_source_string(text: str, root: str) -> bool:
    """Whether a text names an experiment; a file of that very name is a file."""
    return names_experiment(text) and not os.path.isfile(os.path.join(root, text))
