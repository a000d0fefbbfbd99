"""JSON files between people and rank 0: written aside, read with suspicion."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..system.files import replace_file

_FORMAT = 1


def write_file(content: Mapping[str, Any], aside: Path, path: Path) -> None:
    """Write JSON aside, then rename it into place; where that fails, nothing is left behind."""
    text = json.dumps({"format": _FORMAT, **content}, allow_nan=False)
    # The folders say who else may come near.
    replace_file(path, text.encode(), aside, mode=0o640)


def read_file(path: Path, largest: int) -> tuple[dict[str, Any], os.stat_result]:
    """The mapping in a plain file, and what is known of the file.

    Raises
    ------
    ValueError
        If it is a link or no plain file, closed to us, larger than ``largest`` bytes, no mapping
        in strict JSON, or of an unknown format.
    OSError
        If it is not there (any more).
    """
    content, status = _plain_content(path, largest)
    try:
        value = json.loads(content)
        # What cannot be written again (infinity, half a surrogate pair) would stop the log later.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as fault:
        raise ValueError(f"it is not strict JSON: {fault}") from fault
    if not isinstance(value, dict):
        raise ValueError("it is not a mapping")
    if value.get("format") != _FORMAT:
        raise ValueError(f"its format is not {_FORMAT}: use one version of spring-mpi throughout")
    return value, status


def _open_plain(path: str, flags: int) -> int:
    """Follow no link, and do not wait for the other end of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _plain_content(path: Path, largest: int) -> tuple[bytes, os.stat_result]:
    try:
        with open(path, "rb", opener=_open_plain) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is no plain file")
            content = file.read(min(largest, status.st_size) + 1)
    except OSError as fault:
        if fault.errno in (errno.ENOENT, errno.ESTALE):
            raise
        raise ValueError(f"it cannot be read: {fault.strerror}") from fault
    if len(content) > largest:
        raise ValueError(f"it is larger than {largest} bytes")
    return content, status
