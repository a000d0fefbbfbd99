"""Running a campaign: config, index, plan and past come together, and rank 0 starts."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from ..config.config import dump_config, load_config
from ..config.sections import Config
from ..errors import ConfigError, SpringError
from ..model.outcome import Outcome
from ..rank0.control import Control
from ..rank0.jobs import Request
from ..rank0.log import EarlyWarnings, Level, Log
from ..rank0.loop import Hypervisor
from ..rank0.placement import table
from ..rank0.progress import Progress
from ..rank0.queue import Queue
from ..rank0.reporting import Reporter, ReportFiles
from ..rank0.screen import NoScreen, open_screen
from ..rank0.steering import Steering
from ..rank0.transport import Transport
from ..rank0.walltime import Walltime, end_of_allocation
from ..rundir.disk_space import fault_text
from ..rundir.journal import Journal
from ..rundir.mailbox import Mailbox
from ..rundir.paths import RunDirectory
from ..rundir.status import write_status
from ..rundir.summary import SummaryFile
from ..system.files import replace_file
from ..system.relayed_warnings import relaying_warnings
from ..worker.messages import Equipment
from .added import blueprint, requested
from .beginning import engine_words, first_lines, first_words
from .centring import expected_centre
from .check import faults, refuse_wrong_stacks
from .earlier import Choice
from .following import Following
from .indexing import Opened, open_index
from .past import Past
from .placing import placed
from .plan import Plan, checkpoint_file
from .resume import Resumption, complete, resume
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
    early = EarlyWarnings()
    with relaying_warnings(early.add, early.seen):
        return _begun(path, overrides, transport, options, early)


def _begun(
    path: str,
    overrides: Sequence[str],
    transport: Transport,
    options: Options,
    early: EarlyWarnings,
) -> int:
    config = load_config(path, overrides)
    if problems := list(faults(config)):
        raise ConfigError(problems)
    rundir = RunDirectory(Path(config.output))
    rundir.refuse_moved(path, overrides)
    aside = rundir.set_aside() if options.fresh else None
    rundir.create()
    rundir.acquire()
    # From here on nobody else writes into it: what goes wrong may be recorded there.
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
    early: EarlyWarnings,
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
    centre, uncentred = expected_centre(plan, past)
    if centre:
        plan.expect(centre)
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
        relaying_warnings(log.add_warning, early.seen),
    ):
        log.write_earlier(early)
        log("\n".join([*first_words(plan, past, resumption, aside), *opened.remarks]))
        warnings = engine_words(resumption, config.output), unknown, uncentred
        log("\n".join(filter(None, [*warnings, *plan.suspects.sentences()])), Level.FAULT)
        given = workers.equipment.items()
        chosen = {rank: equipment for rank, equipment in given if equipment.gpu or equipment.cpus}
        log("\n".join(table(chosen)), Level.DETAIL)
        for failed in resumption.given_up:
            log(f"{failed.name} failed: {failed.reason}", Level.FAULT)
        journal.commit(first_lines(plan, past, resumption, is_new=journal.is_empty))
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


def _record_refusal(rundir: RunDirectory, reason: str, early: EarlyWarnings) -> None:
    """End the log and ``status.json`` with the exit code, also of a run that could not start."""
    with suppress(OSError, SpringError):
        with closing(Log(rundir.log, NoScreen())) as log:
            log.write_earlier(early)
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


class PlannedJobs:
    """The plan, as rank 0 knows it: `spring_mpi.rank0.jobs.Jobs`.

    Parameters
    ----------
    take_new
        Queues the jobs of new events.
    """

    def __init__(self, plan: Plan, take_new: Callable[[], None]) -> None:
        self._plan = plan
        self.take_new = take_new
        self.knows, self.make, self.identified = plan.knows, plan.job, plan.identified
        self.follow_up = plan.follow_up

    def requested(self, arguments: Mapping[str, Any]) -> list[tuple[str, Request]]:
        """See `spring_mpi.campaign.added.requested`."""
        return requested(self._plan, arguments)

    def add(self, name: str, request: Request) -> None:
        """Know a requested job by the name that the queue gave it."""
        self._plan.add(name, blueprint(self._plan, request))

    def complete(self, name: str) -> Outcome | None:
        """See `spring_mpi.campaign.resume.complete`."""
        return complete(self._plan, name)


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
