"""Finding sources: the files and texts that names, patterns and source strings stand for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

from ...errors import SourceError
from ..formats.experiment import located, names_experiment
from ..formats.reader import Reader
from ..formats.registry import find_reader, guess_file_reader, guess_text_reader, takes_texts
from .experiment_files import complete_files, experiment_files
from .patterns import matching
from .wanted import Wanted

_log = logging.getLogger(__name__)


def find_sources(wanted: Wanted, guess: Callable[[str], str] = guess_file_reader) -> dict[str, str]:
    """The name of the reader for each source; a file that several texts name occurs once.

    ``guess`` names that of a file where none is given.

    Raises
    ------
    SourceError
        If there is no source, or none that can be read.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for text in wanted.texts:
        for source, name in _expanded(text, wanted).items():
            identity = os.path.realpath(source)
            if identity not in seen:
                seen.add(identity)
                found[source] = name or guess(source)
    return found


def source_paths(wanted: Wanted) -> set[str]:
    """The wanted sources, none of them opened; `SourceError` where there is none."""
    return set(find_sources(wanted, lambda path: ""))


def _expanded(text: str, wanted: Wanted) -> dict[str, str]:
    found = expand(text, wanted, _matches)
    if not found:
        raise SourceError(f"no file matches {text!r} in {wanted.root}")
    return found


def expand(
    text: str,
    wanted: Wanted,
    matches: Callable[[str, str], Sequence[str]],
    find: Callable[[str], Reader] = find_reader,
) -> dict[str, str]:
    """The sources that a text stands for, and the reader of each; empty: the file has to tell.

    Parameters
    ----------
    matches
        ``matches(text, root)``: the paths of files, where the text is not that of another source.
    find
        The reader of a name.
    """
    name = "" if wanted.reader == "auto" else wanted.reader
    if name and not find(name).needs_file:
        return {_at_root(text, name, wanted.root): name}
    paths = matches(text, wanted.root)
    if not paths and not name and (reader := guess_text_reader(text)):
        return {_at_root(text, reader, wanted.root): reader}
    return dict.fromkeys(paths, name)


def _matches(text: str, root: str) -> list[str]:
    """Absolute paths of the files that a name, pattern or source string stands for."""
    if _is_source_string(text, root):
        found = experiment_files(text, root)
        for remark in found.remarks:
            _log.warning(remark)
        return list(found.paths)
    return [path for path in named_paths(text, root) if os.path.isfile(path)]


def _at_root(text: str, reader: str, root: str) -> str:
    """The source of a reader that needs no file; its path, if it has one, starts at ``root``.

    What a plug-in's text means only the plug-in knows.
    """
    if not takes_texts(reader):
        return text
    return located(text, lambda path: os.path.abspath(os.path.join(root, path)))


def named_paths(text: str, root: str) -> list[str]:
    """Absolute paths that a name or pattern stands for, folders and others among them.

    Of a source string the files, once none of them is written any more.

    Raises
    ------
    SourceError
        If the text is the name of a folder, or a source string whose files are not complete.
    """
    if _is_source_string(text, root):
        return complete_files(text, root)
    path = os.path.abspath(os.path.join(root, text))
    if os.path.isdir(path):
        raise SourceError(f"{path} is a folder; name its files, as in {os.path.join(text, '*')}")
    return list(matching(text, root))


def _is_source_string(text: str, root: str) -> bool:
    """Whether a text names an experiment; a file of that very name is a file."""
    return names_experiment(text) and not os.path.isfile(os.path.join(root, text))
