"""``status.json``, for programs and for what reads a campaign; replaced about once a second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError
from ..model.outcome import Outcome, State
from ..model.verdict import Verdict, counts_from_keys
from ..system.files import replace_file
from .paths import RunDirectory


@dataclass(frozen=True)
class Status:
    """What ``status.json`` tells of a campaign; what it does not tell is not known."""

    state: str = ""
    """``running``, ``done``, ``failed``, ``interrupted``, ``refused``; empty where not known."""
    code: int | None = None
    """Exit code of its last run; None before the end."""
    reason: str = ""
    """Why it could not start."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """State -> jobs."""
    verdicts: Mapping[Verdict | None, int] = field(default_factory=dict)
    """Verdict -> results; None counts those that nobody judged."""
    jobs: int = 0
    """All that are planned; 0 where that is not known."""
    failed: tuple[Outcome, ...] = ()
    """The first thousand."""


def read_status(rundir: Path) -> Status:
    """The campaign's status; what is absent or has another form is not known.

    Raises
    ------
    RunDirectoryError
        If the file is there and cannot be read.
    """
    path = RunDirectory(rundir).status
    try:
        status = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return Status()
    except OSError as fault:
        raise RunDirectoryError(f"cannot read {path}: {fault.strerror}") from fault
    given = status if isinstance(status, dict) else {}
    failed = given.get("failed")
    return Status(
        state=str(given.get("state", "")),
        code=_whole(given.get("exit"), None),
        reason=str(given.get("reason", "")),
        counts=_counts(_mapping(given, "counts")),
        verdicts=counts_from_keys(_mapping(given, "verdicts")),
        jobs=_whole(given.get("jobs"), 0) or 0,
        failed=tuple(filter(None, map(_failure, failed if isinstance(failed, list) else ()))),
    )


def write_status(path: Path, status: dict[str, Any]) -> None:
    """Replace ``status.json``: readers see the old one or the new one, complete."""
    replace_file(path, json.dumps(status, indent=1).encode())


def _mapping(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    return value if isinstance(value, dict) else {}


def _counts(given: Mapping[str, Any]) -> dict[str, int]:
    """Of the states that there are; empty where none is told."""
    return {state.value: _whole(given[state], 0) or 0 for state in State if state in given}


def _whole(value: Any, absent: int | None) -> int | None:
    return value if type(value) is int else absent


def _failure(entry: Any) -> Outcome | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return None
    reason = str(entry.get("reason", "unknown"))
    return Outcome(entry["name"], state=State.FAILED, reason=reason)
