"""The journal: append-only truth of a campaign, one JSON object per line.

The first line holds the digest of config and index at the first start; growing data do not change
it, since the index is saved before its jobs run. Lines of one turn of rank 0 are written at
once and flushed to the disk once (group commit), before anything follows from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError
from ..files import LineFile
from .decisions import Record


class Journal:
    """The journal of a campaign, open for appending; a torn last line is cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = LineFile(path, is_durable=True)
        except OSError as fault:
            raise RunDirectoryError(f"cannot write {path}: {fault.strerror}") from fault

    @property
    def is_empty(self) -> bool:
        return self._file.length == 0

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
        if text:
            self._file.append(text.encode())

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
