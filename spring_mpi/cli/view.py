"""``spring-view``: pictures of one reconstruction, or of a whole campaign."""

from __future__ import annotations

import argparse
import math
import operator
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunDirectoryError, SourceError, SpringError
from ..model.outcome import Outcome, State
from ..model.result import Result
from ..model.verdict import tally_of_verdicts
from ..rundir.ended import by_error, in_state, read_ended
from ..rundir.status import read_status
from . import command, command_parser, positive

if TYPE_CHECKING:
    from ..model.orientation import Oriented
    from ..rundir.campaign import Alike

_CELLS_PER_PAGE = 200
_EXAMPLE = """\
example:
  spring-view runs/demo/results/71-1-145.h5
  spring-view runs/demo/results/71-1-145.h5 -o shot.pdf
  spring-view runs/demo --sheet demo.png --sort name --limit 400
"""


def _natural(name: str) -> list[str | int]:
    """A key that sorts numbers in names as numbers: 71-9 before 71-10."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


_ORDERS: dict[str, Callable[[Outcome], Any]] = {
    # What is not known comes last.
    "trust": operator.attrgetter("trust"),
    "error": by_error,
    "resolution": lambda job: math.inf if job.resolution_px is None else job.resolution_px,
    "name": lambda job: _natural(job.name),
    "finished": lambda job: 0,
}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 done, 2 where something must be mended."""
    arguments = _parser().parse_args(argv)
    return _view(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("spring-view", __doc__, _EXAMPLE)
    parser.add_argument("target", metavar="RESULT.h5|RUNDIR", type=Path)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("-o", "--output", metavar="FILE", type=Path,
                        help="picture of a result (default: <name>.png, here)")  # fmt: skip
    output.add_argument("--sheet", metavar="FILE", type=Path,
                        help="contact sheet of a campaign; beyond "
                        f"{_CELLS_PER_PAGE} jobs FILE-1, FILE-2, ...")  # fmt: skip
    parser.add_argument("--sort", choices=tuple(_ORDERS), default="trust",
                        help="order of the sheet (default: %(default)s, by verdict, then by "
                        "score); failed jobs come last")  # fmt: skip
    parser.add_argument("--limit", type=positive, default=_CELLS_PER_PAGE, metavar="N",
                        help="most jobs on the sheet (default: %(default)s)")  # fmt: skip
    return parser


def _view(arguments: argparse.Namespace) -> int:
    target: Path = arguments.target
    if not target.is_dir():
        if arguments.sheet:
            raise SpringError(f"--sheet is for a run directory, and {target} is none")
        return _view_result(target, arguments.output or Path(f"{target.stem}.png"))
    if not arguments.sheet:
        raise SpringError(f"{target} is a folder; --sheet FILE.png makes its contact sheet")
    return _view_campaign(target, arguments.sheet, arguments.sort, arguments.limit)


def _view_result(file: Path, output: Path) -> int:
    result = Result.load(file)
    from ..view import plot_result, save

    print(f"{save(plot_result(result), output)}: 1 of 1 jobs")
    return 0


def _view_campaign(rundir: Path, sheet: Path, sort: str, limit: int) -> int:
    from ..rundir.campaign import Alike

    status = read_status(rundir)
    ended = read_ended(rundir, status)
    done, failed = (in_state(ended, state) for state in (State.DONE, State.FAILED))
    jobs = [*sorted(done.values(), key=_ORDERS[sort]), *failed.values()]
    if not jobs:
        raise RunDirectoryError(f"{rundir / 'summary.csv'}: no job has finished yet; look later")
    shown, total = jobs[:limit], max(status.jobs, len(jobs))
    heading = f"{rundir.resolve().name}, {'as' if sort == 'finished' else 'by'} {sort}"
    if verdicts := tally_of_verdicts(Counter(job.verdict for job in done.values())):
        heading += f" ({verdicts})"
    cells = _Cells(Alike(done))
    files = _write_pages(shown, cells, sheet, heading, total)
    more = "; --limit N for more" if len(shown) < len(jobs) else ""
    print(f"{', '.join(map(str, files))}: {len(shown)} of {total} jobs{more}")
    if cells.moved:
        print(
            f"turned or shifted against their files: {cells.moved}, to match the most trusted one "
            "of the same event; the words below them say how"
        )
    return 0


def _write_pages(
    jobs: Sequence[Outcome], cells: _Cells, sheet: Path, heading: str, total: int
) -> list[Path]:
    """Write a file for every page of cells; the files."""
    from ..view import contact_sheet, picture_file, save

    sheet = picture_file(sheet)
    starts = range(0, len(jobs), _CELLS_PER_PAGE)
    files = [sheet]
    if len(starts) > 1:
        files = [sheet.with_stem(f"{sheet.stem}-{page + 1}") for page in range(len(starts))]
    for start, file in zip(starts, files, strict=True):
        page = jobs[start : start + _CELLS_PER_PAGE]
        title = f"{heading}: {start + 1} to {start + len(page)} of {total} jobs"
        save(contact_sheet(map(cells.read, page), title), file)
    return files


class _Cells:
    """Reads what is on a sheet."""

    def __init__(self, alike: Alike) -> None:
        self._alike = alike
        self.moved = 0
        """Results that were turned or moved to lie as others of their event."""

    def read(self, job: Outcome) -> Oriented | Outcome:
        """The result; where there is none, or none that can be read, the job with the reason."""
        if not job.file:
            return job
        try:
            turned = self._alike.result(job)
        except SourceError as fault:
            print(fault, file=sys.stderr)
            return replace(job, reason=f"cannot be read: {fault.__cause__ or fault}")
        self.moved += bool(turned.remark)
        return replace(turned, remark="; ".join(filter(None, [turned.remark, job.remark])))


if __name__ == "__main__":
    raise SystemExit(main())
