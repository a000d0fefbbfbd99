"""Files for programs: ``status.json``, replaced about once a second, and ``summary.csv``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files import LineFile, replace_file
from ..outcome import Outcome, columns


class SummaryFile:
    """``summary.csv``: one line per finished job; the journal can always restore it."""

    def __init__(self, path: Path, outcomes: Iterable[Outcome]) -> None:
        rows = (outcome.to_row(()) for outcome in outcomes)
        replace_file(path, _csv([columns(()), *rows]))
        self._file = LineFile(path, is_durable=True)
        self._left: list[Outcome] = []

    def append(self, outcome: Outcome) -> None:
        """Add a line, which `flush` writes."""
        self._left.append(outcome)

    def flush(self) -> None:
        """Write the lines that were added; raises `OSError` if that is not possible."""
        if self._left:
            self._file.append(_csv(outcome.to_row(()) for outcome in self._left))
            self._left.clear()

    def close(self) -> None:
        """Close the file; lines that are not written are lost, until a run makes it anew."""
        self._file.close()


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replace ``status.json``: readers see the old one or the new one, complete."""
    replace_file(path, json.dumps(status, indent=1).encode())


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
