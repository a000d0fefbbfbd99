"""The plan: config and event index become jobs, known by name and made when they are needed."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..config.event_choice import parse_part
from ..config.quick import quickened
from ..config.sections import Config
from ..config.sweep import Variant, value_text
from ..errors import ConfigError
from ..events.event import EventRef
from ..events.index.event_index import EventIndex
from ..events.reading.suspects import NOTHING_SUSPECT
from ..model.names import FULL, file_name, job_name, pid_text, quick_name
from ..model.outcome import Outcome, State
from ..model.settings import Settings
from ..model.verdict import Verdict
from ..rundir.lines import CentreLine
from ..worker.messages import Job
from .blueprint import Blueprint, Course
from .recipe import Recipe, Recorded, calibration_of, digest
from .selection import select, select_present

_SHARDED_FROM = 10_000
"""Jobs; parallel file systems are slow at folders with more files."""
LONGEST_NAME = 200
"""Characters of a job's name; file systems have 255 bytes for it and what files have besides."""


class Plan:
    """All jobs of a campaign: events outer, variants inner, then what people added.

    The events are at ``positions`` of the ``index``. With ``quick`` in the config these jobs are
    quick ones, and each may have a full one beside it, which is known by its name alone.

    Jobs are numbered; only their names are kept, so that 10^6 of them fit in memory.

    Parameters
    ----------
    is_sharded
        Whether results lie in sub-folders; None: above 10,000 jobs. An existing run directory
        stays as it is.
    may_be_empty
        No event need be selected: jobs will be added.
    is_growing
        Events that are asked for may still be missing: `grow` will bring them.

    Raises
    ------
    ConfigError
        If no event is selected, or two jobs have the same name.
    UnknownPidError
        If a selected pid is not in the index.
    """

    def __init__(
        self,
        config: Config,
        index: EventIndex,
        folder: Path,
        *,
        is_sharded: bool | None = None,
        may_be_empty: bool = False,
        is_growing: bool = False,
    ) -> None:
        self.config, self.index, self.folder = config, index, folder
        self.added: dict[str, Blueprint] = {}
        self.suspects = NOTHING_SUSPECT
        """Raw values of the campaign's data that results tell of."""
        self.expected: CentreLine | None = None
        """Where events have their centre; None where each job's centre is given."""
        self.variants: tuple[Variant, ...] = config.sweep.variants(config.settings)
        chosen = (select_present if is_growing else select)(config.events, index)
        self.selected = chosen
        """Places in the index of the events of all parts at the start."""
        self.positions = chosen[parse_part(config.part or "1/1")]
        if not (len(self.positions) or may_be_empty or config.part):
            by = f" by {config.events.list}" if config.events.list else ""
            raise ConfigError(
                [f"events: none of the {len(index)} events in the index is selected{by}"]
            )
        self.numbers = {name: number for number, name in enumerate(self._names(0))}
        self._check_names()
        most = len(self) * (1 if config.quick is None else 2)
        self.is_sharded = most > _SHARDED_FROM if is_sharded is None else is_sharded
        self.swept = tuple(name for name, _ in config.sweep.over)
        self._variants_swept = [self._swept_values(variant.settings) for variant in self.variants]
        self._command = " ".join(sys.argv)
        self.calibration = calibration_of(config)
        self._recorded = Recorded.of(self.calibration, config.data.reader)
        self._full, self._first = self._all_courses()

    def __len__(self) -> int:
        return len(self.positions) * len(self.variants)

    @property
    def ways(self) -> str:
        """In how many ways an event is reconstructed, for people."""
        quick = (
            "" if self.config.quick is None else ", quick ones; the doubtful get a full job each"
        )
        return f"{len(self.variants)} variants of the settings{quick}"

    def expect(self, centre: CentreLine) -> None:
        """From here on jobs are made with the centre that other events have."""
        self.expected = centre
        self.calibration = replace(self.calibration, center_prior=centre.center)
        self._recorded = self._recorded.with_prior(centre.center)
        self._full, self._first = self._all_courses()

    def grow(self, index: EventIndex, positions: NDArray[np.int64]) -> list[str]:
        """Take over a grown index; the names of the jobs that are new.

        A job whose name people gave to another one is left out.

        Parameters
        ----------
        positions
            In that index: first of the events so far, in their order, then of new ones.
        """
        known = len(self.positions)
        self.index, self.positions = index, positions
        new = {
            name: number
            for number, name in enumerate(self._names(known), start=known * len(self.variants))
            if not self.knows(name)
        }
        self.numbers |= new
        return list(new)

    def names(self) -> Iterator[str]:
        """Of all jobs, in the order of their execution; those that people added come last."""
        yield from self.numbers
        yield from (name for name in self.added if name not in self.numbers)

    def knows(self, name: str) -> bool:
        """Whether there is a job of that name, or may be one: a quick job's full one."""
        return name in self.numbers or name in self.added or self.is_full(name)

    def is_full(self, name: str) -> bool:
        """Whether the name is that of a quick job's full one."""
        return name not in self.added and self._is_quick(quick_name(name))

    def follow_up(self, outcome: Outcome) -> str | None:
        """The full job that follows from what became of a job; None: none does."""
        is_doubtful = outcome.state is State.DONE and outcome.verdict is Verdict.DOUBTFUL
        return outcome.name + FULL if is_doubtful and self._is_quick(outcome.name) else None

    def _is_quick(self, name: str) -> bool:
        if name in self.added:
            return self.added[name].full is not None
        return self.config.quick is not None and name in self.numbers

    def add(self, name: str, blueprint: Blueprint) -> None:
        """Know one more job."""
        self.added[name] = blueprint

    def blueprint(self, name: str) -> Blueprint:
        """What a job is made from; KeyError where there is none of that name."""
        if self.is_full(name):
            return self.blueprint(quick_name(name)).of_full_job()
        if name in self.added:
            return self.added[name]
        number, config = self.numbers[name], self.config
        reference, variant = self._parts(number)
        first, full = self._courses(number)
        return Blueprint(
            tag=variant.tag,
            event=reference,
            calibration=self.calibration,
            cropsize=config.pattern.cropsize,
            size=config.pattern.size,
            settings=first.settings,
            seed=config.seed,
            recipe=first.recipe,
            full=None if first is full else full,
        )

    def kind(self, name: str) -> str | None:
        """Jobs of equal kind may share a population; None: that one may not."""
        planned = quick_name(name) if self.is_full(name) else name
        if planned in self.numbers and planned not in self.added:
            first, full = self._courses(self.numbers[planned])
            return (first if planned == name else full).kind
        made = self.blueprint(name)
        return Course(made.settings, made.recipe).kind

    def job(self, name: str) -> Job:
        """The job of that name; KeyError where there is none."""
        made = self.blueprint(name)
        return Job(
            name=name,
            tag=made.tag,
            event=made.event,
            calibration=made.calibration,
            cropsize=made.cropsize,
            size=made.size,
            settings=made.settings,
            seed=made.seed,
            fingerprint=made.fingerprint,
            former_fingerprint=made.former_fingerprint,
            result=str(self.folder / self.result_file(name)),
            checkpoint=str(self.folder / checkpoint_file(name)),
            checkpoint_every=self._checkpoint_every(made),
            room=self.config.workers.room,
            command=self._command,
            suspects=self.suspects if made.calibration is self.calibration else NOTHING_SUSPECT,
        )

    def identified(self, outcome: Outcome) -> Outcome:
        """What became of a job, with what only the plan knows of it."""
        name = outcome.name
        planned = quick_name(name) if self.is_full(name) else name
        if planned in self.added:
            made = self.added[planned]
            pid, tag, swept = made.event.pid, made.tag, self._swept_values(made.settings)
        else:
            # Without a blueprint: people may remove 10^6 jobs at once.
            event, number = divmod(self.numbers[planned], len(self.variants))
            pid = self.index.pids[self.positions[event]].tolist()
            tag, swept = self.variants[number].tag, self._variants_swept[number]
        file = self.result_file(name) if outcome.state is State.DONE else ""
        return replace(outcome, pid=pid_text(pid), tag=tag, swept=swept, file=file)

    def result_file(self, name: str) -> str:
        """Path of a job's result, relative to the run directory."""
        if not self.is_sharded:
            return f"results/{file_name(name)}.h5"
        shard = hashlib.blake2b(name.encode()).hexdigest()[:3]
        return f"results/{shard}/{file_name(name)}.h5"

    def fingerprint(self, name: str) -> str:
        """See `Blueprint.fingerprint`."""
        return self.blueprint(name).fingerprint

    def fingerprints(self, name: str) -> tuple[str, ...]:
        """Those that a job's own files may have: the fingerprint, and that of version 0.1.0."""
        made = self.blueprint(name)
        return tuple(filter(None, (made.fingerprint, made.former_fingerprint)))

    def recipe(self, settings: Settings) -> Recipe:
        """The recipe of a job on the campaign's data with these settings."""
        pattern = self.config.pattern
        return self._recorded.recipe(settings, pattern.cropsize, pattern.size, self.config.seed)

    @property
    def recipes(self) -> list[Recipe]:
        """Of the planned jobs, and of their full ones."""
        return [course.recipe for course in [*self._first, *self._full]]

    def index_digest(self) -> str:
        """Digest of the pids in the index."""
        return hashlib.blake2b(self.index.pids.tobytes(), digest_size=16).hexdigest()

    def _swept_values(self, settings: Settings) -> tuple[tuple[str, str], ...]:
        return tuple((name, value_text(settings.get(*name.split(".")))) for name in self.swept)

    @property
    def data_digest(self) -> str:
        """Digest of all that decides which pattern an event becomes, but for other events."""
        pattern = self.config.pattern
        return digest([self._recorded.parts, pattern.cropsize, pattern.size])

    def _all_courses(self) -> tuple[list[Course], list[Course]]:
        """Of each variant: the full ones, and those that come first."""
        full = [self._course(variant.settings) for variant in self.variants]
        if (quick := self.config.quick) is None:
            return full, full
        first = [self._course(quickened(variant.settings, quick)) for variant in self.variants]
        return full, first

    def _checkpoint_every(self, made: Blueprint) -> int:
        """A quick job saves no state: it is soon done again, and there are many."""
        return made.settings.global_.generations if made.full else self.config.workers.checkpoint

    def _course(self, settings: Settings) -> Course:
        return Course(settings, self.recipe(settings))

    def _courses(self, number: int) -> tuple[Course, Course]:
        """Of a planned job, and of its full one; the same where there is none."""
        variant = number % len(self.variants)
        return self._first[variant], self._full[variant]

    def _parts(self, number: int) -> tuple[EventRef, Variant]:
        event, variant = divmod(number, len(self.variants))
        return self.index.ref(int(self.positions[event])), self.variants[variant]

    def _names(self, first: int) -> Iterator[str]:
        """Of the jobs of selected events, from one of these on."""
        tags = [variant.tag for variant in self.variants]
        for pid in self.index.pids[self.positions[first:]].tolist():
            for tag in tags:
                yield job_name(pid, tag)

    def _check_names(self) -> None:
        """Names must differ as file names do, and be short enough for one."""
        longest, quick = max(self.numbers, key=len, default=""), self.config.quick is not None
        most = LONGEST_NAME - quick * len(FULL)
        if len(longest) > most:
            raise ConfigError(
                [f"{longest[:60]}...: the name has {len(longest)} characters, at most "
                 f"{most} are possible; shorten sweep.tag"]
            )  # fmt: skip
        if quick and (taken := next(filter(quick_name, self.numbers), None)):
            raise ConfigError(
                [f"{taken}: with quick, no tag may end with {FULL}; change sweep.tag"]
            )
        if len({file_name(name) for name in self.numbers}) == len(self):
            return
        seen: dict[str, int] = {}
        for number, name in enumerate(self._names(0)):
            first = seen.setdefault(file_name(name), number)
            if first != number:
                raise ConfigError([f"two jobs are named {name}: {self._place(first)} and "
                                   f"{self._place(number)}"])  # fmt: skip

    def _place(self, number: int) -> str:
        reference, variant = self._parts(number)
        label = f", variant {variant.tag!r}" if variant.tag else ""
        return (
            f"event {number // len(self.variants)} of the selection "
            f"(row {reference.row} of {reference.source.path}{label})"
        )


def checkpoint_file(name: str) -> str:
    """Path of a job's checkpoint, relative to the run directory; there are few at any time."""
    return f"checkpoints/{file_name(name)}.npz"
