"""Patterns of file names in which what is there under the very name wins."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

_ANY_FOLDERS = "**"


def matching(pattern: str, root: str) -> Iterator[str]:
    """Absolute paths of all that a pattern as of a shell stands for; ``**`` for any folders.

    A folder or file that has a part of the pattern as its name, brackets and all, is that part:
    ``run[1]/*.h5`` is of the folder ``run[1]`` where there is one, else of ``run1``.

    Parameters
    ----------
    root
        Folder at which a relative pattern starts.
    """
    path = os.path.abspath(os.path.join(root, pattern))
    return _below(os.sep, [part for part in path.split(os.sep) if part])


def _below(folder: str, parts: Sequence[str]) -> Iterator[str]:
    for place, part in enumerate(parts):
        path = os.path.join(folder, part)
        if glob.has_magic(part) and not os.path.lexists(path):
            yield from _spread(folder, part, parts[place + 1 :])
            return
        folder = path
    if os.path.lexists(folder):
        yield folder


def _spread(folder: str, part: str, rest: Sequence[str]) -> Iterator[str]:
    if part == _ANY_FOLDERS and rest:
        yield from _below(folder, rest)
    for name in glob.iglob(part, root_dir=folder, recursive=True):
        path = os.path.join(folder, name)
        if not rest:
            yield path
        elif os.path.isdir(path):
            yield from _below(path, rest)
