"""The control mailbox: people leave messages in the run directory, rank 0 answers them there.

Every message is a file, named by its id, which sorts by time::

    tmp/     where every file is written before it is renamed into place
    new/     <id>.json   left by a sender, who may still withdraw it
             <id>.taken  rank 0 has it; it is shown again after a restart
    reply/   <id>.json   the reply
    done/    <id>.json   the message, once it is answered

Every step is one rename, so that a kill between any two loses nothing.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from heapq import nsmallest
from operator import itemgetter
from pathlib import Path
from typing import Any

from ..errors import NoAnswerError, RunDirectoryError
from .mailbox_files import write_file
from .mailbox_messages import Message, Reply, Senders, fresh_ids, is_id, read_message, read_reply

# Each look does a little, so that no flood of messages keeps rank 0 from its workers.
_TAKEN_AT_ONCE = 100
_KEPT_FILES, _KEPT_SECONDS, _REMOVED_AT_ONCE = 2 * 1000, 86400.0, 10
_LOOK_EVERY = 0.05
"""Seconds between a sender's looks for the reply."""
_MODES: dict[Senders, tuple[int, int]] = {"owner": (0o700, 0o700), "group": (0o2750, 0o2770)}
"""Of the control folder, which also holds the lock, and of the folders in it."""


class Mailbox:
    """The end of rank 0.

    Parameters
    ----------
    folder
        The control folder in the run directory.
    steering
        Who may steer: the owner of the run directory, or everybody in its group.
    clock
        Seconds that never go back.
    interval
        Seconds between two looks into the folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        steering: Senders = "owner",
        clock: Callable[[], float] = time.monotonic,
        interval: float = 0.1,
    ) -> None:
        self._folder, self._steering = folder, steering
        self._clock, self._interval, self._due = clock, interval, clock()
        self._ids = fresh_ids(time.time_ns)
        self._in_hand: set[str] = set()
        self._old: deque[tuple[float, Path]] = deque()

    def open(self) -> None:
        """Make the folders with the modes that ``steering`` asks for.

        Raises
        ------
        RunDirectoryError
            If that is not possible.
        """
        outer, inner = _MODES[self._steering]
        try:
            self._make(self._folder, outer)
            for name in ("tmp", "new", "reply", "done"):
                self._make(self._folder / name, inner)
            left = [path for name in ("tmp", "reply", "done")
                    for path in (self._folder / name).iterdir()]  # fmt: skip
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot set up {self._folder}: {fault.strerror}; free the disk, or mend the "
                "folder's permissions"
            ) from fault
        self._keep(*sorted(left, key=lambda path: path.name))

    def poll(self) -> list[Message]:
        """The messages that have arrived, in the order of their ids.

        A message is given once, and again after a restart or an `answer` that failed: who applies
        them must know the ids that were applied. What cannot be read is refused here.
        """
        now = self._clock()
        if now < self._due:
            return []
        self._due = now + self._interval
        self._remove_old(now)
        taken = [self._take(id, entry) for id, entry in self._arrived()]
        return [message for message in taken if message is not None]

    def answer(self, id: str, reply: Reply) -> None:
        """Reply to a message, and put it away.

        Raises
        ------
        OSError
            If the reply cannot be written; the message stays, and `poll` gives it again.
        """
        self._in_hand.discard(id)
        self._write_reply(id, reply)
        self._put_away(id)

    def _arrived(self) -> list[tuple[str, os.DirEntry[str]]]:
        """The oldest entries of ``new`` that are not in hand, with their ids."""
        # Without its control folder a campaign cannot be steered, but it goes on. Names with a
        # dot in front belong to the file system (NFS) or to editors.
        with suppress(OSError), os.scandir(self._folder / "new") as entries:
            found = (
                (os.path.splitext(entry.name)[0], entry)
                for entry in entries
                if entry.name[0] != "."
            )
            fresh = {id: entry for id, entry in found if id not in self._in_hand}
            return nsmallest(_TAKEN_AT_ONCE, fresh.items(), key=itemgetter(0))
        return []

    def _take(self, id: str, entry: os.DirEntry[str]) -> Message | None:
        """The message of an entry, if it is one that is to be handled."""
        # An entry that vanished was withdrawn; all others that fail come back at the next poll.
        with suppress(OSError):
            if not _is_message(id, entry):
                self._set_aside(entry)
                return None
            taken = self._path("new", id, ".taken")
            os.rename(entry.path, taken)
            if os.path.lexists(self._path("reply", id)):
                self._put_away(id)
                return None
            try:
                message = read_message(id, taken, self._steering, self._folder.parent)
            except ValueError as reason:
                self.answer(id, Reply((f"Message refused: {reason}",), refused=True))
                return None
            self._in_hand.add(id)
            return message
        return None

    def _set_aside(self, entry: os.DirEntry[str]) -> None:
        """Move what is no message out of the way, under a new id, with the reason as its reply."""
        id = next(self._ids)
        os.rename(entry.path, self._path("done", id))
        reason = f"Message refused: {entry.name!r} is not the name of a message, or no plain file"
        self._keep(self._path("done", id), self._path("reply", id))
        self._write_reply(id, Reply((reason,), refused=True))

    def _write_reply(self, id: str, reply: Reply) -> None:
        write_file(vars(reply), self._path("tmp", id), self._path("reply", id))

    def _put_away(self, id: str) -> None:
        with suppress(FileNotFoundError):
            os.rename(self._path("new", id, ".taken"), self._path("done", id))
        self._keep(self._path("reply", id), self._path("done", id))

    def _path(self, folder: str, id: str, ending: str = ".json") -> Path:
        return self._folder / folder / (id + ending)

    def _make(self, folder: Path, mode: int) -> None:
        """A folder with this mode and, where groups count, the group of the run directory."""
        folder.mkdir(parents=True, exist_ok=True)
        status, group = os.stat(folder), os.stat(self._folder.parent).st_gid
        if self._steering == "group" and status.st_gid != group:
            os.chown(folder, -1, group)
            status = os.stat(folder)
        # A group that is inherited from above stays inherited: quotas may depend on it.
        mode |= status.st_mode & stat.S_ISGID
        if stat.S_IMODE(status.st_mode) != mode:
            os.chmod(folder, mode)

    def _keep(self, *paths: Path) -> None:
        """Keep files that are finished with, for a while."""
        now = self._clock()
        self._old.extend((now, path) for path in paths)

    def _remove_old(self, now: float) -> None:
        for _ in range(min(_REMOVED_AT_ONCE, len(self._old))):
            since, path = self._old[0]
            if now - since <= _KEPT_SECONDS and len(self._old) <= _KEPT_FILES:
                return
            self._old.popleft()
            with suppress(OSError):
                path.unlink()


class Client:
    """The end of somebody who steers; its messages arrive in the order of its calls.

    Parameters
    ----------
    folder
        The control folder in the run directory.
    sleep
        Waits for some seconds.
    clock
        Seconds that never go back.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._sleep, self._clock = folder, sleep, clock
        self._ids = fresh_ids(time.time_ns)

    def ask(self, verb: str, arguments: Mapping[str, Any], *, timeout: float = 60.0) -> Reply:
        """Leave a message and wait for the reply.

        Parameters
        ----------
        arguments
            Anything that JSON can say.
        timeout
            Seconds until the message is withdrawn; one that rank 0 has taken by then cannot be,
            and is given as long again.

        Raises
        ------
        NoAnswerError
            If no reply came in time.
        RunDirectoryError
            If no message can be left.
        """
        id = next(self._ids)
        self._leave(id, {"verb": verb, "arguments": dict(arguments)})
        try:
            reply = self._await(id, timeout)
        finally:  # also at Ctrl-C: nothing may be applied later, by surprise
            is_withdrawn = self._withdraw(id)
        if reply is None and not is_withdrawn:
            reply = self._await(id, timeout)
        if reply is None:
            fate = "was withdrawn" if is_withdrawn else "was taken and may still be applied"
            raise NoAnswerError(
                f"no answer from {self._folder.parent} within {timeout:g} s: is its hypervisor "
                f"running? The message {fate}"
            )
        return reply

    def _leave(self, id: str, content: dict[str, Any]) -> None:
        try:
            write_file(content, self._folder / "tmp" / f"{id}.json", self._new(id))
        except OSError as fault:
            raise RunDirectoryError(
                f"cannot leave a message in {self._folder}: {fault.strerror}; is it a run "
                "directory, may you steer it, and is there room on its disk?"
            ) from fault

    def _new(self, id: str) -> Path:
        return self._folder / "new" / f"{id}.json"

    def _await(self, id: str, timeout: float) -> Reply | None:
        end = self._clock() + timeout
        while (reply := read_reply(self._folder / "reply" / f"{id}.json")) is None:
            if self._clock() >= end:
                return None
            self._sleep(_LOOK_EVERY)
        return reply

    def _withdraw(self, id: str) -> bool:
        """Take a message back, unless rank 0 has it."""
        try:
            self._new(id).unlink()
        except OSError:
            return False
        return True


def _is_message(id: str, entry: os.DirEntry[str]) -> bool:
    ending = entry.name[len(id) :]
    return is_id(id) and ending in (".json", ".taken") and entry.is_file(follow_symlinks=False)
