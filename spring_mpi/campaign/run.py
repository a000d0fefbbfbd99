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

from ..errors import ConfigError
from ..hypervisor.console import Log
from ..hypervisor.journal import Journal
from ..hypervisor.messages import Done, Equipment
from ..hypervisor.queue import State
from ..hypervisor.rank0 import Desk, Hypervisor
from ..hypervisor.status import Finished, SummaryFile, replace_file
from ..hypervisor.transport import Transport
from ..names import pid_text
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
    former = rundir.acquire()
    try:
        plan = _plan(config, rundir)
        past = Past.read(rundir.journal)
        resumption = resume(plan, past, rundir, config.workers.retries)
        for folder in {(rundir.path / plan.result_file(name)).parent for name in plan.numbers}:
            folder.mkdir(exist_ok=True)
        replace_file(rundir.config, dump_config(config))
        log = Log(rundir.log, sys.stderr)
        if aside:
            log(f"The former run directory is now {aside}")
        log(_first_words(plan, past, resumption, former is not None))
        return _serve(plan, past, resumption, rundir, transport, log)
    finally:
        rundir.release()


def _plan(config: Config, rundir: RunDirectory) -> Plan:
    index = open_index(config, rundir)
    plan = Plan(config, index, rundir.path)
    if not config.data.index and not rundir.index.exists():
        index.save(str(rundir.index))
    return plan


def _serve(
    plan: Plan,
    past: Past,
    resumption: Resumption,
    rundir: RunDirectory,
    transport: Transport,
    log: Log,
) -> int:
    journal = Journal(rundir.journal)
    if journal.is_empty:
        journal.commit([{"journal": 1, "config": digest(dump_config(plan.config)),
                         "index": digest(plan.index.pids.tolist()[:1]), "jobs": len(plan)}])  # fmt: skip
    lines = [{"start": past.starts + 1, "t": round(time.time(), 3), "host": platform.node()}]
    lines += resumption.adopted
    lines += [
        {"job": name, "state": State.FAILED.value, "reason": reason}
        for name, reason in resumption.given_up
    ]
    journal.commit(lines)

    def finished(name: str, worker: int, done: Done) -> Finished:
        job, summary = plan.job(name), done.summary
        return Finished(
            name, pid_text(job.event.pid), job.tag, summary.error, summary.resolution_px,
            summary.support_px, summary.seconds, worker, plan.result_file(name),
        )  # fmt: skip

    desk = Desk(journal, log, SummaryFile(rundir.summary, resumption.finished), rundir.status)
    hypervisor = Hypervisor(resumption.queue, transport, desk, plan.job, finished)
    workers = plan.config.workers
    with _interrupting(hypervisor):
        code = hypervisor.run(Equipment(workers.device, workers.threads, workers.timeout))
    journal.close()
    log.close()
    return code


def _first_words(plan: Plan, past: Past, resumption: Resumption, was_killed: bool) -> str:
    counts = resumption.queue.counts
    jobs = f"{len(plan)} jobs ({len(plan.variants)} variants of the settings)"
    lines = []
    if past.starts:
        ending = (
            f"ended with exit {past.last_exit}"
            if past.last_exit is not None
            else "was killed without a word"
        )
        ran = sum(line["state"] == State.RUNNING for line in past.jobs.values())
        lines.append(
            f"Resuming {plan.config.name}: run {past.starts} {ending} while {ran} jobs ran; "
            f"{counts[State.DONE]} of {jobs} are done, {counts[State.WAITING]} are left"
        )
        if resumption.adopted:
            lines.append(f"{len(resumption.adopted)} results were complete, but not in the journal")
        if resumption.retried:
            lines.append(f"{resumption.retried} failed jobs are tried again")
        lines += [f"{name}: {reason}" for name, reason in resumption.given_up]
    else:
        lines.append(f"Campaign {plan.config.name}: {jobs} of {len(plan.index)} events")
    lines.append(f"spring-mpi {version('spring-mpi')} in {plan.config.output}")
    return "\n".join(lines)


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
