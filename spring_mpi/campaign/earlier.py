"""Finished jobs of earlier runs: would they come out alike now, and what becomes of them?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from ..config.config import load_config
from ..config.quick import quickened
from ..config.sections import Config
from ..engine.requirements import REVISION as ENGINE
from ..errors import ConfigError, SpringError
from ..events.event import EventRef
from ..events.formats.user_file import names_user_file
from ..events.index.loading import load_index
from ..events.reading.preparation import REVISION as PREPARATION
from ..model.outcome import State
from ..rundir.lines import JobLine
from ..rundir.paths import RunDirectory
from . import version_0_1_0
from .blueprint import Blueprint
from .comparing import Made, compared
from .past import Past
from .plan import Plan
from .recipe import REVISIONS, calibration_of, changes, described, fingerprint, shape_parts

_TOLD = 10
_KEPT = "kept: "
"""How the remark begins of a result that stays though its event is prepared otherwise."""


class Choice(StrEnum):
    """What becomes of results whose events are prepared otherwise by now."""

    REFUSE = "refuse"
    KEEP = "keep"
    REDO = "redo"


@dataclass(frozen=True)
class Verdict:
    """What becomes of the finished jobs of earlier runs."""

    renewed: Mapping[str, JobLine] = field(default_factory=dict)
    """Job -> its line in the journal, with its fingerprint of today, where that is another one."""
    redone: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Those of ``renewed`` that would come out otherwise now."""


def judge(
    plan: Plan, past: Past, present: set[str], rundir: RunDirectory, choice: Choice = Choice.REFUSE
) -> Verdict:
    """Compare the finished jobs with what the plan would make of them.

    Raises
    ------
    ConfigError
        If a finished job would come out differently with this config; or with this version, unless
        it is chosen what becomes of such jobs.
    """
    lookup = _Recipes(past.recipes)
    lines, old, kept_before = {}, [], []
    for name, line in past.jobs.items():
        if line.state is not State.DONE or not plan.knows(name):
            continue
        made = plan.blueprint(name)
        if plan.result_file(name) not in present:
            continue
        if line.fingerprint == made.fingerprint:
            kept_before += [name] if line.outcome.remark.startswith(_KEPT) else []
            continue
        revisions = lookup.revisions(line.fingerprint, made)
        if revisions is None:
            raise ConfigError(
                [
                    f"{name} is already done in {rundir.path}, but not with this config:",
                    *(f"  {change}" for change in _changes(plan, lookup, rundir, name, line)),
                    "start anew with --fresh, or choose another output",
                ]
            )
        lines[name] = _renewed(line, made, revisions["engine"])
        if revisions["preparation"] != PREPARATION:
            old.append(name)
    changed = {name: text for name, text in compared(_made(plan, old)).items() if text}
    if changed and choice is Choice.REFUSE:
        raise ConfigError(_refusal(changed, rundir))
    if choice is Choice.REDO:
        kept = {name: line for name, line in lines.items() if name not in changed}
        return Verdict(kept, (*changed, *kept_before))
    for name, text in changed.items():
        lines[name] = _kept(lines[name], text)
    return Verdict(lines, kept=tuple(changed))


def is_as_now(plan: Plan, name: str, given: str) -> bool:
    """Whether a job's result with that fingerprint is what would be made now."""
    first, *former = plan.fingerprints(name)
    return given == first or (given in former and not any(compared(_made(plan, [name])).values()))


class _Recipes:
    """The recipes that a journal tells of, found by the fingerprints that they make."""

    def __init__(self, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._known = known
        self._last: dict[str, str] = {}

    def parts(self, given: str, made: Blueprint) -> Mapping[str, Any] | None:
        """The recipe by which a fingerprint was made of a job's event; None where none is known."""
        now = made.recipe.digest
        # Jobs that have one recipe now had one before: it is tried first.
        likely = [self._last[now]] if now in self._last else []
        for digest in (*likely, *self._known):
            if fingerprint(digest, made.event) == given:
                self._last[now] = digest
                return self._known[digest]
        return None

    def revisions(self, given: str, made: Blueprint) -> Mapping[str, int] | None:
        """Those by which a result was made that differs in nothing else; None for others."""
        if version_0_1_0.is_fingerprint(given):
            is_alike = given == made.former_fingerprint
            return dict.fromkeys(REVISIONS, version_0_1_0.ENGINE) if is_alike else None
        parts = self.parts(given, made)
        if parts is None or any(
            parts.get(part) != made.recipe.parts.get(part)
            for part in parts.keys() | made.recipe.parts.keys()
            if part not in REVISIONS
        ):
            return None
        return {part: parts[part] for part in REVISIONS}


def _renewed(line: JobLine, made: Blueprint, engine: int) -> JobLine:
    """A journal's line with the fingerprint of today; results of another engine are marked."""
    outcome = line.outcome if engine == ENGINE else line.outcome.made_by_engine(engine)
    return replace(line, outcome=outcome, fingerprint=made.fingerprint)


def _kept(line: JobLine, text: str) -> JobLine:
    """The line of a result that stays though its event is prepared otherwise, marked so."""
    remark = "; ".join(filter(None, [f"{_KEPT}{text}", line.outcome.remark]))
    return replace(line, outcome=replace(line.outcome, remark=remark))


def _made(plan: Plan, names: list[str]) -> list[Made]:
    jobs = ((name, plan.blueprint(name)) for name in names)
    return [
        Made(
            name, str(plan.folder / plan.result_file(name)), made.event, made.calibration,
            made.cropsize, made.size,
        )
        for name, made in jobs
    ]  # fmt: skip


def _refusal(changed: Mapping[str, str], rundir: RunDirectory) -> list[str]:
    """Which jobs are concerned, and what can be done."""
    names = list(changed)
    more = [f"  ... and {len(names) - _TOLD} more"] if len(names) > _TOLD else []
    return [
        f"{len(names)} finished jobs in {rundir.path} are of an earlier version of spring-mpi, "
        "and this one prepares their events otherwise:",
        *(f"  {name}: {changed[name]}" for name in names[:_TOLD]),
        *more,
        "add --keep to leave them as they are, marked in summary.csv; --redo to do them again, "
        "their results set aside; or choose another output",
    ]


def _changes(
    plan: Plan, lookup: _Recipes, rundir: RunDirectory, name: str, line: JobLine
) -> Iterator[str]:
    """What a finished job was made from and what it would be made from now, a line each."""
    made, given = plan.blueprint(name), line.fingerprint
    if not version_0_1_0.is_fingerprint(given) and (parts := lookup.parts(given, made)):
        yield from changes(parts, made.recipe.parts)
        return
    told = [*_config_changes(plan, rundir, name, made), *_source_changes(rundir, made.event)]
    yield from told
    if not told:
        files = [part for part in made.recipe.parts if part.startswith("content of")]
        yield " or ".join([*(f"the {file}" for file in files), "its source"]) + " is another one"


def _config_changes(plan: Plan, rundir: RunDirectory, name: str, made: Blueprint) -> Iterator[str]:
    """By the config that the last run left; readers count where they are files of the user's."""

    def reader(of: Config) -> str:
        return of.data.reader if names_user_file(of.data.reader) else "auto"

    try:
        before = load_config(rundir.config)
    except ConfigError:
        return
    quick = () if plan.is_full(name) else before.quick or ()
    variants = {
        variant.tag: quickened(variant.settings, quick)
        for variant in before.sweep.variants(before.settings)
    }
    pattern, config = before.pattern, plan.config
    former = described(calibration_of(before), reader(before)) | shape_parts(
        variants.get(made.tag, before.settings), pattern.cropsize, pattern.size, before.seed
    )
    settings = made.settings if made.tag in variants else config.settings
    now = described(calibration_of(config), reader(config)) | shape_parts(
        settings, config.pattern.cropsize, config.pattern.size, config.seed
    )
    yield from changes(former, now)


def _source_changes(rundir: RunDirectory, event: EventRef) -> Iterator[str]:
    """By the index that the last run left."""
    try:
        index = load_index(rundir.index)
        before = index.ref(index.find(event.pid))
    except (SpringError, KeyError):
        return
    if len(before.parts) != len(event.parts):
        yield f"its event has {len(event.parts)} parts in the sources, not {len(before.parts)}"
    for former, now in zip(before.parts, event.parts, strict=False):
        names = [os.path.basename(part.source.path) for part in (former, now)]
        if names[0] != names[1]:
            yield f"its source: {names[0]} -> {names[1]}"
        elif former.source.size != now.source.size:
            yield f"its source {names[0]}: {former.source.size} -> {now.source.size} bytes"
        elif (former.dataset, former.row) != (now.dataset, now.row):
            places = [f"{part.dataset or 'event'} at {part.row}" for part in (former, now)]
            yield f"its place in {names[0]}: {places[0]} -> {places[1]}"
