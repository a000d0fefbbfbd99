"""``summary.csv``: a row for each job that has ended, with one writer and one reader.

The file grows by rows, so that a job costs the same however many there are. A job that people tried
again has a row for each of its ends: the last one counts. When a run ends, and when the next one
begins, one row of each job is left. The journal can always restore the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import RunDirectoryError
from ..model.outcome import Outcome, State, columns
from ..system.files import LineFile, read_text, replace_file


class SummaryFile:
    """``summary.csv`` while a run writes it.

    Parameters
    ----------
    outcomes
        Of the jobs that have ended before.
    swept
        The settings that have a column each.
    """

    def __init__(self, path: Path, outcomes: Sequence[Outcome], swept: Sequence[str] = ()) -> None:
        write_summary(path, outcomes, swept)
        self._path, self._swept = path, swept
        self._file = LineFile(path, is_durable=True)
        self._left: list[Outcome] = []
        # What is done by this engine is never tried again: few names are kept of 10^6 jobs.
        self._undone = {
            job.name for job in outcomes if job.state is not State.DONE or job.is_of_earlier_engine
        }
        self._repeated: set[str] = set()

    def append(self, outcome: Outcome) -> None:
        """Add a row, which `flush` writes."""
        self._left.append(outcome)
        if outcome.name in self._undone:
            self._repeated.add(outcome.name)
        if outcome.state is not State.DONE:
            self._undone.add(outcome.name)

    def flush(self) -> None:
        """Write the rows that were added; raises `OSError` if that is not possible."""
        if self._left:
            self._file.append(_csv(outcome.to_row(self._swept) for outcome in self._left))
            self._left.clear()

    def finish(self) -> None:
        """Leave one row of each job; for the end of a run, when nothing is added any more.

        Raises
        ------
        OSError
            If that is not possible; then it may be called again.
        """
        if self._repeated:
            replace_file(self._path, self._last_rows())
            self._repeated.clear()

    def close(self) -> None:
        """Close the file; rows that are not written are lost, until a run makes it anew."""
        self._file.close()

    def _last_rows(self) -> bytes:
        """The file without the rows that later ones of the same job take the place of."""
        # No field holds the end of a line: a line is a row.
        lines = self._path.read_bytes().splitlines(keepends=True)
        last: dict[str, int] = {}
        for number, (name, *_) in enumerate(csv.reader(line.decode() for line in lines)):
            if name in self._repeated:
                if name in last:
                    lines[last[name]] = b""
                last[name] = number
        return b"".join(lines)


def write_summary(path: Path, outcomes: Iterable[Outcome], swept: Sequence[str] = ()) -> None:
    """Replace the file by one of these jobs; raises `OSError` if that is not possible."""
    rows = (outcome.to_row(swept) for outcome in outcomes)
    replace_file(path, _csv([columns(swept), *rows]))


def read_summary(path: Path) -> dict[str, Outcome]:
    """The jobs of a file of any version by name, as they ended; the last row of a name counts.

    Raises
    ------
    FileNotFoundError
        If there is none.
    RunDirectoryError
        If it cannot be read, or is something else.
    """
    try:
        text = read_text(path)
        rows = list(csv.DictReader(io.StringIO(text)))
        # The last row may be half written while the campaign runs.
        if rows and not text.endswith("\n") and None in rows[-1].values():
            rows.pop()
        ended: dict[str, Outcome] = {}
        for outcome in map(Outcome.from_row, rows):
            ended.pop(outcome.name, None)
            ended[outcome.name] = outcome
        return ended
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise RunDirectoryError(f"cannot read {path}: {fault.strerror}") from fault
    except (ValueError, TypeError, KeyError, csv.Error) as fault:
        raise RunDirectoryError(f"{path} is no summary of a campaign: {fault}") from fault


def _csv(rows: Iterable[Iterable[str]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
