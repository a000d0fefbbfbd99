"""Waiting for space on the disk: what is finished is not thrown away for want of it.

A full disk, a used-up quota, and what a file server does while it fails over, end some day: who
writes then waits. Everything else that a write meets, such as a file system that is read-only by
now, is for a person to mend.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_NO_SPACE = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
# The last three: a file server that is away for a while (NFS, Lustre, FUSE).
_OUTAGES = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ESHUTDOWN, errno.ENOTCONN)


class UnwritableError(Exception):
    """What cannot be written, and why nobody waits for it (any longer); ends the campaign."""


class RetryingWriter:
    """Runs writes, and waits while there is no space for them.

    Parameters
    ----------
    seconds
        How long one write may wait.
    tell
        Takes what the log should say.
    rest
        Lets some time pass; whatever it raises ends the wait.
    clock
        Seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        seconds: float,
        tell: Callable[[str], None],
        rest: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._tell, self._rest, self._clock = seconds, tell, rest, clock

    def __call__(self, write: Callable[[], T], meanwhile: Callable[[], object] = lambda: None) -> T:
        """The value of ``write``, which is called again until it succeeds.

        ``meanwhile`` is called once, before the first wait.

        Raises
        ------
        UnwritableError
            For a fault that does not end by itself, or one that did not end in time.
        """
        began, end = None, ""
        while True:
            try:
                result = write()
            except OSError as fault:
                if _number(fault) not in (*_NO_SPACE, *_OUTAGES):
                    raise UnwritableError(
                        f"a file that cannot be written: {fault_text(fault)}"
                    ) from fault
                if began is None:
                    began, end = self._clock(), _end(fault)
                    self._tell(f"{_waiting(fault)}, for up to {self._seconds:g} s (workers.room)")
                    meanwhile()
                elif self._clock() - began >= self._seconds:
                    raise UnwritableError(
                        f"a file that could not be written for {self._seconds:g} s "
                        f"(workers.room): {fault_text(fault)}"
                    ) from fault
                self._rest()
            else:
                if began is not None:
                    self._tell(f"goes on: {end} after {self._clock() - began:.0f} s")
                return result


def _waiting(fault: OSError) -> str:
    reason = _NO_SPACE.get(_number(fault) or 0)
    what = f"room: {reason}" if reason else "the disk: it has a fault"
    return f"waits for {what} ({fault_text(fault)})"


def _end(fault: OSError) -> str:
    return "there is room again" if _number(fault) in _NO_SPACE else "the disk works again"


def fault_text(fault: OSError) -> str:
    """A fault with its file, for people."""
    reason = fault.strerror or str(fault)
    return f"{fault.filename}: {reason}" if fault.filename else reason


def _number(fault: OSError) -> int | None:
    """The system's number; a fault of ours has it from the one that it comes from."""
    if fault.errno is None and isinstance(fault.__cause__, OSError):
        return fault.__cause__.errno
    return fault.errno
