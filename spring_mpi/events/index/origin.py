"""Whether an index is of the sources that are wanted, and was built as they are to be read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator

from ..formats.wording import listed
from .event_index import EventIndex
from .finding import source_paths
from .wanted import Wanted

_MOST_NAMED = 3


def differences(wanted: Wanted, index: EventIndex) -> Iterator[str]:
    """What an index is or was not as wanted, one text each, to follow the index's name.

    What is not wanted in particular (no dataset, no pid, no run, reader ``auto``) may be anything.

    Raises
    ------
    SourceError
        If a wanted source is not found.
    """
    yield from _other_sources(wanted, index)
    readers = {source.reader for source in index.sources}
    if wanted.reader != "auto" and readers != {wanted.reader}:
        yield f"was built with {_names('reader', readers)}, not {wanted.reader}"
    built, datasets = index.wanted, {frames.dataset for frames in index.frames}
    if wanted.dataset and _bare([wanted.dataset]) not in (
        _bare(datasets), _bare([built.dataset or ""])
    ):  # fmt: skip
        yield f"is of {_names('dataset', datasets)}, not {wanted.dataset}"
    if wanted.pid and _bare(wanted.pid) != _bare(built.pid):
        before = " ".join(_bare(built.pid)) or "none"
        yield f"was built with the pid {before}, not {' '.join(wanted.pid)}"
    if wanted.run is not None and wanted.run != built.run:
        before = "none" if built.run is None else str(built.run)
        yield f"was built with the run {before}, not {wanted.run}"


def _other_sources(wanted: Wanted, index: EventIndex) -> Iterator[str]:
    named = set(map(_identity, source_paths(wanted)))
    held = {_identity(source.path) for source in index.sources}
    if more := held - named:
        yield f"is of {_names('source', more)}, which data.source does not name"
    if less := named - held:
        yield f"lacks {_names('source', less)}, which data.source names; build it again"


def _identity(source: str) -> str:
    return os.path.realpath(source) if os.path.isabs(source) else source


def _bare(names: Iterable[str]) -> list[str]:
    """Names of datasets, which may begin with a slash or not."""
    return [name.strip("/") for name in names]


def _names(what: str, names: Collection[str]) -> str:
    return f"the {what}{'s' if len(names) > 1 else ''} {listed(sorted(names), _MOST_NAMED)}"
