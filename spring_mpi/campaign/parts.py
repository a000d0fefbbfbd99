"""Parts: one campaign in several allocations, each with its share of the events, and one report.

The parts are campaigns of their own: they share no queue, no journal and no lock, so that they
need neither start nor end together, and no message has to pass from one allocation to another.
Results do not depend on the division: they are those of the whole campaign, bit by bit.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..config.config import load_config
from ..config.event_choice import parse_part
from ..errors import ConfigError
from ..model.outcome import Outcome, State, tally
from ..model.verdict import Verdict, tally_of_verdicts
from ..rundir.paths import RunDirectory
from ..rundir.status import Status, read_status
from ..rundir.summary import read_summary, write_summary

_FOLDER = re.compile(r"(\d+)-of-(\d+)")


def part_overrides(path: str, overrides: Sequence[str], part: str) -> list[str]:
    """The overrides that make a config that of its part ``K/N``.

    Raises
    ------
    ConfigError
        If the config is wrong, or the part is none.
    """
    try:
        parse_part(part)
    except ValueError:
        raise ConfigError([f"--part must be K/N with K from 1 to N, not {part!r}"]) from None
    output = Path(load_config(path, overrides).output, "parts", part.replace("/", "-of-"))
    return [*overrides, f"part={json.dumps(part)}", f"output={json.dumps(str(output))}"]


@dataclass(frozen=True)
class _Part:
    """What became of a part so far."""

    folder: Path
    status: Status

    @property
    def code(self) -> int:
        """Its exit code; 3 where it has none."""
        return 3 if self.status.code is None else self.status.code

    def ended(self) -> Iterator[Outcome]:
        """The jobs in its summary, with files relative to the whole campaign's folder."""
        path = RunDirectory(self.folder).summary
        for job in read_summary(path).values() if path.exists() else ():
            yield replace(job, file=f"parts/{self.folder.name}/{job.file}") if job.file else job

    def __str__(self) -> str:
        if not self.status.state:
            return f"part {self.folder.name}: not begun"
        jobs = tally(self.status.counts) or "no jobs"
        return f"part {self.folder.name}: {self.status.state}, {jobs}{_told(self.status.verdicts)}"


def merge(path: str, overrides: Sequence[str]) -> int:
    """Write the ``summary.csv`` of all parts of a campaign, and print how far they are.

    Returns
    -------
    The exit code of the whole: 0 all done, 1 some failed, 3 some part has not ended.

    Raises
    ------
    ConfigError
        If there are no parts, or those of two divisions; `RunDirectoryError` if the summary of one
        cannot be read.
    """
    folder = Path(load_config(path, overrides).output)
    parts = _parts(folder)
    ended = [job for part in parts for job in part.ended()]
    if ended:
        # The sweep may have changed from one part to the next.
        swept = list(dict.fromkeys(name for job in ended for name, _ in job.swept))
        write_summary(RunDirectory(folder).summary, ended, swept)
    results = sum(job.state is State.DONE for job in ended)
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.status.counts)
        print(part)
    verdicts = Counter(job.verdict for job in ended if job.state is State.DONE)
    print(
        f"all {len(parts)} parts: {tally(counts) or 'no jobs'}; "
        f"{results} results{_told(verdicts)} in {folder}"
    )
    codes = {part.code for part in parts}
    return 3 if codes - {0, 1} else max(codes)


def _told(verdicts: Mapping[Verdict | None, int]) -> str:
    """Results by verdict, in brackets; empty where there are none."""
    return f" ({text})" if (text := tally_of_verdicts(verdicts)) else ""


def _parts(folder: Path) -> list[_Part]:
    """All parts of the division that the folder holds."""
    found = [_FOLDER.fullmatch(path.name) for path in (folder / "parts").glob("*")]
    sizes = {int(match[2]) for match in found if match}
    if not sizes:
        raise ConfigError([f"{folder}: there are no parts; make them with --part K/N"])
    if len(sizes) > 1:
        numbers = " and ".join(map(str, sorted(sizes)))
        raise ConfigError(
            [f"{folder}/parts: divided into {numbers} parts; move those of one division away"]
        )
    of = sizes.pop()
    folders = (folder / "parts" / f"{number}-of-{of}" for number in range(1, of + 1))
    return [_Part(part, read_status(part)) for part in folders]
