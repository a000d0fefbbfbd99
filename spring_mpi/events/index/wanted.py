"""Of which sources an index is, and how these are read: as values, and as a command line."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path

from ...errors import SourceError
from ..event import Source
from ..formats.experiment import located
from ..formats.reader import PidDatasets
from ..formats.user_file import names_user_file

AnyPath = str | os.PathLike[str]
_LARGEST_RUN = 2**63 - 1  # as every number of a pid
_UNKNOWN_FOLDER = "NEW_FOLDER"
_FOLDERS_TRIED = 4


@dataclass(frozen=True)
class Wanted:
    """Which sources an index is of, and how they are read; see `build_index`."""

    texts: tuple[str, ...] = ()
    reader: str = "auto"
    dataset: str | None = None
    pid: tuple[str, ...] = ()
    run: int | None = None
    root: str = ""
    """Absolute."""

    @property
    def command(self) -> str:
        """The command line that builds the index, but for its ``-o FILE``."""
        options = {
            "reader": self.reader if self.reader != "auto" else None,
            "dataset": self.dataset, "run": self.run, "root": self.root,
        }  # fmt: skip
        named = [(f"--{key}", str(value)) for key, value in options.items() if value is not None]
        pids = [("--pid", name) for name in self.pid]
        words = [word for pair in (*named, *pids) for word in pair]
        return shlex.join(["spring-index", "build", *self.texts, *words])

    @property
    def pid_datasets(self) -> PidDatasets:
        """As readers take them; one dataset by its name alone."""
        return self.pid[0] if len(self.pid) == 1 else self.pid or None

    def has_options_of(self, other: Wanted) -> bool:
        """Whether the options are the same, of these sources or others."""
        return replace(self, texts=()) == replace(other, texts=())

    def moved(self, root: str) -> Wanted:
        """The same below another root: the paths that start at the former one move along."""
        return replace(
            self,
            texts=tuple(self._moved(text, root) for text in self.texts),
            reader=self._moved(self.reader, root),
            root=root,
        )

    def _moved(self, text: str, root: str) -> str:
        def absolute(path: str) -> str:
            if not os.path.isabs(path) or root == self.root:
                return path
            return os.path.normpath(os.path.join(root, os.path.relpath(path, self.root)))

        return located(text, absolute)


def wanted_sources(
    paths: AnyPath | Sequence[AnyPath],
    *,
    reader: str = "auto",
    dataset: str | None = None,
    pid: PidDatasets = None,
    run: int | None = None,
    root: AnyPath = ".",
) -> Wanted:
    """What `build_index` is asked for; `SourceError` if the run is out of range."""
    if run is not None and not 0 <= run <= _LARGEST_RUN:
        raise SourceError(f"the number of the run (run) must be 0 to {_LARGEST_RUN}, not {run}")
    root = os.path.abspath(root)
    texts = [paths] if isinstance(paths, str | os.PathLike) else paths
    if names_user_file(reader):
        reader = os.path.join(root, reader)
    pids = (pid,) if isinstance(pid, str) else tuple(pid or ())
    return Wanted(tuple(os.fspath(text) for text in texts), reader, dataset, pids, run, root)


def parse_command(command: str, root: str) -> Wanted:
    """What a `Wanted.command` says: all that indexes of earlier versions know of it.

    Raises
    ------
    ValueError
        If it is none.
    """
    words = shlex.split(command)[2:]
    texts = tuple(takewhile(lambda word: not word.startswith("--"), words))
    rest = words[len(texts) :]
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    options = dict(pairs)
    run = options.get("--run")
    return Wanted(
        texts=texts,
        reader=options.get("--reader", "auto"),
        dataset=options.get("--dataset"),
        pid=tuple(value for option, value in pairs if option == "--pid"),
        run=None if run is None else int(run),
        root=root,
    )


def rebuild_text(wanted: Wanted, sources: Sequence[Source], file: str) -> str:
    """The command that builds an index again, where its sources and its file are by now."""
    root = _root_now(wanted.root, sources, file)
    command = wanted.moved(_UNKNOWN_FOLDER if root is None else root).command
    text = f"{command} -o {shlex.quote(file)}"
    return text if root is not None else f"{text} ({_UNKNOWN_FOLDER}: where the files are now)"


def _root_now(root: str, sources: Sequence[Source], file: str) -> str | None:
    """The root below which the sources are found; None where they are nowhere that we know of."""
    files = [source.path for source in sources if source.is_file]
    if not files or any(map(os.path.exists, files)):
        return root
    for folder in _folders_tried(file):
        if os.path.exists(os.path.join(folder, os.path.relpath(files[0], root))):
            return folder
    return None


def _folders_tried(file: str) -> Iterator[str]:
    """The folder of the index, the folders that it lies in, and the current one."""
    yield from map(str, islice(Path(file).absolute().parents, _FOLDERS_TRIED))
    yield os.getcwd()
