"""The verbs that steer a campaign, each declared once.

From here follow the command line of ``spring-ctl``, the messages of ``hv``, what rank 0 accepts in
a message and what it does, how the journal is replayed at a restart, and the table in
``docs/howto/steering.md``. A verb that changes the queue is carried out by the queue's method of
its name, with the verb's arguments by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from ..errors import MessageError

_REQUIRED: Any = object()


@dataclass(frozen=True)
class Form:
    """What a value in a message may be."""

    words: str
    is_met: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(text, str) for text in value)


TEXT = Form("a text", lambda value: isinstance(value, str))
TEXTS = Form("a list of texts", _are_texts)
FLAG = Form("true or false", lambda value: isinstance(value, bool))
MAPPING = Form("a mapping", lambda value: isinstance(value, dict))
NUMBER = Form("a number", _is_number)
WHOLE = Form("a whole number", lambda value: _is_number(value) and isinstance(value, int))


@dataclass(frozen=True)
class Argument:
    """One argument of a verb, by its name in the message."""

    name: str
    form: Form
    help: str
    default: Any = _REQUIRED
    """What counts where a message does without it; None also says that there is no value."""
    is_option: bool = False
    """Whether it is ``--name`` on the command line, and not known by its place."""
    is_sent: bool = True
    """Whether rank 0 is told; else the command itself heeds it."""

    @property
    def is_required(self) -> bool:
        """Whether a message has to have it."""
        return self.default is _REQUIRED

    @property
    def metavar(self) -> str:
        """What stands for the value, for people."""
        if self.form is MAPPING:
            return "KEY=VALUE"
        return (self.name.removesuffix("s") if self.form is TEXTS else self.name).upper()

    @property
    def usage(self) -> str:
        """As the documentation shows it: ``ITEM``, ``[--all]``."""
        value = "" if self.form is FLAG else self.metavar
        text = f"--{self.name} {value}".rstrip() if self.is_option else value
        repeated = "..." if self.form in (TEXTS, MAPPING) else ""
        return f"{text}{repeated}" if self.is_required else f"[{text}]{repeated}"

    def faults(self, value: Any) -> str:
        """What is wrong with a value; empty where nothing is."""
        if self.form.is_met(value) or (value is None and self.default is None):
            return ""
        return f"{self.name} must be {self.form.words}, not {value!r}"


class Changes(Enum):
    """What a verb changes."""

    NOTHING = auto()
    JOBS = auto()
    CAMPAIGN = auto()
    """Whether jobs are given out."""


@dataclass(frozen=True)
class Replay:
    """What a verb in the journal means at a restart, beside the states of the jobs in its line."""

    method: str = ""
    """That of the queue which is called with the names of those of its jobs that wait."""
    forgets: bool = False
    """Whether what was known of its jobs before does not count any more."""
    pauses: bool | None = None
    """Whether the campaign is paused from then on; None: as before."""


@dataclass(frozen=True)
class Verb:
    """A word with which people steer a campaign."""

    name: str
    changes: Changes
    help: str
    """One line."""
    more: str = ""
    """The rest of what people should know of it."""
    arguments: tuple[Argument, ...] = ()
    pattern: tuple[Argument, ...] = ()
    """Arguments of a message that brings a pattern from Python instead; the first one tells."""
    replay: Replay = Replay()

    @property
    def usage(self) -> str:
        """As the documentation shows it."""
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a message, complete.

        Raises
        ------
        MessageError
            If one is missing, is not of its form, or is none of the verb's.
        """
        has_pattern = any(argument.name in given for argument in self.pattern[:1])
        arguments = self.pattern if has_pattern else self.arguments
        known = {argument.name: argument for argument in arguments if argument.is_sent}
        for name in given:
            if name not in known:
                raise MessageError(
                    f"{self.name} has no argument {name!r}; it takes {', '.join(known) or 'none'}"
                )
        for name, argument in known.items():
            if name not in given and argument.is_required:
                raise MessageError(f"{self.name} needs {name}: {argument.help}")
        complete = {name: given.get(name, argument.default) for name, argument in known.items()}
        for name, value in complete.items():
            if fault := known[name].faults(value):
                raise MessageError(f"{self.name}: {fault}")
        return complete


_JOBS = (
    Argument("jobs", TEXTS, "name of a job, as info shows it, or pid of an event for one more job"),
    Argument("tag", TEXT, "tag of the new jobs", default="", is_option=True),
    Argument(
        "set", MAPPING, "a setting of the new jobs, such as init.supportsize=60; may be repeated",
        default={}, is_option=True,
    ),
)  # fmt: skip
_PATTERN = (
    Argument("spool", TEXT, "file of the pattern in the run directory"),
    Argument("tag", TEXT, "tag of the new job"),
    Argument("settings", MAPPING, "section -> key -> value of what was set"),
    Argument("cropsize", WHOLE, "side of the square cut out, detector pixels"),
    Argument("size", WHOLE, "side of the pattern, pixels"),
    Argument("satvalue", NUMBER, "raw value at and above which pixels are saturated", default=None),
    Argument("seed", WHOLE, "of the random numbers"),
)

_TABLE = (
    Verb(
        "info", Changes.NOTHING, "what runs, and what waits",
        "It says whether the campaign is paused or draining, and shows the first 100 waiting jobs "
        "with their positions; results by verdict stand at the end.",
        (Argument("all", FLAG, "every waiting job", default=False, is_option=True),),
    ),
    Verb(
        "livelog", Changes.NOTHING, "the devices at work, and how far every running job is",
        arguments=(
            Argument("follow", FLAG, "again every second, until Ctrl-C", default=False,
                     is_option=True, is_sent=False),
        ),
    ),
    Verb(
        "workers", Changes.NOTHING, "every worker with its device and job",
        "Of the job it tells the generation, and the time left.",
    ),
    Verb(
        "append", Changes.JOBS, "add jobs at the back",
        "Jobs are named as `info` lists them; an event, by its pid, is one more job, with the "
        "settings of the config, or others by `--set init.supportsize=60` and a `--tag` (without "
        "it the tag tells what was set: `supportsize=60`). A taken name becomes `name~2`.",
        _JOBS, _PATTERN,
    ),
    Verb(
        "prepend", Changes.JOBS, "put jobs to the front",
        "As `append`, but a waiting job moves. The running ones go on.",
        _JOBS, _PATTERN, Replay("prepend"),
    ),
    Verb(
        "remove", Changes.JOBS, "remove waiting jobs",
        "Digits are a position (`--name`: a name), else the exact name, else a wildcard (`*`, `?`, "
        "`[...]`).",
        (
            Argument("item", TEXT, "position, name, or wildcard"),
            Argument("name", FLAG, "digits are a name, no position", default=False, is_option=True),
        ),
    ),
    Verb(
        "stop", Changes.JOBS, "stop the running job or jobs",
        "The next in the queue starts by itself.",
        (Argument("name", TEXT, "only this one", default=None),),
    ),
    Verb("kill", Changes.JOBS, "remove every waiting job, then stop the running ones"),
    Verb(
        "pause", Changes.CAMPAIGN, "give out no more jobs",
        "It holds until `resume`, also when the campaign is started again.",
        replay=Replay(pauses=True),
    ),
    Verb("resume", Changes.CAMPAIGN, "give out jobs again", replay=Replay(pauses=False)),
    Verb(
        "drain", Changes.CAMPAIGN, "let the running jobs end, then the campaign",
        "Its exit code is 3; run it again to go on.",
    ),
    Verb(
        "retry", Changes.JOBS, "run failed, removed or stopped jobs again",
        "They go to the back of the queue. Jobs that an earlier revision of the engine made run "
        "again, too; the new result replaces theirs when it is complete. After the campaign has "
        "ended: start it with `--serve`, then `retry`.",
        (Argument("item", TEXT, "name or wildcard (default: all)", default="*"),),
        replay=Replay("postpone", forgets=True),
    ),
)  # fmt: skip

VERBS: Mapping[str, Verb] = {verb.name: verb for verb in _TABLE}
"""Name -> verb."""
UNKNOWN = Verb("", Changes.JOBS, "")
"""Stands for a verb of another version: the journal keeps what was answered, no more follows."""


def documentation() -> str:
    """The table of the documentation, in Markdown."""
    rows = [
        f"| `{verb.usage}` | {verb.help}{f'. {verb.more}' if verb.more else ''} |"
        for verb in VERBS.values()
    ]
    return "\n".join(["| verb | does |", "|---|---|", *rows])
