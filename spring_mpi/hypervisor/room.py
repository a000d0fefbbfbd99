"""Waiting for room on a full disk: what is finished is not thrown away for want of it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def when_there_is_room(
    write: Callable[[], T], tell: Callable[[str], None], wait: Callable[[], None]
) -> T:
    """Write, and while the disk is full say so once, wait, and try again.

    Raises
    ------
    OSError
        For any other fault of writing; and whatever ``wait`` raises to give up.
    """
    is_told = False
    while True:
        try:
            result = write()
        except OSError as fault:
            if not is_full(fault):
                raise
            if not is_told:
                tell(f"waits for room: the disk is full ({fault})")
            is_told = True
            wait()
        else:
            if is_told:
                tell("goes on: there is room again")
            return result


def is_full(fault: OSError) -> bool:
    """Whether a fault is a full disk or quota; HDF5 tells it in the text only."""
    return fault.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(fault)
