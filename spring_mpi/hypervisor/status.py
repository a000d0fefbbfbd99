"""Files for programs: ``status.json``, replaced about once a second, and ``summary.csv``."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import LineFile, replace_file

_COLUMNS = (
    "name", "pid", "tag", "error", "resolution_px", "support_px", "seconds", "worker", "file",
    "remark",
)  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """One line of ``summary.csv``."""

    name: str
    pid: str
    tag: str
    error: float
    resolution_px: float | None
    """None, an empty field, where there is none; see `Result`."""
    support_px: int
    seconds: float
    worker: int
    file: str
    """Relative to the run directory."""
    remark: str = ""
    """What sets it apart from the other results of the campaign."""


class SummaryFile:
    """``summary.csv``: one line per finished job; the journal can always restore it."""

    def __init__(self, path: Path, finished: Iterable[Finished]) -> None:
        replace_file(path, _csv([_COLUMNS, *map(_row, finished)]))
        self._file = LineFile(path, is_durable=True)
        self._left: list[Finished] = []

    def append(self, finished: Finished) -> None:
        """Add a line, which `flush` writes."""
        self._left.append(finished)

    def flush(self) -> None:
        """Write the lines that were added; raises `OSError` if that is not possible."""
        if self._left:
            self._file.append(_csv(map(_row, self._left)))
            self._left.clear()

    def close(self) -> None:
        """Close the file; lines that are not written are lost, until a run makes it anew."""
        self._file.close()


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replace ``status.json``: readers see the old one or the new one, complete."""
    replace_file(path, json.dumps(status, indent=1).encode())


def _row(one: Finished) -> tuple[Any, ...]:
    resolution = "" if one.resolution_px is None else f"{one.resolution_px:.4g}"
    return (
        one.name, one.pid, one.tag, f"{one.error:.6g}", resolution,
        one.support_px, f"{one.seconds:.2f}", one.worker, one.file,
        one.remark,
    )  # fmt: skip


def _csv(rows: Iterable[Iterable[Any]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
