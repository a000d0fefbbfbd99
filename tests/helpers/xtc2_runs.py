"""Recorded xtc2 files under the names that they had in their run folders."""

from __future__ import annotations

import shutil
from pathlib import Path

FOLDER = "lcls2_xtc2"
CHUNK = "chunking/data-r0001-s000-c001.xtc2"


def recorded_runs(recorded: Path, folder: Path) -> Path:
    """A folder with links to the recorded files, one folder per run as small data need it.

    Recorded names have ``__`` for ``/``. The second chunk gets the name of its stream.
    """
    for file in sorted((recorded / FOLDER).glob("test_*.xtc2")):
        path = folder / file.name.removeprefix("test_data__").replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(file)
    (folder / CHUNK).rename(folder / "chunking/xpptut15-r0014-s000-c001.xtc2")
    return folder


def without_small_data(runs: Path, folder: Path) -> Path:
    """The same links, but for the small data."""
    ignored = shutil.ignore_patterns("smalldata")
    return Path(shutil.copytree(runs, folder, symlinks=True, ignore=ignored))
