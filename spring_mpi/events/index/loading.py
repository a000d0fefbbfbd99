"""The event index as an HDF5 file of columns."""

from __future__ import annotations

import os
from dataclasses import replace
from shlex import quote

import h5py
import numpy as np
from numpy.typing import NDArray

from ...errors import HeldFileError, SourceError
from ...system.hdf5 import reading
from ..event import Source
from ..left_out import LeftOut
from .columns import TRANSITIONS, Frames, Statistics
from .event_index import EventIndex
from .wanted import Wanted, parse_command
from .writing import FORMAT_VERSION, NO_INDEX_FAULTS, raise_if_unreadable


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
    except NO_INDEX_FAULTS as fault:
        raise_if_unreadable(fault)
        raise SourceError(
            f"{os.fspath(path)} is no event index of version {FORMAT_VERSION}: {fault}"
        ) from fault
    return replace(index, file=os.path.abspath(path))


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


def _read_wanted(file: h5py.File) -> Wanted:
    root, group = str(file.attrs["root"]), file.get("wanted")
    if group is None:
        # Indexes of earlier versions.
        return parse_command(str(file.attrs["command"]), root)
    texts, pid = (tuple(group[name].asstr()[()]) for name in ("texts", "pid"))
    reader, dataset, run = (group.attrs.get(name) for name in ("reader", "dataset", "run"))
    return Wanted(texts, reader, dataset, pid, None if run is None else int(run), root)


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
    if any(group.source >= len(index.sources) for group in index.left_out or ()):
        raise ValueError("it leaves out events without a source")
    found = index.statistics
    if found and {len(found.sum), len(found.lit)} != {len(index)}:
        raise ValueError(f"its statistics are not those of {len(index)} events")
