"""What an xtc2 file says before its first event: names of its values, number of the run."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ....errors import SourceError
from ...event import run_in_name
from ..reader import READ_FAULTS
from .file import File, first_chunk_of, other_streams, walk
from .layout import (
    BEGIN_RUN,
    CONFIGURE,
    L1_ACCEPT,
    NAMES,
    SHAPES_DATA,
    Block,
    Take,
    content,
    parse_header,
    parse_names,
    parse_value,
)

Names = Mapping[int, Block]
"""The blocks that a Configure declares, by their sources."""

_LOG = logging.getLogger(__name__)


class Head(NamedTuple):
    """What a file says before its first event."""

    names: Names | None
    """Of its first Configure; None if there is none."""
    run: int | None
    """Of its first BeginRun."""


def read_names(take: Take, offset: int) -> dict[int, Block]:
    """The names that the Configure at the offset declares."""
    header = parse_header(take, offset)
    parts = content(take, offset, header)
    return {part.source: parse_names(take, part) for part in parts if part.kind == NAMES}


def read_run(take: Take, offset: int, names: Names) -> int | None:
    """The number of the run that the BeginRun at the offset tells, if it does."""
    found = read_integers(take, offset, names, "runinfo", ("runnum",))
    return None if found is None else found[0]


def read_head(path: str) -> Head:
    """What the file says before its first event; errors as of `walk`."""
    names: Names | None = None
    run = None
    with File(path) as file:
        take, size = (data := file.bytes()).take, data.size
        for offset, header in walk(take, size):
            service = header.service
            if service == CONFIGURE and names is None:
                names = read_names(take, offset)
            elif service == BEGIN_RUN and run is None:
                run = read_run(take, offset, names or {})
            elif service == L1_ACCEPT:
                break
    return Head(names, run)


def opening_names(file: File) -> Names:
    """The names that hold at the start of a file: its own, or those of chunk 0 of its stream.

    Raises
    ------
    SourceError
        If there are none.
    """
    take = file.bytes().take
    if parse_header(take, 0).service == CONFIGURE:
        return read_names(take, 0)
    first = first_chunk_of(file.path)
    if first is None:
        raise SourceError(f"{file.path}: does not begin with a Configure, which names its data")
    try:
        names = read_head(first).names
    except FileNotFoundError:
        names = None
    if names is None:
        raise SourceError(
            f"{file.path}: its data are named in the first chunk of the stream, but "
            f"{os.path.basename(first)} is not beside it or names nothing"
        )
    return names


def opening_run(path: str) -> int:
    """The run where the file tells none: of chunk 0, another stream, or in the file's name."""
    first = first_chunk_of(path)
    heads = [read_head(first)] if first and os.path.isfile(first) else []
    told = (head.run for head in itertools.chain(heads, other_heads(path)))
    return next((run for run in told if run is not None), run_in_name(path))


def other_heads(path: str) -> Iterator[Head]:
    """The heads of the other streams of the run, of those that can be read."""
    for other in other_streams(path):
        try:
            yield read_head(other)
        except READ_FAULTS as fault:
            _LOG.warning("%s: %s", other, fault)


def read_integers(
    take: Take, offset: int, names: Names, detector: str, fields: tuple[str, ...]
) -> list[int] | None:
    """Values of a detector in the datagram at the offset; None if it holds none."""
    for part in content(take, offset, parse_header(take, offset)):
        block = names.get(part.source) if part.kind == SHAPES_DATA else None
        if block and block.detector == detector and set(fields) <= _field_names(block):
            return [_integer(parse_value(take, part, block, name)) for name in fields]
    return None


def _integer(value: NDArray[Any]) -> int:
    """A single number from 0 to 2**63 - 1; raises `ValueError` for anything else."""
    if value.ndim or value.dtype.kind not in "iu" or not 0 <= int(value) < 2**63:
        raise ValueError(f"{value} cannot be the number of a run, a chunk or a byte")
    return int(value)


def _field_names(block: Block) -> set[str]:
    return {field.name for field in block.fields}
