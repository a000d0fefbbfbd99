"""What lies in the control mailbox: messages, replies, and who may send a message."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import NoAnswerError
from ..model.names import file_name
from .mailbox_files import read_file

Senders = Literal["owner", "group"]
"""Who may steer: the owner of the run directory, or everybody in its group."""

_ID = re.compile(r"[0-9]{20}-([A-Za-z0-9._+=,@~-]+)-[0-9]+-[0-9a-f]{8}")
_LONGEST_HOST = 64
_LARGEST_MESSAGE = 1 << 20
_LARGEST_REPLY = 1 << 28
"""Bytes: the names of some million waiting jobs."""


@dataclass(frozen=True)
class Message:
    """What somebody asks of rank 0."""

    id: str
    verb: str
    arguments: Mapping[str, Any]
    sender: str
    """``user@host``: the owner of the file, and the host that its id names."""


@dataclass(frozen=True)
class Reply:
    """What rank 0 says to a message."""

    lines: tuple[str, ...]
    """For people."""
    refused: bool = False
    data: Any = None
    """For programs: anything that JSON can say."""


def fresh_ids(time_ns: Callable[[], int]) -> Iterator[str]:
    """Ids for one sender, ``<time in ns>-<host>-<pid>-<random>``.

    They increase strictly, even where the clock stands still or goes back.
    """
    host = file_name(platform.node())[:_LONGEST_HOST] or "localhost"
    latest = 0
    while True:
        latest = max(time_ns(), latest + 1)
        yield f"{latest:020d}-{host}-{os.getpid()}-{os.urandom(4).hex()}"


def is_id(text: str) -> bool:
    """Whether this is an id as `fresh_ids` makes them."""
    return _ID.fullmatch(text) is not None


def read_message(id: str, path: Path, steering: Senders, run: Path) -> Message:
    """The message in a file.

    Raises
    ------
    ValueError
        If it cannot be read, or its owner may not steer the campaign in the run directory.
    OSError
        If it is not there any more.
    """
    content, status = read_file(path, _LARGEST_MESSAGE)
    check_rights(status, os.stat(run), steering)
    match content:
        case {"verb": str(verb), "arguments": dict(arguments)}:
            return Message(id, verb, arguments, f"{_user(status.st_uid)}@{_host(id)}")
    raise ValueError("it has no verb with arguments")


def read_reply(path: Path) -> Reply | None:
    """The reply in a file; None as long as there is none.

    Raises
    ------
    NoAnswerError
        If it cannot be read.
    """
    try:
        match read_file(path, _LARGEST_REPLY)[0]:
            case {"lines": list(lines), "refused": bool(refused), "data": data}:
                return Reply(tuple(map(str, lines)), refused, data)
        raise ValueError("it is no reply")
    except OSError:
        return None
    except ValueError as reason:
        raise NoAnswerError(f"the answer in {path} cannot be used: {reason}") from reason


def check_rights(message: os.stat_result, run: os.stat_result, steering: Senders) -> None:
    """Refuse, with a ValueError, a message whose owner may not steer."""
    if steering == "owner" and message.st_uid != run.st_uid:
        sender, owner = _user(message.st_uid), _user(run.st_uid)
        raise ValueError(f"{sender} may not steer, only {owner} (steering: owner)")
    if steering == "group" and message.st_gid != run.st_gid:
        theirs, ours = _group(message.st_gid), _group(run.st_gid)
        raise ValueError(f"group {theirs} may not steer, only group {ours} (steering: group)")


def _host(id: str) -> str:
    found = _ID.fullmatch(id)
    return found[1] if found else ""


def _user(uid: int) -> str:
    """The name of a user, or the number where the name is not known on this node."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
