"""Messages in the loop of rank 0: a reply that cannot be written is written later."""

from __future__ import annotations

import errno
from typing import Any, cast

from spring_mpi.rank0.control import Control
from spring_mpi.rank0.progress import Progress
from spring_mpi.rank0.queue import Queue
from spring_mpi.rank0.steering import Steering
from spring_mpi.rundir.mailbox_messages import Message, Reply


class FullMailbox:
    """Gives one message until its answer can be written; the first time there is no room."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, tuple[str, ...]]] = []
        self.is_full = True

    def poll(self) -> list[Message]:
        return [] if self.answers else [Message("id", "remove", {"item": "a"}, "me@here")]

    def answer(self, id: str, reply: Reply) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.answers.append((id, reply.lines))


def test_full_disk_while_answering() -> None:
    """The message is applied once, and answered as soon as there is room."""
    queue, mailbox = Queue(), FullMailbox()
    queue.append(["a", "b"])
    control = Control(cast(Any, mailbox), Steering(queue, Progress(), None), {})
    for asked in control.asked():
        control.reply(asked)
    mailbox.is_full = False
    assert control.asked() == []
    assert mailbox.answers == [("id", ("Removing a from queue",))]
    assert list(queue.waiting) == ["b"]
