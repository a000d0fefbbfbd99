"""Building an event index: from names of files to the columns of all their events."""

from __future__ import annotations

import fnmatch
import glob
import itertools
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import SourceError
from .index import DUPLICATE, EventIndex, Frames
from .readers import (
    READ_FAULTS,
    PidDatasets,
    Reader,
    Scan,
    find_reader,
    guess_file_reader,
    guess_text_reader,
    names_user_file,
)
from .search import repeated, sorting
from .source import Source, run_in_name, source_of_file

AnyPath = str | os.PathLike[str]
_ROW_NAMES = ("run", "row")
_LARGEST_RUN = 2**63 - 1


class _Scanned(NamedTuple):
    source: Source
    scan: Scan


def build_index(
    paths: AnyPath | Sequence[AnyPath],
    *,
    reader: str = "auto",
    dataset: str | None = None,
    pid: PidDatasets = None,
    run: int | None = None,
    root: AnyPath = ".",
) -> EventIndex:
    """The index of all events of some sources, in the order of their pids.

    Parameters
    ----------
    paths
        A file, a list of files, patterns (``**`` for any folders), or the text of a source that
        needs no file. They are taken in sorted order, every file once.
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

    Raises
    ------
    SourceError
        If nothing matches, a file cannot be read, pids do not fit together, there is no event,
        or the run is out of range.
    """
    if run is not None and not 0 <= run <= _LARGEST_RUN:
        raise SourceError(f"the number of the run (run) must be 0 to {_LARGEST_RUN}, not {run}")
    root = os.path.abspath(root)
    texts = [
        os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)
    ]
    if names_user_file(reader):
        reader = os.path.join(root, reader)
    scanned = tuple(_scan_all(find_sources(texts, reader, root), dataset, pid))
    if not sum(map(_count, scanned)):
        raise SourceError(f"no events in {', '.join(texts) or 'an empty list of files'}")
    options = {"reader": reader if reader != "auto" else None, "dataset": dataset, "run": run}
    command = _command(texts, {**options, "root": root}, pid)
    return _sorted_index(scanned, run, root, command)


def _sorted_index(
    scanned: Sequence[_Scanned], run: int | None, root: str, command: str
) -> EventIndex:
    names, pids = _all_pids(scanned, run)
    counts = [_count(one) for one in scanned]
    source = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    row = np.concatenate([np.arange(count, dtype=np.uint64) for count in counts])
    order = sorting(pids)
    pids = pids[order]
    return EventIndex(
        pids=pids,
        source=source[order],
        row=row[order],
        flags=np.where(repeated(pids), DUPLICATE, 0).astype(np.uint32),
        pid_names=names,
        sources=tuple(one.source for one in scanned),
        frames=tuple(
            Frames(scan.dataset, tuple(scan.shape[-2:]), scan.dtype) for _, scan in scanned
        ),
        root=root,
        command=command,
    )


def _count(one: _Scanned) -> int:
    return one.scan.shape[0] if one.scan.pids is None else len(one.scan.pids)


def _all_pids(
    scanned: Sequence[_Scanned], run: int | None
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names of the pids' numbers, and the pids of all sources, one after the other."""
    groups: dict[tuple[str, ...], list[str]] = {}
    blocks, start = [], 0
    for one in scanned:
        names, pids = _pids(one, start)
        groups.setdefault(names, []).append(one.source.path)
        blocks.append(pids)
        start += len(pids)
    if len(groups) > 1:
        raise SourceError(_apart(groups))
    together = np.concatenate(blocks)
    if run is not None and "run" in names:
        together[:, names.index("run")] = run
    return names, together


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


def _pids(one: _Scanned, start: int) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    if one.scan.pids is not None:
        return one.scan.pid_names, one.scan.pids
    rows = np.arange(start, start + _count(one), dtype=np.int64)
    return _ROW_NAMES, np.stack([np.full_like(rows, run_in_name(one.source.path)), rows], axis=1)


def _scan_all(found: dict[str, str], dataset: str | None, pid: PidDatasets) -> Iterator[_Scanned]:
    readers = {name: find_reader(name) for name in set(found.values())}
    for text in sorted(found):
        name = found[text]
        try:
            yield _scan(text, name, readers[name], dataset, pid)
        except SourceError:
            raise
        except READ_FAULTS as fault:
            reason = str(fault) or type(fault).__name__
            raise SourceError(f"{text}: cannot be read as {name}: {reason}") from fault


def _scan(text: str, name: str, reader: Reader, dataset: str | None, pid: PidDatasets) -> _Scanned:
    # The state of the file is taken first: a change while it is scanned makes the index stale.
    source = source_of_file(text, name) if reader.needs_file else Source(text, name)
    return _Scanned(source, reader.scan(text, dataset=dataset, pid=pid))


def find_sources(texts: Sequence[str], reader: str, root: str) -> dict[str, str]:
    """The name of the reader for each source; a file that several texts name occurs once."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for text in texts:
        for source, name in _expand(text, reader, root):
            identity = os.path.realpath(source)
            if identity not in seen:
                seen.add(identity)
                found[source] = name
    return found


def _expand(text: str, reader: str, root: str) -> list[tuple[str, str]]:
    """The sources that one text stands for, each with its reader's name."""
    if reader != "auto" and not find_reader(reader).needs_file:
        return [(text, reader)]
    paths = _matches(text, root)
    if not paths and reader == "auto" and (name := guess_text_reader(text)):
        return [(text, name)]
    if not paths:
        raise SourceError(f"no file matches {text!r} in {root}")
    return [(path, guess_file_reader(path) if reader == "auto" else reader) for path in paths]


def _matches(text: str, root: str) -> list[str]:
    """Absolute paths of the files that a name or pattern stands for."""
    path = os.path.abspath(os.path.join(root, text))
    if os.path.isdir(path):
        raise SourceError(f"{path} is a folder; name its files, as in {os.path.join(text, '*')}")
    if os.path.isfile(path):
        return [path]
    found = glob.iglob(text, root_dir=root, recursive=True)
    paths = (os.path.abspath(os.path.join(root, one)) for one in found)
    return [one for one in paths if os.path.isfile(one)]


def _command(texts: Sequence[str], options: dict[str, object], pid: PidDatasets) -> str:
    """The command line that builds the same index."""
    pids = [pid] if isinstance(pid, str) else list(pid or ())
    named = [(f"--{key}", str(value)) for key, value in options.items() if value is not None]
    words = [word for pair in (*named, *(("--pid", one) for one in pids)) for word in pair]
    return shlex.join(["spring-index", "build", *texts, *words])
