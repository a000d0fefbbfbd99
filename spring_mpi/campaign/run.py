"""Running a campaign: config, index, plan and past come together, and rank 0 starts."""

from __future__ import annotations

import platform
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from ..errors import ConfigError
from ..hypervisor.console import Log
from ..hypervisor.decisions import State
from ..hypervisor.journal import Journal
from ..hypervisor.messages import Equipment
from ..hypervisor.rank0 import Hypervisor
from ..hypervisor.reporting import Desk, Reporter
from ..hypervisor.status import SummaryFile, replace_file
from ..hypervisor.transport import Transport
from .check import faults, open_index
from .config import dump_config, load_config
from .plan import Plan, digest
from .resume import Past, Resumption, resume
from .rundir import RunDirectory
from .sections import Config

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def run_campaign(
    path: str, overrides: Sequence[str], transport: Transport, *, fresh: bool = False
) -> int:
    """Run or resume the campaign of a config file; the exit code.

    Raises
    ------
    SpringError
        For whatever keeps it from starting; finished results are not touched.
    """
    config = load_config(path, overrides)
    if problems := list(faults(config)):
        raise ConfigError(problems)
    rundir = RunDirectory(Path(config.output))
    aside = rundir.set_aside() if fresh else None
    rundir.create()
    rundir.acquire()
    try:
        plan = _plan(config, rundir)
        past = Past.read(rundir.journal)
        resumption = resume(plan, past, rundir, config.workers.retries)
        replace_file(rundir.config, dump_config(config))
        log = Log(rundir.log, sys.stderr)
        log("\n".join(_first_words(plan, past, resumption, aside)))
        journal = Journal(rundir.journal)
        journal.commit(_first_lines(plan, past, resumption, is_new=journal.is_empty))
        desk = Desk(log, SummaryFile(rundir.summary, resumption.finished), rundir.status)
        code = _serve(plan, resumption, transport, journal, desk)
        journal.close()
        log.close()
        return code
    finally:
        rundir.release()


def _plan(config: Config, rundir: RunDirectory) -> Plan:
    """The plan, after the index is saved and the folders of its results are made."""
    plan = Plan(config, open_index(config, rundir), rundir.path)
    if config.data.index is None:
        plan.index.save(str(rundir.index))
    for folder in {(rundir.path / plan.result_file(name)).parent for name in plan.numbers}:
        folder.mkdir(exist_ok=True)
    return plan


def _serve(
    plan: Plan, resumption: Resumption, transport: Transport, journal: Journal, desk: Desk
) -> int:
    queue = resumption.queue
    reporter = Reporter(desk, queue, time.monotonic)
    hypervisor = Hypervisor(queue, transport, journal, reporter, plan.job, plan.finished)
    workers = plan.config.workers
    with _interrupting(hypervisor):
        return hypervisor.run(Equipment(workers.device, workers.threads, workers.timeout))


def _first_lines(
    plan: Plan, past: Past, resumption: Resumption, *, is_new: bool
) -> Iterator[dict[str, Any]]:
    """What the journal has to know before the first job."""
    if is_new:
        config, index = digest(dump_config(plan.config)), plan.index_digest()
        yield {"journal": 1, "config": config, "index": index, "jobs": len(plan)}
    yield {"start": past.starts + 1, "t": round(time.time(), 3), "host": platform.node()}
    yield from resumption.adopted
    for name, reason in resumption.given_up:
        yield {"job": name, "state": State.FAILED.value, "reason": reason}


def _first_words(
    plan: Plan, past: Past, resumption: Resumption, aside: Path | None
) -> Iterator[str]:
    """What the log says before the first job."""
    jobs = f"{len(plan)} jobs ({len(plan.variants)} variants of the settings)"
    if aside:
        yield f"The former run directory is now {aside}"
    if past.starts:
        counts = resumption.queue.counts
        yield (
            f"Resuming {plan.config.name}: run {past.starts} {past.ending()}; "
            f"{counts[State.DONE]} of {jobs} are done, {counts[State.WAITING]} are left"
        )
    else:
        yield f"Campaign {plan.config.name}: {jobs} of {len(plan.index)} events"
    if resumption.adopted:
        yield f"{len(resumption.adopted)} results were complete, but not in the journal"
    if resumption.retried:
        yield f"{resumption.retried} failed jobs are tried again"
    for name, reason in resumption.given_up:
        yield f"{name}: {reason}"
    yield f"spring-mpi {version('spring-mpi')} in {plan.config.output}"


@contextmanager
def _interrupting(hypervisor: Hypervisor) -> Iterator[None]:
    """Within, the signals that end programs let the hypervisor end in order."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        hypervisor.interrupt(signal.Signals(number).name)

    former = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
