"""The past of a campaign: what its journal says of every job, and of the campaign itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..hypervisor.decisions import State
from ..hypervisor.journal import replay

_OPEN = (State.RUNNING, State.WAITING)
_KEPT = ("outages", "generation", "alone")
"""What is known of an interrupted job until it ends; see `spring_mpi.campaign.resume`."""
_PAUSED_AFTER = {"pause": True, "resume": False}
"""What people asked for -> whether the campaign is paused from then on."""


@dataclass
class Past:
    """The last word of a journal on every job it names."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> last line, with the number of its run."""
    last_exit: int | None = None
    """Exit code of the last run; None where it ended without a word."""
    starts: int = 0
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of the jobs that people added."""
    moves: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    """Jobs that people put to the front (True) or, by `retry`, to the back; oldest first."""
    answered: dict[str, tuple[tuple[str, ...], bool]] = field(default_factory=dict)
    """Id of a message that was applied -> its reply, and whether it was refused."""
    recipes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Digest -> parts, of all recipes that a run had for its jobs."""
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

    def _take(self, line: dict[str, Any]) -> None:
        if "journal" in line:
            self.is_sharded = bool(line.get("sharded"))
        elif "start" in line:
            self.starts, self.last_exit = line["start"], None
        elif "exit" in line:
            self.last_exit = line["exit"]
        elif "message" in line:
            self.answered[line["message"]] = tuple(line["reply"]), bool(line["refused"])
            for record in line["records"]:
                if line["verb"] == "retry":
                    self.jobs.pop(record["job"], None)
                self._take(record)
            if line.get("front"):
                self.moves.append((tuple(line["front"]), True))
            if line["verb"] == "retry":
                self.moves.append((tuple(record["job"] for record in line["records"]), False))
            if not line["refused"]:
                self.is_paused = _PAUSED_AFTER.get(line["verb"], self.is_paused)
        elif "recipe" in line:
            self.recipes[line["recipe"]] = line["parts"]
        elif "job" in line:
            if "request" in line:
                self.requests[line["job"]] = line["request"]
            kept = self.jobs.get(line["job"], {}) if line["state"] in _OPEN else {}
            kept = {key: kept[key] for key in _KEPT if key in kept}
            self.jobs[line["job"]] = kept | line | {"run": self.starts}

    def ended_under(self, name: str) -> bool:
        """Whether the last run ended without a word while it ran that job."""
        line = self.jobs[name]
        has_run = line["state"] == State.RUNNING and line["run"] == self.starts
        return has_run and self.last_exit is None

    def ending(self) -> str:
        """How the last run ended, in words."""
        running = sum(1 for _ in self._running())
        how = "was killed without a word"
        if self.last_exit is not None:
            how = f"ended with exit {self.last_exit}"
        return f"{how} while {running} jobs ran" if running else how

    def _running(self) -> Iterator[dict[str, Any]]:
        """The jobs that the last run had given out when it ended."""
        return (
            line
            for line in self.jobs.values()
            if line["state"] == State.RUNNING and line["run"] == self.starts
        )
