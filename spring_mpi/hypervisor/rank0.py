"""Rank 0: turns what workers report into decisions, writes them down, and carries them out.

Each turn: take all reports, let the queue decide, write the journal once, then act. Nothing is
done that the journal does not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from ..comm import Backoff
from ..errors import LaunchError, RunDirectoryError
from ..outcome import Outcome, State
from ..relayed_warnings import RelayedWarning, repeat_warning
from .control import Control
from .decisions import Decision, Give, Record
from .disk_space import RetryingWriter, UnwritableError, fault_text
from .journal import Journal
from .lines import Exit, JobLine, Line
from .messages import (
    Alive,
    Assign,
    Cancel,
    Done,
    Equipment,
    Failed,
    Gone,
    Job,
    Lost,
    Printed,
    Progressed,
    Ready,
    Remark,
    Report,
    Stopped,
    Unwritable,
)
from .queue import Queue
from .reporting import Reporter
from .transport import Transport
from .walltime import Walltime


class _InterruptedError(Exception):
    """An interruption came while a file waited for room."""


class Hypervisor:
    """The loop of rank 0.

    Parameters
    ----------
    queue
        All jobs, as an earlier run left them.
    make_job
        The job of a name.
    identified
        What became of a job, with what only the plan knows of it.
    complete
        What a job came to whose result is complete though nobody said so; None where it is not.
    sleep
        Waits for some seconds.
    newcomers
        Called once per turn: queues the jobs of new events, if there are any.
    walltime
        What is left of the allocation; as a rule there is no end.
    room
        Seconds that a file may wait for room on the disk.
    """

    def __init__(
        self,
        queue: Queue,
        transport: Transport,
        journal: Journal,
        control: Control,
        reporter: Reporter,
        make_job: Callable[[str], Job],
        identified: Callable[[Outcome], Outcome],
        complete: Callable[[str], Outcome | None],
        sleep: Callable[[float], None] = time.sleep,
        newcomers: Callable[[], None] = lambda: None,
        walltime: Walltime | None = None,
        room: float = 3600.0,
    ) -> None:
        self._queue, self._transport = queue, transport
        self._journal, self._control, self._reporter = journal, control, reporter
        self._make_job, self._identified, self._complete = make_job, identified, complete
        self._newcomers, self._walltime = newcomers, walltime or Walltime()
        self._backoff, self._sleep = Backoff(sleep), sleep
        self._room = RetryingWriter(room, reporter.say, self._rest)
        self._has_begun = False
        self._given: dict[int, dict[str, Job]] = {}
        self._completed: dict[str, Done] = {}
        self._interruption: str | None = None
        self._starting: set[int] = set()
        self._failed_starts: dict[int, str] = {}

    def interrupt(self, reason: str) -> None:
        """Ask the loop to end in an orderly way; safe in a signal handler."""
        self._interruption = reason

    def run(self, equipment: Mapping[int, Equipment]) -> int:
        """Run until no job is left; the exit code (0 all done, 1 some failed, 3 interrupted).

        Raises
        ------
        LaunchError
            If no worker ever gets ready.
        RunDirectoryError
            If a file cannot be written before the first job is given out.
        """
        self._starting = set(equipment)
        # Who fails before its device is ready is known by this.
        self._reporter.known.equipment.update(equipment)
        self._transport.start(equipment)
        try:
            while not (self._queue.is_over or self._interruption):
                self.turn()
            return self._end(self._exit_code())
        except _InterruptedError:
            return self._end(3)
        except UnwritableError as fault:
            self.interrupt(str(fault))
            return self._end(3)
        except LaunchError:
            self._write_ending(2)
            raise
        finally:
            self._transport.close()

    def turn(self) -> None:
        """One turn of the loop."""
        self._newcomers()
        reports = self._transport.poll()
        decisions = [self._decide(worker, report) for worker, report in reports]
        # Reports come first: what people are told and change is the state after them.
        asked = self._control.asked()
        assigned = self._assign()
        self._commit(
            [
                *self._lines(decisions),
                *(
                    one.line(self._lines([one.answer.decision]))
                    for one in asked
                    if one.changes_something
                ),
                *self._lines([assigned]),
            ]
        )
        self._act([*decisions, *(one.answer.decision for one in asked), assigned])
        for one in asked:
            self._control.reply(one)
            if one.changes_something:
                self._reporter.asked(one.message, one.answer.reply.lines)
        self._write(self._reporter.flush)
        self._reporter.draw()
        self._backoff.rest(after_traffic=bool(reports or asked))

    def _assign(self) -> Decision:
        """Give out jobs, unless nothing of them could be saved before the allocation ends."""
        if self._walltime.is_over:
            self.interrupt("the end of its allocation")
        if not self._walltime.is_too_short:
            return self._queue.assign()
        if self._queue.waiting:
            self._reporter.is_late(self._walltime.left)
        return Decision()

    def _decide(self, worker: int, report: Report) -> Decision:
        queue = self._queue
        match report:
            case Ready():
                self._reporter.ready(worker, report)
                self._answered(worker)
                return queue.joined(worker)
            case Progressed(name, generation, generations):
                self._reporter.progressed(worker, report)
                if pace := self._reporter.known.paces.get(name):
                    self._walltime.learn(pace, self._reporter.known.started[name])
                return queue.progressed(worker, name, generation / generations)
            case Remark():
                self._reporter.remarked(worker, report)
                return Decision()
            case Printed():
                self._reporter.printed(worker, report)
                return Decision()
            case RelayedWarning():
                repeat_warning(report)
                return Decision()
            case Alive():
                return Decision()
            case Done():
                return self._done(worker, report)
            case Failed(name, reason):
                return self._told(queue.failed(worker, name, reason), worker, report.details)
            case Unwritable(_, reason):
                self.interrupt(reason)
                return Decision()
            case Stopped(name) | Lost(name) if outcome := self._complete(name):
                # Its child ended between the last step of the result and the word of it.
                return self._done(worker, Done(outcome))
            case Stopped(name):
                return self._told(queue.stopped(worker, name), worker)
            case Lost(name, reason, is_innocent):
                lost = queue.lost(worker, name, reason, is_innocent=is_innocent)
                return self._told(lost, worker)
            case Gone(reason):
                return self._left(worker, reason)

    def _done(self, worker: int, done: Done) -> Decision:
        decision = self._queue.done(worker, done.name)
        if decision.records:
            outcome = self._identified(replace(done.outcome, worker=worker))
            self._completed[done.name] = replace(done, outcome=outcome)
        return decision

    def _act(self, decisions: Iterable[Decision]) -> None:
        """What follows from decisions that the journal has."""
        self._reporter.done(list(self._completed.values()))
        self._completed.clear()
        for decision in decisions:
            for record in decision.records:
                if record.state.is_over and record.state is not State.DONE:
                    self._reporter.summarize(self._identified(_outcome(record)))
            for instruction in decision.instructions:
                if isinstance(instruction, Give):
                    self._give(instruction.worker, instruction.names)
                else:
                    self._transport.send(instruction.worker, Cancel(instruction.name))

    def _give(self, worker: int, names: tuple[str, ...]) -> None:
        self._has_begun = True
        self._reporter.given(worker, names)
        self._given[worker] = {name: self._make_job(name) for name in names}
        self._transport.send(worker, Assign(tuple(self._given[worker].values())))

    def _told(self, decision: Decision, worker: int, details: str = "") -> Decision:
        for record in decision.records:
            self._reporter.ended_otherwise(record, worker, details)
        return decision

    def _answered(self, worker: int) -> None:
        """A worker is ready or never will be; those that are not are told when all have answered.

        Where none is, one message does for all of them.
        """
        self._starting.discard(worker)
        if self._starting or not self._reporter.known.devices:
            return
        for one, reason in self._failed_starts.items():
            self._reporter.left(one, reason)
        self._failed_starts.clear()

    def _left(self, worker: int, reason: str) -> Decision:
        if worker in self._starting:
            self._failed_starts[worker] = reason
            self._answered(worker)
        else:
            self._reporter.left(worker, reason)
        jobs = [name for name, run in self._queue.running.items() if run.worker == worker]
        records = [
            record
            for name in jobs
            if (outcome := self._complete(name))
            for record in self._done(worker, Done(outcome)).records
        ]
        records += self._told(self._queue.gone(worker, reason), worker).records
        if not (self._queue.workers or self._starting):
            self._give_up(reason)
        return Decision(tuple(records))

    def _give_up(self, reason: str) -> None:
        """No worker is left."""
        if not self._reporter.known.devices:
            raise LaunchError(f"no worker can start: {reason}")
        self.interrupt(f"the loss of its last worker ({reason})")

    def _commit(self, lines: list[Line]) -> None:
        self._write(lambda: self._journal.commit(lines))

    def _write(self, write: Callable[[], None]) -> None:
        """Write something, also if that means to wait for room on the disk.

        Before the first job nobody waits: whoever starts a campaign is there and can mend it.
        """
        if self._has_begun or self._queue.is_serving:
            self._room(write)
            return
        try:
            write()
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot write {fault_text(fault)}; no job was begun"
            ) from fault

    def _rest(self) -> None:
        """A second of waiting for room."""
        if self._interruption:
            raise _InterruptedError
        with suppress(OSError):
            self._reporter.flush()
        self._reporter.draw()
        self._sleep(1.0)

    def _lines(self, decisions: Iterable[Decision]) -> list[JobLine]:
        return [self._line(record) for decision in decisions for record in decision.records]

    def _line(self, record: Record) -> JobLine:
        now, attempt = round(time.time(), 3), record.attempt
        if record.state is not State.DONE:
            return JobLine(_outcome(record), t=now, attempt=attempt)
        outcome, fingerprint = self._completed[record.name].outcome, self._fingerprint(record)
        return JobLine(outcome, t=now, attempt=attempt, fingerprint=fingerprint)

    def _fingerprint(self, done: Record) -> str:
        """That of the job as it was given out; making the job again costs more."""
        job = self._given.get(done.worker or 0, {}).get(done.name) or self._make_job(done.name)
        return job.fingerprint

    def _exit_code(self) -> int:
        counts = self._queue.jobs.counts
        is_complete = self._queue.is_over and not counts[State.WAITING]
        return 3 if not is_complete else 1 if counts[State.FAILED] else 0

    def _end(self, code: int) -> int:
        self._write_ending(code)
        self._reporter.ended(code, self._interruption)
        self._write_last(lambda: self._reporter.flush_ending(code))
        return code

    def _write_ending(self, code: int) -> None:
        ending = Exit(code, round(time.time(), 3), self._interruption or "")
        self._write_last(lambda: self._journal.commit([ending]))

    def _write_last(self, write: Callable[[], None]) -> None:
        """Write a last word; whoever was interrupted does not wait for room any more.

        Without it the journal ends as if we were killed: the next run starts from there.
        """
        with suppress(OSError, UnwritableError, _InterruptedError):
            if self._interruption or not self._has_begun:
                write()
            else:
                self._room(write)


def _outcome(record: Record) -> Outcome:
    """What became of a job that has no result."""
    return Outcome(record.name, state=record.state, worker=record.worker, reason=record.reason)
