"""Rank 0: turns what workers report into decisions, writes them down, and carries them out.

Each turn: take all reports, let the queue decide, write the journal once, then act. Nothing is
done that the journal does not know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..errors import LaunchError
from ..launch.communicator import Backoff
from ..model.outcome import Outcome, State
from ..rundir.disk_space import UnwritableError
from ..rundir.journal import Journal
from ..rundir.lines import Exit, JobLine, Line
from ..system.relayed_warnings import RelayedWarning, repeat_warning
from ..worker.messages import (
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
from .control import Control
from .decisions import Decision, Give, Record
from .jobs import Jobs
from .progress import Progress
from .queue import Queue
from .reporting import Reporter
from .transport import Transport
from .walltime import Walltime
from .writing import WaitInterruptedError, Writing


class Hypervisor:
    """The loop of rank 0.

    Parameters
    ----------
    jobs
        The campaign.
    queue
        All jobs, as an earlier run left them.
    progress
        What is known of the workers, nothing as yet.
    reporter
        Tells people what happens; nothing is decided by what it keeps.
    walltime
        What is left of the allocation; as a rule there is no end.
    room
        Seconds that a file may wait for space on the disk.
    sleep
        Waits for some seconds.
    """

    def __init__(
        self,
        jobs: Jobs,
        queue: Queue,
        progress: Progress,
        transport: Transport,
        journal: Journal,
        control: Control,
        reporter: Reporter,
        *,
        walltime: Walltime | None = None,
        room: float = 3600.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._jobs, self._queue, self._progress = jobs, queue, progress
        self._transport, self._journal, self._control = transport, journal, control
        self._reporter, self._walltime = reporter, walltime or Walltime()
        self._backoff = Backoff(sleep)
        self._interruption: str | None = None
        self._write = Writing(
            room, reporter, lambda: self._interruption is not None, sleep,
            may_wait=queue.is_serving,
        )  # fmt: skip
        self._given: dict[int, dict[str, Job]] = {}
        self._completed: dict[str, Done] = {}

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
        self._progress.equipped(equipment)
        self._transport.start(equipment)
        try:
            while not (self._queue.is_over or self._interruption):
                self.turn()
            return self._end(self._exit_code())
        except WaitInterruptedError:
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
        self._jobs.take_new()
        reports = self._transport.poll()
        decisions = [self._heard(worker, report) for worker, report in reports]
        following = self._follow_up()
        decisions.append(following)
        # Reports come first: what people are told and change is the state after them.
        asked = self._control.asked()
        assigned = self._assign()
        steered = [
            request.line(self._lines([request.answer.decision]))
            for request in asked
            if request.changes_something
        ]
        lines: list[Line] = [*self._lines(decisions), *steered, *self._lines([assigned])]
        # First of all: a later run knows of this turn only what is written here.
        self._write(lambda: self._journal.commit(lines))
        self._act([*decisions, *(request.answer.decision for request in asked), assigned])
        self._reporter.followed(following.names)
        for request in asked:
            self._control.reply(request)
            if request.changes_something:
                self._reporter.asked(request.message, request.answer.reply.lines)
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
            self._reporter.late(self._walltime.left)
        return Decision()

    def _heard(self, worker: int, report: Report) -> Decision:
        """Decide on a report, and tell people of it."""
        decision = self._decide(worker, report)
        for record in decision.records:
            self._progress.ended(record)
        self._reporter.heard(worker, report, decision)
        return decision

    def _decide(self, worker: int, report: Report) -> Decision:
        queue = self._queue
        match report:
            case Ready():
                self._progress.ready(worker, report)
                return queue.joined(worker)
            case Progressed(name, generation, generations):
                if queue.runs(worker, name):
                    pace = self._progress.heard(report)
                    self._walltime.learn(pace, self._progress.started[name])
                return queue.progressed(worker, name, generation / generations)
            case Remark() | Printed() | Alive():
                return Decision()
            case RelayedWarning():
                repeat_warning(report)
                return Decision()
            case Done():
                return self._done(worker, report)
            case Failed(name, reason):
                return queue.failed(worker, name, reason)
            case Unwritable(_, reason):
                self.interrupt(reason)
                return Decision()
            case Stopped(name) | Lost(name) if outcome := self._jobs.complete(name):
                # Its child ended between the last step of the result and the word of it.
                return self._done(worker, Done(outcome))
            case Stopped(name):
                return queue.stopped(worker, name)
            case Lost(name, reason, is_innocent):
                return queue.lost(worker, name, reason, is_innocent=is_innocent)
            case Gone(reason):
                return self._gone(worker, reason)

    def _done(self, worker: int, done: Done) -> Decision:
        decision = self._queue.done(worker, done.name, done.outcome.verdict)
        if decision.records:
            outcome = self._jobs.identified(replace(done.outcome, worker=worker))
            self._completed[done.name] = replace(done, outcome=outcome)
        return decision

    def _follow_up(self) -> Decision:
        """Queue the jobs that follow from those that are done in this turn."""
        ended = (done.outcome for done in self._completed.values())
        return self._queue.follow_up(filter(None, map(self._jobs.follow_up, ended)))

    def _act(self, decisions: Iterable[Decision]) -> None:
        """What follows from decisions that the journal has."""
        self._reporter.done(list(self._completed.values()))
        self._completed.clear()
        for decision in decisions:
            for record in decision.records:
                if record.state.is_over and record.state is not State.DONE:
                    self._reporter.summarize(self._jobs.identified(_outcome(record)))
            for instruction in decision.instructions:
                if isinstance(instruction, Give):
                    self._give(instruction.worker, instruction.names)
                else:
                    self._transport.send(instruction.worker, Cancel(instruction.name))

    def _give(self, worker: int, names: tuple[str, ...]) -> None:
        self._write.has_begun = True
        self._progress.given(names)
        self._reporter.given(worker, names)
        self._given[worker] = {name: self._jobs.make(name) for name in names}
        self._transport.send(worker, Assign(tuple(self._given[worker].values())))

    def _gone(self, worker: int, reason: str) -> Decision:
        """A worker can do no more work, but what it completed is done."""
        self._progress.gone(worker)
        jobs = [name for name, run in self._queue.running.items() if run.worker == worker]
        records = [
            record
            for name in jobs
            if (outcome := self._jobs.complete(name))
            for record in self._done(worker, Done(outcome)).records
        ]
        records += self._queue.gone(worker, reason).records
        if not (self._queue.workers or self._progress.starting):
            self._give_up(reason)
        return Decision(tuple(records))

    def _give_up(self, reason: str) -> None:
        """No worker is left."""
        if not self._progress.devices:
            raise LaunchError(f"no worker can start: {reason}")
        self.interrupt(f"the loss of its last worker ({reason})")

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
        job = self._given.get(done.worker or 0, {}).get(done.name) or self._jobs.make(done.name)
        return job.fingerprint

    def _exit_code(self) -> int:
        counts = self._queue.jobs.counts
        is_complete = self._queue.is_over and not counts[State.WAITING]
        return 3 if not is_complete else 1 if counts[State.FAILED] else 0

    def _end(self, code: int) -> int:
        self._write_ending(code)
        self._reporter.ended(code, self._interruption)
        self._write.last(lambda: self._reporter.flush_ending(code))
        return code

    def _write_ending(self, code: int) -> None:
        ending = Exit(code, round(time.time(), 3), self._interruption or "")
        self._write.last(lambda: self._journal.commit([ending]))


def _outcome(record: Record) -> Outcome:
    """What became of a job that has no result."""
    return Outcome(record.name, state=record.state, worker=record.worker, reason=record.reason)
