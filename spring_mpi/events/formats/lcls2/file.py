"""An xtc2 file as a chain of headers, and what its name says."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..file_bytes import Bytes
from .layout import HEADER_BYTES, LARGEST, Header, Take, parse_header

_NAME = re.compile(r"(?P<run>.*-s)(?P<stream>\d+)-c(?P<chunk>\d+)(?P<end>\.xtc2(\.inprogress)?)")


class File:
    """An open file; close it with `close` or ``with``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def bytes(self) -> Bytes:
        """A view of the file of its own, for one thread."""
        return Bytes(self._descriptor)

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)


def walk(take: Take, size: int) -> Iterator[tuple[int, Header]]:
    """The datagrams of a chain of ``size`` bytes and their offsets, from the first on.

    Raises
    ------
    ValueError
        If a header is damaged; a datagram that reaches beyond the end is, if it is too large for
        one that is not complete yet.
    """
    at = 0
    while size - at >= HEADER_BYTES:
        header = parse_header(take, at)
        if header.size > size - at:
            if header.size > LARGEST:
                raise ValueError(f"byte {at}: a datagram of {header.size} bytes cannot be there")
            return
        yield at, header
        at += header.size


def chunk_of(path: str) -> int:
    """The number of the chunk in the name of a file, 0 where there is none."""
    parts = _NAME.fullmatch(os.path.basename(path))
    return int(parts["chunk"]) if parts else 0


def first_chunk_of(path: str) -> str | None:
    """The path of chunk 0 of the same stream; None if the file is that, or its name tells none."""
    folder, name = os.path.split(path)
    parts = _NAME.fullmatch(name)
    if parts is None or not int(parts["chunk"]):
        return None
    zero = "0" * len(parts["chunk"])
    return os.path.join(folder, f"{parts['run']}{parts['stream']}-c{zero}.xtc2")


def small_data_of(path: str) -> str:
    """The path of the small data of the same stream, which there need not be."""
    folder, name = os.path.split(first_chunk_of(path) or path)
    return os.path.join(folder, "smalldata", re.sub(r"\.xtc2(\.inprogress)?$", ".smd.xtc2", name))


def other_streams(path: str) -> Iterator[str]:
    """The paths of the first chunks of the other streams of the run, in the same folder."""
    folder, name = os.path.split(path)
    if (own := _NAME.fullmatch(name)) is None:
        return
    for other in sorted(os.listdir(folder or ".")):
        parts = _NAME.fullmatch(other)
        is_first = parts and parts["run"] == own["run"] and not int(parts["chunk"])
        if parts and is_first and parts["stream"] != own["stream"]:
            yield os.path.join(folder, other)
