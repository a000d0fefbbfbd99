"""Patterns on their way from Python to rank 0, in the run directory's spool folder."""

from __future__ import annotations

import io
import math
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from ..errors import RunDirectoryError
from ..system.files import replace_file

if TYPE_CHECKING:
    from ..model.pattern import Pattern
    from ..model.settings import Settings


@runtime_checkable
class Submission(Protocol):
    """What can be submitted: a `spring_mpi.MPR`."""

    pattern: Pattern
    settings: Settings
    tag: str
    seed: int


def spool(pattern: Pattern, folder: Path) -> Path:
    """Write the raw frame and what prepares it into a new npz file, completely or not at all.

    Keys: pattern (row, column), mask (uint8, 1 = excluded), center (row, column) where it was
    given or found, pid, background and gain (one number, or one for each pixel).

    Raises
    ------
    RunDirectoryError
        If the folder cannot be written.
    """
    path = folder / f"{uuid.uuid4().hex}.npz"
    content = io.BytesIO()
    np.savez(content, **_arrays(pattern))
    try:
        folder.mkdir(exist_ok=True)
        replace_file(path, content.getbuffer(), mode=0o640)  # as messages: whose group may steer
    except OSError as fault:
        raise RunDirectoryError(
            f"cannot write the pattern into {folder}: {fault.strerror}; free the disk, or mend "
            "the folder's permissions"
        ) from fault
    return path


def request(mpr: Submission, file: Path) -> dict[str, Any]:
    """The arguments of append and prepend for a pattern in the spool folder."""
    values = mpr.settings.to_dict()
    given: dict[str, dict[str, Any]] = {}
    for section, key in sorted(mpr.settings.given):
        given.setdefault(section, {})[key] = values[section][key]
    satvalue = mpr.pattern.satvalue
    if satvalue is not None:
        # Infinity, which JSON cannot say, is no limit.
        satvalue = float(satvalue) if math.isfinite(satvalue) else None
    return {
        "spool": f"{file.parent.name}/{file.name}",
        "tag": str(mpr.tag),
        "settings": given,
        "cropsize": mpr.pattern.cropsize,
        "size": mpr.pattern.size,
        "satvalue": satvalue,
        "seed": int(mpr.seed),
    }


def _arrays(pattern: Pattern) -> dict[str, Any]:
    # Readers take frames of numbers only; all other types stay as they are.
    raw = pattern.raw.astype(np.uint8) if pattern.raw.dtype == bool else pattern.raw
    center = {"center": np.array(pattern.center, np.float64)} if pattern.has_center else {}
    return center | {
        "pattern": raw,
        "mask": pattern.excluded.astype(np.uint8),
        "pid": np.array(pattern.pid, np.int64),
        "background": np.asarray(pattern.background, np.float64),
        "gain": np.asarray(pattern.gain, np.float64),
    }
