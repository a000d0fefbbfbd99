"""The command that builds an index again, where its files and the index itself are by now."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .formats.experiment import names_experiment, with_folder
from .index import EventIndex

_UNKNOWN = "NEW_FOLDER"
_FOLDERS_TRIED = 4
_NO_PATHS = ("--dataset", "--pid", "--run")


def rebuild_text(index: EventIndex) -> str:
    """The command, with what there is to know of it."""
    root = _root_now(index)
    command = moved(index.command, index.root, _UNKNOWN if root is None else root)
    text = f"{command} -o {shlex.quote(index.file)}"
    return text if root is not None else f"{text} ({_UNKNOWN}: where the files are now)"


def moved(command: str, before: str, root: str) -> str:
    """A command line with another root: the paths in it that start at the former one move along."""
    words = shlex.split(command)
    pairs = zip(["", *words], words, strict=False)
    return shlex.join(
        word if option in _NO_PATHS else _moved(word, before, root) for option, word in pairs
    )


def _moved(word: str, before: str, root: str) -> str:
    def absolute(path: str) -> str:
        if not os.path.isabs(path) or root == before:
            return path
        return os.path.normpath(os.path.join(root, os.path.relpath(path, before)))

    return with_folder(word, absolute) if names_experiment(word) else absolute(word)


def _root_now(index: EventIndex) -> str | None:
    """The root below which the files are found; None where they are nowhere that we know of."""
    files = [one.path for one in index.sources if one.is_file]
    if not files or any(map(os.path.exists, files)):
        return index.root
    for root in _beside(index):
        if os.path.exists(os.path.join(root, os.path.relpath(files[0], index.root))):
            return root
    return None


def _beside(index: EventIndex) -> Iterator[str]:
    """The folder of the index, the folders that it lies in, and the current one."""
    yield from map(str, islice(Path(index.file).absolute().parents, _FOLDERS_TRIED))
    yield os.getcwd()
