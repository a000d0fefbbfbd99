"""Writing the event index, as an HDF5 file of columns, and other files in a tool's own place."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

from ...errors import HeldFileError, SourceError
from ...system.hdf5 import new_file, reading
from ..event import Source
from ..left_out import LeftOut
from .columns import TRANSITIONS
from .wanted import Wanted

if TYPE_CHECKING:
    from .event_index import EventIndex

FORMAT_VERSION = 1
"""Another one, too, where readers find other things in the same files: nothing is built upon it."""
NO_INDEX_FAULTS = (OSError, KeyError, ValueError, IndexError, TypeError, RuntimeError)
"""What reading raises for a file that is no index."""
_TOOL = "spring-index"


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
    except NO_INDEX_FAULTS as fault:
        raise_if_unreadable(fault)
        return False


def raise_if_unreadable(fault: Exception) -> None:
    """A fault of the disk says nothing of what is in the file."""
    if isinstance(fault, OSError) and fault.errno not in (None, errno.ENOENT, errno.EISDIR):
        raise fault


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


def _write_left_out(found: Sequence[LeftOut], file: h5py.File) -> None:
    """How many events are left out, and why; not which, for there may be millions."""
    columns = {
        "source": np.array([group.source for group in found], np.uint32),
        "events": np.array([group.events for group in found], np.uint64),
        "holds": _texts("\n".join(group.holds) for group in found),
        "unit": _texts(group.unit for group in found),
        "lack": _texts(group.lack for group in found),
    }
    for name, values in columns.items():
        file.create_dataset(f"left_out/{name}", data=values, track_times=False)


def _texts(values: Iterable[str]) -> NDArray[np.object_]:
    return np.array(list(values), dtype=h5py.string_dtype())
