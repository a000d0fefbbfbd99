"""The past of a campaign: what its journal says of every job, and of the campaign itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..model.outcome import State
from ..rundir.journal import replay
from ..rundir.lines import CentreLine, Exit, Header, JobLine, Line, MessageLine, RecipeLine, Start
from ..rundir.verbs import UNKNOWN, VERBS


@dataclass
class Past:
    """What the last line of a journal on each job says, with what people asked for."""

    jobs: dict[str, JobLine] = field(default_factory=dict)
    """Name -> last line, with what earlier ones tell of a job that has not ended."""
    running: set[str] = field(default_factory=set)
    """Jobs that the last run had given out when it ended."""
    last_exit: int | None = None
    """Exit code of the last run; None where it ended without a word."""
    starts: int = 0
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the jobs that people added."""
    replays: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """What people did to waiting jobs, oldest first: a method of the queue, and their names."""
    answered: dict[str, tuple[tuple[str, ...], bool]] = field(default_factory=dict)
    """Id of a message that was applied -> its reply, and whether it was refused."""
    again: set[str] = field(default_factory=set)
    """Jobs that people let run again: a result that was there before is not theirs any more."""
    recipes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Digest -> parts, of all recipes that a run had for its jobs."""
    centres: dict[str, CentreLine] = field(default_factory=dict)
    """Digest of data and preparation -> where their events have the centre."""
    is_sharded: bool | None = None
    """Whether results lie in sub-folders; None before the first run."""
    is_paused: bool = False
    """Whether people paused the campaign and did not resume it. `drain` ends with its run."""

    @classmethod
    def read(cls, path: Path) -> Past:
        """From a journal; a missing one says nothing."""
        past = cls()
        if path.exists():
            for line in replay(path):
                past._take(line)
        return past

    def _take(self, line: Line) -> None:
        match line:
            case Header():
                self.is_sharded = line.sharded
            case Start():
                self.starts, self.last_exit = line.number, None
                self.running.clear()
            case RecipeLine():
                self.recipes[line.digest] = line.parts
            case CentreLine():
                self.centres.setdefault(line.digest, line)
            case JobLine():
                self._take_job(line)
            case MessageLine():
                self._take_message(line)
            case Exit():
                self.last_exit = line.code

    def _take_job(self, line: JobLine) -> None:
        name = line.name
        if line.request is not None:
            self.requests[name] = line.request
        if line.state is State.RUNNING:
            self.running.add(name)
        else:
            self.running.discard(name)
        if not line.state.is_over and name in self.jobs:
            line = line.knowing(self.jobs[name])
        self.jobs[name] = line

    def _take_message(self, line: MessageLine) -> None:
        self.answered[line.id] = line.reply, line.refused
        meaning = VERBS.get(line.verb, UNKNOWN).replay
        names = tuple(record.name for record in line.records)
        if meaning.forgets:
            for name in names:
                self.jobs.pop(name, None)
            self.again.update(names)
        for record in line.records:
            self._take_job(record)
        if meaning.method:
            self.replays.append((meaning.method, line.front or names))
        if meaning.pauses is not None and not line.refused:
            self.is_paused = meaning.pauses

    def ended_under(self, name: str) -> bool:
        """Whether the last run ended without a word while it ran that job."""
        return name in self.running and self.last_exit is None

    def ending(self) -> str:
        """How the last run ended, in words."""
        how = "was killed without a word"
        if self.last_exit is not None:
            how = f"ended with exit {self.last_exit}"
        return f"{how} while {len(self.running)} jobs ran" if self.running else how
