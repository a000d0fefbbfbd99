"""What the journal and the log of a run have before its first job."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from shlex import quote

from ..config.config import dump_config
from ..engine.requirements import REVISION as ENGINE
from ..events.index.remarks import flagged, remarks
from ..launch.environment import restart_words
from ..model.outcome import Outcome, State
from ..rank0.walltime import words_of_end
from ..rundir.lines import Header, JobLine, Line, RecipeLine, Start
from .centring import centre_text
from .earlier import Verdict
from .past import Past
from .plan import Plan
from .recipe import digest
from .resume import Resumption


def first_lines(plan: Plan, past: Past, resumption: Resumption, *, is_new: bool) -> Iterator[Line]:
    """What the journal has to know before the first job."""
    if is_new:
        config, index = digest(dump_config(plan.config)), plan.index_digest()
        yield Header(1, config, index, len(plan), plan.is_sharded)
    yield Start(past.starts + 1, round(time.time(), 3), platform.node())
    recipes = [*plan.recipes, *(blueprint.recipe for blueprint in plan.added.values())]
    for recipe in {recipe.digest: recipe for recipe in recipes}.values():
        if recipe.digest not in past.recipes:
            yield RecipeLine(recipe.digest, recipe.parts)
    if plan.expected and plan.expected.digest not in past.centres:
        yield plan.expected
    yield from resumption.earlier.renewed.values()
    yield from resumption.adopted
    for job in resumption.interrupted:
        yield job.line
    yield from map(JobLine, resumption.given_up)
    for name in resumption.following:
        yield JobLine(Outcome(name, state=State.WAITING))


def first_words(
    plan: Plan, past: Past, resumption: Resumption, aside: Path | None
) -> Iterator[str]:
    """What the log says before the first job."""
    counts = resumption.queue.jobs.counts
    if aside:
        yield f"The former run directory is now {aside}"
    if past.starts:
        yield (
            f"Resuming {plan.config.name}: run {past.starts} {past.ending()}; "
            f"{counts[State.DONE]} of {counts.total()} jobs ({plan.ways}) are done, "
            f"{counts[State.WAITING]} are left"
        )
    else:
        jobs = f"{len(plan)} jobs ({plan.ways})"
        yield f"Campaign {plan.config.name}: {jobs} of {len(plan.index)} events"
    yield from remarks(plan.index)
    if text := flagged(plan.index, plan.positions):
        yield text
    if plan.expected:
        yield f"Centre: {centre_text(plan.expected)}"
    if again := restart_words():
        yield again
    yield from words_of_end()
    yield from _earlier_words(resumption.earlier, plan.folder, past.starts + 1)
    if resumption.queue.outdated and not resumption.queue.waiting:
        yield (
            f"{len(resumption.queue.outdated)} results are of an earlier revision of the engine "
            "and stay; to make them again, start with --serve and use spring-ctl RUNDIR retry"
        )
    if resumption.adopted:
        yield f"{len(resumption.adopted)} results were complete, but not in the journal"
    if withdrawn := sum(
        resumption.queue.jobs.counts[state] for state in (State.REMOVED, State.STOPPED)
    ):
        yield (
            f"{withdrawn} jobs were removed or stopped by people and stay so; to run them after "
            "all, start with --serve and use spring-ctl RUNDIR retry"
        )
    for name in sorted(resumption.queue.alone):
        yield (
            f"{name} is put last and will run alone: several runs in a row ended while it ran, "
            "without a new checkpoint of it"
        )
    if resumption.retried:
        yield f"{resumption.retried} failed jobs are tried again"
    if resumption.unplanned:
        yield (
            f"{len(resumption.unplanned)} jobs of earlier runs, such as {resumption.unplanned[0]}, "
            "are not in the plan any more: is a source missing, or the config another one?"
        )
    if resumption.queue.is_paused:
        yield f"The campaign is paused; to go on: spring-ctl {quote(plan.config.output)} resume"
    yield f"spring-mpi {version('spring-mpi')} in {plan.config.output}"


def engine_words(resumption: Resumption, rundir: str) -> str:
    """What the log warns of where results of two revisions of the engine come together; empty
    where they do not."""
    queue = resumption.queue
    if not (queue.outdated and queue.waiting):
        return ""
    return (
        f"{len(queue.outdated)} results here are of an earlier revision of the engine and stay, "
        f"marked in summary.csv; the other {len(queue.waiting)} jobs run with revision {ENGINE}, "
        "by which they may come out otherwise. To have all of it: "
        f"spring-ctl {quote(rundir)} retry '*'"
    )


def _earlier_words(earlier: Verdict, folder: Path, run: int) -> Iterator[str]:
    """What the log says of results of another version."""
    if alike := len(earlier.renewed) - len(earlier.kept):
        yield f"{alike} results of an earlier version are of the same patterns as now and stay"
    if earlier.kept:
        yield (
            f"{len(earlier.kept)} results of an earlier version stay though their events are "
            "prepared otherwise now; summary.csv marks them"
        )
    if earlier.redone:
        yield (
            f"{len(earlier.redone)} jobs are done again, for their events are prepared otherwise "
            f"now; their former results are in {folder / 'former' / str(run)}"
        )
