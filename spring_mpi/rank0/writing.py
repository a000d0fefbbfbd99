"""The writes of rank 0: once jobs run, they wait for space on the disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ..errors import RunDirectoryError
from ..rundir.disk_space import RetryingWriter, UnwritableError, fault_text
from .reporting import Reporter


class WaitInterruptedError(Exception):
    """The campaign is to end, and something still waits to be written."""


class Writing:
    """Writes what rank 0 has to write, each in its time.

    Parameters
    ----------
    seconds
        How long one write may wait.
    reporter
        Goes on telling meanwhile.
    is_interrupted
        Whether the campaign is to end.
    sleep
        Waits for some seconds.
    may_wait
        Whether writes wait for space already before the first job.
    """

    def __init__(
        self,
        seconds: float,
        reporter: Reporter,
        is_interrupted: Callable[[], bool],
        sleep: Callable[[float], None],
        *,
        may_wait: bool,
    ) -> None:
        self._retrying = RetryingWriter(seconds, reporter.say, self._rest)
        self._reporter, self._is_interrupted, self._sleep = reporter, is_interrupted, sleep
        self._may_wait = may_wait
        self.has_begun = False
        """Whether a job was given out."""

    def __call__(self, write: Callable[[], None]) -> None:
        """Write something, also if that means to wait for space on the disk.

        Before the first job nobody waits: whoever starts a campaign is there and can mend it.

        Raises
        ------
        RunDirectoryError
            Before the first job, if it cannot be written now.
        UnwritableError
            If it cannot be written in time.
        WaitInterruptedError
            If the campaign is interrupted before it is written.
        """
        if self.has_begun or self._may_wait:
            self._retrying(write)
            return
        try:
            write()
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot write {fault_text(fault)}; no job was begun"
            ) from fault

    def last(self, write: Callable[[], None]) -> None:
        """Write what ends a file of this run; after an interruption it does not wait for space.

        Without it the journal ends as if we were killed: the next run starts from there.
        """
        with suppress(OSError, UnwritableError, WaitInterruptedError):
            if self._is_interrupted() or not self.has_begun:
                write()
            else:
                self._retrying(write)

    def _rest(self) -> None:
        """A second of waiting."""
        if self._is_interrupted():
            raise WaitInterruptedError
        with suppress(OSError):
            self._reporter.flush()
        self._reporter.draw()
        # A full disk is seldom freed sooner, and an interruption has to be noticed soon.
        self._sleep(1.0)
