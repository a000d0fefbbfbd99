"""The journal: append-only truth of a campaign, one JSON object per line.

The first line holds the digest of config and index at the first start; growing data do not change
it, since the index is saved before its jobs run. Lines of one turn of rank 0 are written at
once and flushed to the disk once (group commit), before anything follows from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import RunDirectoryError
from ..system.files import LineFile
from .lines import Line, from_line, to_line


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

    def commit(self, lines: Iterable[Line]) -> None:
        """Append the lines and return when they are on the disk.

        Raises
        ------
        OSError
            If that is not possible; then none of the lines is in the journal.
        """
        text = "".join(
            json.dumps(to_line(line), separators=(",", ":"), allow_nan=False) + "\n"
            for line in lines
        )
        if text:
            self._file.append(text.encode())

    def close(self) -> None:
        """Close the file; everything committed is on the disk already."""
        self._file.close()


def replay(path: Path) -> Iterator[Line]:
    """The lines of a journal, oldest first; a torn last one is left out, as are unknown kinds.

    Raises
    ------
    RunDirectoryError
        If a line other than the last is damaged.
    """
    with open(path, "rb") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith(b"\n"):
                return
            try:
                line = from_line(json.loads(text))
            except (ValueError, TypeError, KeyError) as fault:
                reason = f"it has no {fault}" if isinstance(fault, KeyError) else fault
                raise RunDirectoryError(
                    f"{path}:{number} is damaged: {reason}; mend or delete that line, "
                    "or start anew with --fresh"
                ) from fault
            if line is not None:
                yield line
