"""The files that a source string stands for: which of a folder's, and what is missing there."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...errors import SourceError
from ..formats.experiment import FIRST_IOC, Experiment, parse_experiment

DATA_ROOT = "SIT_PSDM_DATA"
"""The environment variable that names the folder of all instruments, before any other root."""

_MOST_LISTED = 5
_FILE = re.compile(
    r"(?P<prefix>\w+)-r(?P<run>\d{4,})-s(?P<stream>\d{2,3})-c(?P<chunk>\d{2,3})"
    r"\.(?P<format>xtc2?)(?P<progress>\.inprogress)?"
)


@dataclass(frozen=True, order=True)
class DataFile:
    """A data file, by its name: one chunk of one stream of one run."""

    run: int
    stream: int
    chunk: int
    prefix: str
    name: str


@dataclass(frozen=True)
class Found:
    """The files of a source string."""

    paths: tuple[str, ...]
    """Absolute, by run, stream and chunk."""
    remarks: tuple[str, ...]
    """What is missing, one line each."""


def experiment_files(text: str, root: str) -> Found:
    """The files that a source string stands for.

    Parameters
    ----------
    text
        The source string.
    root
        Folder that holds the instruments' folders, unless `DATA_ROOT` names one; ``dir=`` starts
        at it in any case.

    Raises
    ------
    SourceError
        As `parse_experiment`; if the folder cannot be listed, a run or a stream that is named has
        no file, a chunk is missing, or files of several experiments fit.
    """
    wanted = parse_experiment(text)
    data_root = root if wanted.folder else os.environ.get(DATA_ROOT, root)
    folder = wanted.folder_under(data_root)
    try:
        names = os.listdir(folder)
    except OSError as fault:
        raise SourceError(
            f"{text}: {folder} cannot be listed ({fault.strerror}); set {DATA_ROOT}, or the root, "
            "to the folder that holds the instruments' folders, or name the files' folder (dir=)"
        ) from fault
    index = os.path.join(folder, "index")
    beside = os.listdir(index) if os.path.isdir(index) else []
    chosen, remarks = choose_files(wanted, names, beside)
    return Found(
        tuple(os.path.join(folder, file.name) for file in chosen),
        tuple(f"{text}: {remark} ({folder})" for remark in remarks),
    )


def choose_files(
    wanted: Experiment, names: Collection[str], indexes: Collection[str]
) -> tuple[list[DataFile], list[str]]:
    """The files among those of a folder, and what is missing.

    Parameters
    ----------
    wanted
        What is asked for.
    names, indexes
        Names in the folder of the files, and in its folder ``index``.

    Raises
    ------
    SourceError
        As `experiment_files`.
    """
    chosen = sorted(
        file for file in _data_files(names) if wanted.takes(file.prefix, file.run, file.stream)
    )
    _check_prefixes(wanted, chosen)
    streams = _streams(chosen)
    _check_runs(wanted, streams)
    _check_streams(wanted, streams)
    _check_chunks(wanted, chosen)
    known = {*names, *indexes}
    remarks = [*_gaps(wanted, streams), *_without_index(chosen, known)]
    return chosen, remarks


def complete_files(text: str, root: str) -> list[str]:
    """As `experiment_files`, and `SourceError` while one of them is still being written."""
    paths = list(experiment_files(text, root).paths)
    for path in paths:
        if path.endswith(".inprogress"):
            raise SourceError(f"{text}: {path} is still being written")
    return paths


def _data_files(names: Collection[str]) -> Iterator[DataFile]:
    """Those names that are of data files; of a file that is there under both names, the final."""
    for name in names:
        found = _FILE.fullmatch(name)
        if found and not (found["progress"] and name.removesuffix(".inprogress") in names):
            run, stream, chunk = (int(found[key]) for key in ("run", "stream", "chunk"))
            yield DataFile(run, stream, chunk, found["prefix"], name)


def _streams(files: Sequence[DataFile]) -> dict[int, set[int]]:
    """The streams of each run."""
    streams: dict[int, set[int]] = {}
    for file in files:
        streams.setdefault(file.run, set()).add(file.stream)
    return streams


def _check_prefixes(wanted: Experiment, files: Sequence[DataFile]) -> None:
    prefixes = sorted({file.prefix for file in files})
    if len(prefixes) > 1:
        raise SourceError(
            f"{wanted.text}: the folder holds files of {' and '.join(prefixes)}; name one of them, "
            f"as in exp={prefixes[0]}, with dir="
        )


def _check_runs(wanted: Experiment, streams: Mapping[int, set[int]]) -> None:
    numbers = (run for runs in wanted.runs for run in runs if run not in streams)
    missing = list(itertools.islice(numbers, _MOST_LISTED))
    if missing:
        name = f"{wanted.name}-r{missing[0]:04}-s00-c00.xtc"
        raise SourceError(
            f"{wanted.text}: no file of run {_listed(missing)}, such as {name}; of the runs asked "
            f"for there are {_listed(sorted(streams)) or 'none'}"
        )


def _check_streams(wanted: Experiment, streams: Mapping[int, set[int]]) -> None:
    """A stream that is named alone must be there; a range takes what there is."""
    named = {numbers.start for numbers in wanted.streams if len(numbers) == 1}
    for run, present in streams.items():
        if missing := sorted(named - present):
            raise SourceError(
                f"{wanted.text}: run {run} has no stream {_listed(missing)}; of those asked for "
                f"it has {_listed(sorted(present))}"
            )


def _check_chunks(wanted: Experiment, files: Sequence[DataFile]) -> None:
    for (run, stream), group in itertools.groupby(files, lambda file: (file.run, file.stream)):
        present = [file.chunk for file in group]
        if missing := sorted(set(range(max(present))) - set(present)):
            raise SourceError(
                f"{wanted.text}: chunk {_listed(missing)} of stream {stream} of run {run} is "
                f"missing, but there are {_listed(present)}; fetch it, choose other streams "
                "(stream=), or name the files themselves"
            )


def _gaps(wanted: Experiment, streams: Mapping[int, set[int]]) -> Iterator[str]:
    """Streams that a run lacks, up to the highest of all runs."""
    regular = [stream for present in streams.values() for stream in present if stream < FIRST_IOC]
    for run, present in streams.items():
        expected = filter(wanted.takes_stream, range(max(regular, default=0) + 1))
        if missing := [stream for stream in expected if stream not in present]:
            yield f"run {run} has no stream {_listed(missing)}; its events are without it"


def _without_index(files: Sequence[DataFile], known: Collection[str]) -> Iterator[str]:
    """A file of LCLS-I without the facility's index is walked, which takes longer."""
    complete = [file.name for file in files if file.name.endswith(".xtc")]
    missing = [name for name in complete if f"{name}.idx" not in known]
    if missing:
        yield (
            f"no .xtc.idx for {len(missing)} of {len(complete)} files, such as {missing[0]}; "
            "they are gone through from event to event, which takes longer"
        )


def _listed(numbers: Sequence[int]) -> str:
    more = ", ..." if len(numbers) > _MOST_LISTED else ""
    return ", ".join(map(str, numbers[:_MOST_LISTED])) + more
