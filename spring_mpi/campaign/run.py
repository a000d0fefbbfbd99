"""Running a campaign: config, index, plan and past come together, and rank 0 starts."""

from __future__ import annotations

import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from shlex import quote
from types import FrameType

from ..config.config import dump_config, load_config
from ..config.sections import Config
from ..errors import ConfigError, SpringError
from ..events.index.remarks import flagged, remarks
from ..launch.environment import restart_words
from ..model.outcome import State
from ..rank0.control import Control
from ..rank0.log import Early, Level, Log
from ..rank0.loop import Hypervisor
from ..rank0.placement import table
from ..rank0.progress import Progress
from ..rank0.queue import Queue
from ..rank0.reporting import Reporter, ReportFiles
from ..rank0.screen import NoScreen, open_screen
from ..rank0.steering import Steering
from ..rank0.transport import Transport
from ..rank0.walltime import Walltime, end_of_allocation, words_of_end
from ..rundir.disk_space import fault_text
from ..rundir.journal import Journal
from ..rundir.lines import Header, JobLine, Line, RecipeLine, Start
from ..rundir.mailbox import Mailbox
from ..rundir.paths import RunDirectory
from ..rundir.status import write_status
from ..rundir.summary import SummaryFile
from ..system.files import replace_file
from ..system.relayed_warnings import relaying_warnings
from ..worker.messages import Equipment
from .added import blueprint
from .check import faults, refuse_wrong_stacks
from .earlier import Choice, Verdict
from .following import Following
from .indexing import Opened, open_index
from .jobs import PlannedJobs
from .past import Past
from .placing import placed
from .plan import Plan, checkpoint_file
from .recipe import digest
from .resume import Resumption, resume
from .sampling import suspects_of

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


@dataclass(frozen=True)
class Options:
    """How a campaign is run, beside its config."""

    fresh: bool = False
    """Move an existing run directory aside."""
    serve: bool = False
    """Wait for jobs that people add, also when none is left."""
    choice: Choice = Choice.REFUSE
    """What becomes of results whose events are prepared otherwise by now."""
    shown: Level = Level.NEWS
    """The least level of the log that stderr shows; the file takes it, too."""


def run_campaign(
    path: str, overrides: Sequence[str], transport: Transport, options: Options = Options()
) -> int:
    """Run or resume the campaign of a config file; the exit code.

    Raises
    ------
    SpringError
        For whatever keeps it from starting; finished results are not touched.
    """
    early = Early()
    with relaying_warnings(early.hear, early.once):
        return _begun(path, overrides, transport, options, early)


def _begun(
    path: str, overrides: Sequence[str], transport: Transport, options: Options, early: Early
) -> int:
    config = load_config(path, overrides)
    if problems := list(faults(config)):
        raise ConfigError(problems)
    rundir = RunDirectory(Path(config.output))
    rundir.refuse_moved(path, overrides)
    aside = rundir.set_aside() if options.fresh else None
    rundir.create()
    rundir.acquire()
    try:
        workers = _Workers(transport, placed(config, transport, rundir))
        return _run(config, rundir, workers, options, aside, early)
    except SpringError as fault:
        _record_refusal(rundir, str(fault), early)
        raise
    except OSError as fault:
        _record_refusal(rundir, fault_text(fault), early)
        raise
    finally:
        rundir.release()


@dataclass(frozen=True)
class _Workers:
    """The workers and what each is given."""

    transport: Transport
    equipment: Mapping[int, Equipment]


def _run(
    config: Config,
    rundir: RunDirectory,
    workers: _Workers,
    options: Options,
    aside: Path | None,
    early: Early,
) -> int:
    past = Past.read(rundir.journal)
    opened = open_index(config, rundir)
    is_growing = options.serve and config.data.follow is not None
    plan = Plan(
        config, opened.index, rundir.path, is_sharded=past.is_sharded,
        may_be_empty=options.serve, is_growing=is_growing,
    )  # fmt: skip
    refuse_wrong_stacks(plan)
    plan.suspects, unknown = suspects_of(plan)
    for name, request in past.requests.items():
        plan.add(name, blueprint(plan, request))
    resumption = resume(plan, past, rundir, options.choice)
    rundir.sweep_checkpoints(checkpoint_file(name) for name in resumption.queue.waiting)
    path = Path(config.data.index) if config.data.index else rundir.index
    if opened.follower or str(path) != opened.index.file:
        opened.index.save(str(path))
    replace_file(rundir.config, dump_config(config).encode())
    screen = open_screen(sys.stderr, options.shown, config.name)
    with (
        closing(Log(rundir.log, screen, min(options.shown, Level.DETAIL))) as log,
        closing(Journal(rundir.journal)) as journal,
        closing(SummaryFile(rundir.summary, resumption.ended, plan.swept)) as summary,
        relaying_warnings(log.hear, early.once),
    ):
        log.recall(early)
        log("\n".join([*_first_words(plan, past, resumption, aside), *opened.remarks]))
        log("\n".join(filter(None, [unknown, *plan.suspects.sentences()])), Level.FAULT)
        given = workers.equipment.items()
        chosen = {rank: equipment for rank, equipment in given if equipment.gpu or equipment.cpus}
        log("\n".join(table(chosen)), Level.DETAIL)
        for failed in resumption.given_up:
            log(f"{failed.name} failed: {failed.reason}", Level.FAULT)
        journal.commit(_first_lines(plan, past, resumption, is_new=journal.is_empty))
        log.flush()  # before the first job it need not wait for room
        files = ReportFiles(log, summary, rundir.status)
        # At 10^6 jobs the past is a gigabyte that nobody needs any more.
        past.jobs.clear()
        resumption.queue.is_serving = options.serve
        with _following(opened, plan, resumption.queue, path, log, is_growing) as take_new:
            code = _serve(plan, resumption, workers, journal, files, past.answered, take_new)
    return code


def _following(
    opened: Opened, plan: Plan, queue: Queue, path: Path, log: Log, is_growing: bool
) -> AbstractContextManager[Callable[[], None]]:
    """Within, new events are looked for; the function that it gives queues their jobs."""
    seconds = plan.config.data.follow
    if opened.follower is None or seconds is None or not is_growing:
        return nullcontext(lambda: None)
    return Following(opened.follower, plan, queue, path, seconds, log)


def _record_refusal(rundir: RunDirectory, reason: str, early: Early) -> None:
    """End the log and ``status.json`` with the exit code, also of a run that could not start."""
    with suppress(OSError, SpringError):
        with closing(Log(rundir.log, NoScreen())) as log:
            log.recall(early)
            log(f"{reason}\nexit 2", Level.ENDING)
        write_status(rundir.status, {"state": "refused", "exit": 2, "reason": reason})


def _serve(
    plan: Plan,
    resumption: Resumption,
    workers: _Workers,
    journal: Journal,
    files: ReportFiles,
    answered: Mapping[str, tuple[tuple[str, ...], bool]],
    take_new: Callable[[], None],
) -> int:
    queue, config, progress = resumption.queue, plan.config, Progress()
    jobs = PlannedJobs(plan, take_new)
    mailbox = Mailbox(plan.folder / "control", steering=config.steering)
    mailbox.open()
    hypervisor = Hypervisor(
        jobs,
        queue,
        progress,
        workers.transport,
        journal,
        Control(mailbox, Steering(queue, progress, jobs), answered),
        Reporter(files, queue, progress, resumption.given_up),
        walltime=Walltime(end_of_allocation(), config.workers.checkpoint),
        room=config.workers.room,
    )
    with _interrupting(hypervisor):
        return hypervisor.run(workers.equipment)


def _first_lines(plan: Plan, past: Past, resumption: Resumption, *, is_new: bool) -> Iterator[Line]:
    """What the journal has to know before the first job."""
    if is_new:
        config, index = digest(dump_config(plan.config)), plan.index_digest()
        yield Header(1, config, index, len(plan), plan.is_sharded)
    yield Start(past.starts + 1, round(time.time(), 3), platform.node())
    recipes = [*plan.recipes, *(blueprint.recipe for blueprint in plan.added.values())]
    for recipe in {recipe.digest: recipe for recipe in recipes}.values():
        if recipe.digest not in past.recipes:
            yield RecipeLine(recipe.digest, recipe.parts)
    yield from resumption.earlier.renewed.values()
    yield from resumption.adopted
    for job in resumption.interrupted:
        yield job.line
    yield from map(JobLine, resumption.given_up)


def _first_words(
    plan: Plan, past: Past, resumption: Resumption, aside: Path | None
) -> Iterator[str]:
    """What the log says before the first job."""
    jobs = f"{len(plan)} jobs ({len(plan.variants)} variants of the settings)"
    if aside:
        yield f"The former run directory is now {aside}"
    if past.starts:
        counts = resumption.queue.jobs.counts
        yield (
            f"Resuming {plan.config.name}: run {past.starts} {past.ending()}; "
            f"{counts[State.DONE]} of {jobs} are done, {counts[State.WAITING]} are left"
        )
    else:
        yield f"Campaign {plan.config.name}: {jobs} of {len(plan.index)} events"
    yield from remarks(plan.index)
    if text := flagged(plan.index, plan.positions):
        yield text
    if again := restart_words():
        yield again
    yield from words_of_end()
    yield from _earlier_words(resumption.earlier, plan.folder, past.starts + 1)
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


@contextmanager
def _interrupting(hypervisor: Hypervisor) -> Iterator[None]:
    """Within, the signals that end programs let the hypervisor end in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        hypervisor.interrupt(signal.Signals(number).name)

    # nohup and background shells ignore a signal on purpose; spring-batch itself ignores USR1
    # until here.
    handled = [
        number
        for number in _SIGNALS
        if number == signal.SIGUSR1 or signal.getsignal(number) is not signal.SIG_IGN
    ]
    former = {number: signal.signal(number, interrupt) for number in handled}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
