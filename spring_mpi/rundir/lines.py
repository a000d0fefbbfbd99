"""The lines of the journal: a type for each kind, one writer and one reader for all of them.

A field is declared in its type and nowhere else. What is at its default is not written, so that a
field that is added later changes no line that does without it, and lines of earlier versions are
read by the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from ..model.outcome import Outcome, State


def _declared(
    key: str = "",
    default: Any = MISSING,
    *,
    is_always: bool = False,
    read: Callable[[Any], Any] | None = None,
    write: Callable[[Any], Any] | None = None,
) -> Any:
    """A field whose key is not its name, that is always written, or that is no value of JSON."""
    metadata = {"key": key, "is_always": is_always, "read": read, "write": write}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of all: what the campaign was at its first start."""

    version: int = _declared("journal")
    """Of the journal's form."""
    config: str = ""
    """Digest of the config."""
    index: str = ""
    """Digest of the index; growing data do not change it."""
    jobs: int = _declared(default=0, is_always=True)
    """Planned ones."""
    sharded: bool = _declared(default=False, is_always=True)
    """Whether results lie in sub-folders."""


@dataclass(frozen=True, slots=True)
class Start:
    """A run begins."""

    number: int = _declared("start")
    """Of the run, from 1 on."""
    t: float | None = None
    """Seconds of the system's clock, as in all lines."""
    host: str = ""


@dataclass(frozen=True, slots=True)
class RecipeLine:
    """A recipe that some jobs of the runs from here on have."""

    digest: str = _declared("recipe")
    parts: Mapping[str, Any] = _declared()


@dataclass(frozen=True, slots=True)
class CentreLine:
    """Where events have their centre: what this and all later runs expect."""

    digest: str = _declared("expected")
    """Of the data and their preparation."""
    center: tuple[float, float] | None = _declared(default=None, read=tuple, write=list)
    """(row, column), pixels of the frame; None where it is not known."""
    events: int = 0
    """In which it was found."""
    looked_at: int = 0


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job is in another state, or more is known of it."""

    outcome: Outcome
    """Its state and what it came to; in the line its fields stand beside those below."""
    t: float | None = None
    attempt: int | None = None
    """Which one this is, from 1 on; of a job that waits, how many there were."""
    request: dict[str, Any] | None = None
    """Of a job that people added: what they asked for."""
    fingerprint: str = ""
    """Of the recipe and event of a result."""
    outages: int | None = None
    """So many runs in a row ended without notice while it ran, and it saved nothing in them."""
    generation: int | None = None
    """Of its checkpoint, where a run interrupted it."""
    is_alone: bool | None = _declared("alone", None)
    """Whether it is to run alone, where a run interrupted it."""

    @property
    def name(self) -> str:
        """Of the job."""
        return self.outcome.name

    @property
    def state(self) -> State:
        """Of the job from here on."""
        return self.outcome.state

    def knowing(self, former: JobLine) -> JobLine:
        """With what a former line tells of the runs that ended while the job ran."""
        if former.outages is None or self.outages is not None:
            return self
        return replace(
            self,
            outages=former.outages,
            generation=former.generation,
            is_alone=former.is_alone,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """Somebody steered the campaign: effect and id in one line, kept together or not at all."""

    id: str = _declared("message")
    sender: str = _declared(default="", is_always=True)
    verb: str
    reply: tuple[str, ...] = _declared(read=tuple)
    refused: bool
    front: tuple[str, ...] = _declared(default=(), is_always=True, read=tuple)
    """Jobs that went to the front, in their order."""
    records: tuple[JobLine, ...] = _declared(
        read=lambda lines: tuple(map(_job_line, lines)),
        write=lambda lines: list(map(to_line, lines)),
    )
    """Jobs whose state changed."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A run ends in order."""

    code: int = _declared("exit")
    t: float | None = None
    reason: str = ""
    """Of an interruption."""


Line = Header | Start | RecipeLine | CentreLine | JobLine | MessageLine | Exit

_KINDS = {"journal": Header, "start": Start, "exit": Exit, "message": MessageLine,
          "recipe": RecipeLine, "expected": CentreLine, "job": JobLine}  # fmt: skip
"""Key that only lines of a kind have -> the kind."""
_FIRST = ("t", "job", "state", "attempt", "worker", "reason", "request", "fingerprint")
"""What has stood first in the lines of jobs ever since; the order says nothing."""


def to_line(line: Line) -> dict[str, Any]:
    """A line in values of JSON; the inverse of `from_line`."""
    written = {
        key: write(value) if write else value
        for name, key, default, _, write in _DECLARATIONS[type(line)]
        if (value := getattr(line, name)) != default
    }
    if not isinstance(line, JobLine):
        return written
    written |= line.outcome.to_line()
    return {key: written[key] for key in _FIRST if key in written} | written


def from_line(line: Any) -> Line | None:
    """A line of any version, as JSON gives it; None for a kind that this version does not know.

    Raises
    ------
    ValueError
        If something in it is not as it should be; `TypeError` or `KeyError` if something is
        missing.
    """
    if not isinstance(line, dict):
        raise TypeError("it is no JSON object")
    kind = next((kind for key, kind in _KINDS.items() if key in line), None)
    if kind is None:
        return None
    return _job_line(line) if kind is JobLine else kind(**_read(kind, line))


def _job_line(line: Mapping[str, Any]) -> JobLine:
    return JobLine(Outcome.from_line(line), **_read(JobLine, line))


def _read(kind: type[Line], line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: read(line[key]) if read else line[key]
        for name, key, _, read, _ in _DECLARATIONS[kind]
        if key in line
    }


def _declarations(kind: type[Line]) -> tuple[tuple[str, str, Any, Any, Any], ...]:
    return tuple(
        (
            item.name,
            item.metadata.get("key") or item.name,
            MISSING if item.metadata.get("is_always") else item.default,
            item.metadata.get("read"),
            item.metadata.get("write"),
        )
        for item in fields(kind)
        if item.name != "outcome"
    )


_DECLARATIONS = {kind: _declarations(kind) for kind in _KINDS.values()}
"""Kind -> (field, key, value that is not written, how it is read, and written) of its fields."""
