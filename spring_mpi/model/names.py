"""Names of jobs: made of pid and tag, equal when their file names are."""

from __future__ import annotations

import re
from collections.abc import Iterable

FILE_CHARACTERS = "A-Za-z0-9._+=,@~-"
"""The characters of file names, as a regular expression has them in brackets."""
_FOREIGN = re.compile(f"[^{FILE_CHARACTERS}]")


def pid_text(pid: Iterable[int]) -> str:
    """The pid as people write it: ``(71, 1, 145)`` is ``71-1-145``."""
    return "-".join(str(number) for number in pid)


def parse_pid(text: str) -> tuple[int, ...]:
    """The inverse of `pid_text`.

    Raises
    ------
    ValueError
        If a part is not an integer.
    """
    return tuple(int(part) for part in text.strip().split("-"))


def job_name(pid: Iterable[int], tag: str = "") -> str:
    """``pid`` or ``pid-tag``: the name of a job, and but for odd characters of its files."""
    return f"{pid_text(pid)}-{tag}" if tag else pid_text(pid)


def file_name(name: str) -> str:
    """The name with every character that some file system refuses replaced by ``_``."""
    return _FOREIGN.sub("_", name)


FULL = "~full"
"""How the name of a full job ends, behind that of the quick job that it follows."""


def quick_name(name: str) -> str:
    """The name of the quick job that a full one follows; empty where the name is no full job's."""
    quick = name.removesuffix(FULL)
    return quick if quick != name else ""
