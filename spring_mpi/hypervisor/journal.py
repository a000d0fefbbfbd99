"""The journal: append-only truth of a campaign, one JSON object per line.

The first line holds the digest of config and index at the first start; growing data do not change
it, since the index is saved before its jobs run. Lines of one turn of rank 0 are written at
once and flushed to the disk once (group commit), before anything follows from them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError
from .decisions import Record


class Journal:
    """The journal of a campaign, open for appending; a torn last line is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as fault:
            raise RunDirectoryError(f"cannot write {path}: {fault.strerror}") from fault
        os.truncate(path, _complete_length(path))

    @property
    def is_empty(self) -> bool:
        return os.path.getsize(self.path) == 0

    def commit(self, lines: Iterable[dict[str, Any]]) -> None:
        """Append the lines and return when they are on the disk.

        Raises
        ------
        OSError
            If that is not possible; then none of the lines is in the journal.
        """
        text = "".join(
            json.dumps(line, separators=(",", ":"), allow_nan=False) + "\n" for line in lines
        )
        if not text:
            return
        before = os.path.getsize(self.path)
        try:
            self._write(text.encode())
            os.fsync(self._file.fileno())
        except OSError:
            os.truncate(self.path, before)
            raise

    def _write(self, data: bytes) -> None:
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        """Close the file; everything committed is on the disk already."""
        self._file.close()


def replay(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal, oldest first; a torn last one is left out.

    Raises
    ------
    RunDirectoryError
        If a line other than the last is not JSON.
    """
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as fault:
                raise RunDirectoryError(
                    f"{path}:{number} is damaged: {fault}; mend or delete that line, "
                    "or start anew with --fresh"
                ) from fault


def _complete_length(path: Path) -> int:
    """Bytes up to the end of the last complete line."""
    with open(path, "rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0:
            step = min(position, 4096)
            position -= step
            file.seek(position)
            newline = file.read(step).rfind(b"\n")
            if newline >= 0:
                return position + newline + 1
        return 0


def record_line(record: Record, now: float) -> dict[str, Any]:
    """The line of a job that changed its state; ``now`` in seconds of the system's clock."""
    line: dict[str, Any] = {
        "t": round(now, 3),
        "job": record.name,
        "state": record.state.value,
        "attempt": record.attempt,
    }
    if record.worker is not None:
        line["worker"] = record.worker
    return line | {"reason": record.reason} if record.reason else line
