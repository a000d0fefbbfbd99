"""The event index as an HDF5 file of columns."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import HeldFileError, SourceError
from ..hdf5 import new_file, reading
from .index import TRANSITIONS, EventIndex, Frames, Statistics
from .left_out import LeftOut
from .source import Source
from .wanted import Wanted, parse_command

FORMAT_VERSION = 1
"""Another one, too, where readers find other things in the same files: nothing is built upon it."""
_TOOL = "spring-index"
_FAULTS = (OSError, KeyError, ValueError, IndexError, TypeError, RuntimeError)
"""What reading raises for a file that is no index."""


def write_index(index: EventIndex, path: str | os.PathLike[str]) -> None:
    """Write the index so that a reader sees the old file or the new one, never a part.

    Equal indexes give equal bytes.

    Raises
    ------
    SourceError
        If the folder cannot be written, or the file that is there is no index but other data.
    """
    final = Path(path).absolute()
    with replacing(final, index.sources, "the index", _TOOL) as file:
        _write(index, file)


@contextlib.contextmanager
def replacing(final: Path, sources: Iterable[Source], what: str, tool: str) -> Iterator[h5py.File]:
    """A new HDF5 file that takes the place of an old one when all is written, or not at all.

    Parameters
    ----------
    sources
        Data that must not be replaced; nor is any file that ``tool`` did not write.
    what
        Names the file in errors.

    Raises
    ------
    SourceError
        See `write_index`.
    """
    _refuse_other_data(final, sources, what, tool)
    try:
        with new_file(final) as file:
            file.attrs["tool"] = tool
            yield file
    except OSError as fault:
        raise SourceError(f"cannot write {what} {final}: {fault.strerror or fault}") from fault


def load_index(
    path: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> EventIndex:
    """The index in that file; with ``root``, its sources are looked for below that folder.

    Raises
    ------
    SourceError
        If the file is missing, or no index of this version.
    OSError
        If it cannot be read, whatever it is.
    """
    try:
        index = read_index(path)
    except HeldFileError:
        raise
    except SourceError as fault:
        raise SourceError(f"{fault}; {_rebuild(path)}") from fault
    return index if root is None else _moved(index, os.path.abspath(root))


def read_index(path: str | os.PathLike[str]) -> EventIndex:
    """As `load_index`; its errors say what is wrong, and not what to do."""
    if not os.path.isfile(path):
        raise SourceError(f"no event index {os.fspath(path)}")
    try:
        with reading(path) as file:
            index = _read(file)
    except HeldFileError:
        raise
    except _FAULTS as fault:
        _raise_if_unreadable(fault)
        raise SourceError(
            f"{os.fspath(path)} is no event index of version {FORMAT_VERSION}: {fault}"
        ) from fault
    return replace(index, file=os.path.abspath(path))


def is_index(path: str | os.PathLike[str]) -> bool:
    """Whether the file is an event index, of any version."""
    return _is_written_by(_TOOL, path)


def _refuse_other_data(path: Path, sources: Iterable[Source], what: str, tool: str) -> None:
    """Raises `SourceError` where writing the file would cost the user other data."""
    if os.path.isdir(path):
        raise SourceError(f"cannot write {what} {path}: it is a folder; name a file")
    files = {os.path.realpath(source.path) for source in sources if source.is_file}
    if os.path.realpath(path) in files:
        raise SourceError(
            f"cannot write {what} {path}: it is one of the data files; choose another name"
        )
    if os.path.exists(path) and not _is_written_by(tool, path):
        raise SourceError(
            f"cannot write {what} {path}: the file that is there is another one; "
            "choose another name, or delete it"
        )


def _is_written_by(tool: str, path: str | os.PathLike[str]) -> bool:
    """Whether the file is of that tool, in any version."""
    try:
        with reading(path) as file:
            return str(file.attrs["tool"]) == tool
    except HeldFileError:
        raise
    except _FAULTS as fault:
        _raise_if_unreadable(fault)
        return False


def _raise_if_unreadable(fault: Exception) -> None:
    """A fault of the disk says nothing of what is in the file."""
    if isinstance(fault, OSError) and fault.errno not in (None, errno.ENOENT, errno.EISDIR):
        raise fault


def _rebuild(path: str | os.PathLike[str]) -> str:
    return f"build it: spring-index build SOURCE... -o {quote(os.fspath(path))}"


def _moved(index: EventIndex, root: str) -> EventIndex:
    before = index.wanted.root
    sources = (
        replace(source, path=os.path.join(root, os.path.relpath(source.path, before)))
        if source.is_file else source
        for source in index.sources
    )  # fmt: skip
    return replace(index, sources=tuple(sources), wanted=index.wanted.moved(root))


def _write(index: EventIndex, file: h5py.File) -> None:
    file.attrs["format_version"] = FORMAT_VERSION
    _write_wanted(index.wanted, file)
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(index.frames))}
    columns = {
        "sources/path": _texts(source.path for source in index.sources),
        "sources/reader": _texts(source.reader for source in index.sources),
        "sources/size": np.array([source.size for source in index.sources], np.uint64),
        "sources/mtime_ns": np.array([source.mtime_ns for source in index.sources], np.int64),
        "sources/grows": np.array([source.grows for source in index.sources], np.uint8),
        "sources/dataset": np.array([kinds[kind] for kind in index.frames], np.uint32),
        "datasets/name": _texts(kind.dataset for kind in kinds),
        "datasets/dtype": _texts(kind.dtype for kind in kinds),
        "sources/is_part": np.array([source.is_part for source in index.sources], np.uint8),
        "datasets/shape": np.array([kind.shape for kind in kinds], np.uint64).reshape(-1, 2),
        "events/pid": index.pids,
        "events/flags": index.flags,
        "events/step": index.steps.astype(np.int32),
        # Parts of event i are part_ptr[i] to part_ptr[i + 1].
        "events/part_ptr": np.append(index.starts, len(index.row)).astype(np.uint64),
        "parts/source": index.source,
        "parts/row": index.row,
        "parts/flags": index.part_flags,
        **{f"state/{name}": index.transitions[name] for name in TRANSITIONS.names or ()},
    }
    for name, values in columns.items():
        file.create_dataset(name, data=values, track_times=False)
    file["events/pid"].attrs["names"] = _texts(index.pid_names)
    if index.left_out is not None:
        _write_left_out(index.left_out, file)
    if found := index.statistics:
        file.create_dataset("events/sum", data=found.sum, track_times=False)
        file.create_dataset("events/lit", data=found.lit, track_times=False)
        file["events/lit"].attrs["threshold"] = found.threshold


def _write_wanted(wanted: Wanted, file: h5py.File) -> None:
    """As values; the command line is for people, and for earlier versions of this program."""
    file.attrs["root"] = wanted.root
    file.attrs["command"] = wanted.command
    for name, values in (("texts", wanted.texts), ("pid", wanted.pid)):
        file.create_dataset(f"wanted/{name}", data=_texts(values), track_times=False)
    options = {"reader": wanted.reader, "dataset": wanted.dataset, "run": wanted.run}
    for name, value in options.items():
        if value is not None:
            file["wanted"].attrs[name] = value


def _read_wanted(file: h5py.File) -> Wanted:
    root, group = str(file.attrs["root"]), file.get("wanted")
    if group is None:
        # Indexes of earlier versions.
        return parse_command(str(file.attrs["command"]), root)
    texts, pid = (tuple(group[name].asstr()[()]) for name in ("texts", "pid"))
    reader, dataset, run = (group.attrs.get(name) for name in ("reader", "dataset", "run"))
    return Wanted(texts, reader, dataset, pid, None if run is None else int(run), root)


def _write_left_out(found: Sequence[LeftOut], file: h5py.File) -> None:
    """How many events are left out, and why; not which, for there may be millions."""
    columns = {
        "source": np.array([one.source for one in found], np.uint32),
        "events": np.array([one.events for one in found], np.uint64),
        "holds": _texts("\n".join(one.holds) for one in found),
        "unit": _texts(one.unit for one in found),
        "lack": _texts(one.lack for one in found),
    }
    for name, values in columns.items():
        file.create_dataset(f"left_out/{name}", data=values, track_times=False)


def _read_left_out(file: h5py.File) -> tuple[LeftOut, ...] | None:
    group = file.get("left_out")
    if group is None:
        return None
    columns = (
        group["events"][()].tolist(), group["source"][()].tolist(),
        *(group[name].asstr()[()] for name in ("holds", "unit", "lack")),
    )  # fmt: skip
    return tuple(
        LeftOut(events, tuple(filter(None, holds.split("\n"))), None, unit, lack, source)
        for events, source, holds, unit, lack in zip(*columns, strict=True)
    )


def _read(file: h5py.File) -> EventIndex:
    version = file.attrs["format_version"]
    if version != FORMAT_VERSION:
        raise ValueError(f"its format_version is {version}")
    sources, frames = _read_sources(file)
    counts = np.diff(file["events/part_ptr"][()].astype(np.int64))
    index = EventIndex(
        part_pids=np.repeat(file["events/pid"][()], counts, axis=0),
        source=file["parts/source"][()],
        row=file["parts/row"][()],
        part_flags=file["parts/flags"][()],
        pid_names=tuple(str(name) for name in file["events/pid"].attrs["names"]),
        sources=sources,
        frames=frames,
        wanted=_read_wanted(file),
        transitions=_read_transitions(file["state"]),
        statistics=_read_statistics(file["events"]),
        left_out=_read_left_out(file),
    )
    _check(index)
    if len(index) != len(counts):
        raise ValueError(f"its parts make {len(index)} events, not {len(counts)}")
    return index


def _read_sources(file: h5py.File) -> tuple[tuple[Source, ...], tuple[Frames, ...]]:
    datasets, group = file["datasets"], file["sources"]
    names, dtypes = datasets["name"].asstr()[()], datasets["dtype"].asstr()[()]
    shapes = map(tuple, datasets["shape"][()].tolist())
    kinds = [Frames(*kind) for kind in zip(names, shapes, dtypes, strict=True)]
    grows, is_part = (group[name][()].astype(bool).tolist() for name in ("grows", "is_part"))
    columns = (
        group["path"].asstr()[()], group["reader"].asstr()[()],
        group["size"][()].tolist(), group["mtime_ns"][()].tolist(), grows, is_part,
    )  # fmt: skip
    sources = tuple(Source(*column) for column in zip(*columns, strict=True))
    return sources, tuple(kinds[number] for number in group["dataset"][()])


def _read_transitions(group: h5py.Group) -> NDArray[np.void]:
    transitions = np.empty(group["time"].shape, TRANSITIONS)
    for name in TRANSITIONS.names or ():
        transitions[name] = group[name][()]
    return transitions


def _read_statistics(group: h5py.Group) -> Statistics | None:
    if "sum" not in group:
        return None
    lit = group["lit"]
    return Statistics(group["sum"][()], lit[()], float(lit.attrs["threshold"]))


def _check(index: EventIndex) -> None:
    """Raises `ValueError` where columns contradict each other, as in a file changed by hand."""
    columns = (index.part_pids, index.source, index.row, index.part_flags)
    lengths = {len(column) for column in columns}
    if len(lengths) > 1 or index.part_pids.ndim != 2:
        raise ValueError(f"its columns have different lengths {sorted(lengths)}")
    if index.part_pids.shape[1] != len(index.pid_names):
        raise ValueError("its pids have other numbers than names")
    if len(index.frames) != len(index.sources) or (index.source >= len(index.sources)).any():
        raise ValueError("it has events without a source")
    if any(one.source >= len(index.sources) for one in index.left_out or ()):
        raise ValueError("it leaves out events without a source")
    found = index.statistics
    if found and {len(found.sum), len(found.lit)} != {len(index)}:
        raise ValueError(f"its statistics are not those of {len(index)} events")


def _texts(values: Iterable[str]) -> NDArray[np.object_]:
    return np.array(list(values), dtype=h5py.string_dtype())
