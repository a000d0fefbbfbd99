"""What an index keeps of an xtc2 file: its events, their runs, and what is wrong with them."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Set
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ....errors import SourceError
from ...left_out import LeftOut
from ..reader import DAMAGED, INCOMPLETE, SLOW, STEP, TRANSITION, Scan
from .chain import Chain, overlapped, read_chain
from .datasets import Dataset, datasets_of, matching, told
from .file import File
from .heads import opening_run, other_heads, read_run
from .layout import (
    BEGIN_RUN,
    BEGIN_STEP,
    CONFIGURE,
    L1_ACCEPT,
    SHAPES_DATA,
    SLOW_UPDATE,
    Node,
    Take,
    content,
    find_value,
    parse_header,
)

_PID_NAMES = ("run", "timestamp")
_LOOKED_AT = 1000
_ABSENT = -1


def scan_file(file: File, text: str | None) -> Scan:
    """The events that hold a dataset; `text` and errors as in `Xtc2Reader.scan`."""
    chain = read_chain(file)
    dataset = _resolve(chain, text)
    flags = _survey(chain, dataset)
    kept = flags != _ABSENT
    events, others = chain.only(L1_ACCEPT)[kept], chain.only(L1_ACCEPT)[~kept]
    flags = flags[kept].astype(np.uint32)
    return Scan(
        dataset.name if dataset else text or "",
        _pids(chain, events),
        _PID_NAMES,
        (len(events), *_frame_shape(chain, dataset, events, flags)),
        str(dataset.dtype) if dataset else "uint8",
        rows=chain.rows(events),
        flags=flags,
        transitions=_transitions(chain),
        is_part=True,
        left_out=tuple(_left_out(chain, others)),
    )


def values_in(take: Take, offset: int) -> Iterator[Node]:
    """The nodes with values of the datagram at the offset; errors as of `nodes`."""
    parts = content(take, offset, parse_header(take, offset))
    return (part for part in parts if part.kind == SHAPES_DATA)


def _resolve(chain: Chain, text: str | None) -> Dataset | None:
    """The frames that are meant; None if another stream of the run has them."""
    epochs = [datasets_of(names) for names in chain.names]
    declared = [
        [dataset for dataset in matching(known, text) if dataset.is_frames] for known in epochs
    ]
    for number, candidates in enumerate(declared):
        if text is not None and len(candidates) == 1:
            return candidates[0]
        sources = _first_sources(chain, number) if candidates else set()
        for dataset in candidates:
            if sources & dataset.blocks.keys():
                return dataset
    if text is not None and any(declared):
        return next(itertools.chain(*declared))
    known = {name: dataset for epoch in epochs for name, dataset in epoch.items()}
    if text is None:
        raise SourceError(
            f"{chain.file.path}: no event holds frames; leave the file out, or name the dataset "
            f"that another one holds (dataset); {told(known.values())}"
        )
    _check_elsewhere(chain, text, known)
    return None


def _check_elsewhere(chain: Chain, text: str, known: dict[str, Dataset]) -> None:
    """Raise `SourceError` unless another stream of the run declares such frames."""
    for dataset in matching(known, text):
        raise SourceError(
            f"{chain.file.path}: {dataset.name} has {dataset.field.rank} axes; frames are numbers "
            "with the axes (rows, columns) or (modules, rows, columns)"
        )
    for head in other_heads(chain.file.path):
        if any(dataset.is_frames for dataset in matching(datasets_of(head.names or {}), text)):
            return
    raise SourceError(f"{chain.file.path}: no dataset {text!r}; {told(known.values(), text)}")


def _first_sources(chain: Chain, epoch: int) -> set[int]:
    """What the first events of an epoch hold."""
    events = chain.only(L1_ACCEPT)
    return _sources(chain, events[chain.epoch(events) == epoch])


def _sources(chain: Chain, events: NDArray[np.void]) -> set[int]:
    """What the first of some events hold."""
    take = chain.file.bytes().take
    found: set[int] = set()
    for offset in events["offset"][:_LOOKED_AT].tolist():
        with contextlib.suppress(ValueError):
            found.update(part.source for part in values_in(take, offset))
    return found


def _survey(chain: Chain, dataset: Dataset | None) -> NDArray[np.int64]:
    """The flags of all events, `_ABSENT` for those that are whole without the dataset."""
    events = chain.only(L1_ACCEPT)
    epochs = chain.epoch(events)
    flags = np.full(len(events), _ABSENT)
    for number, names in enumerate(chain.names):
        if dataset is not None and (declared := datasets_of(names).get(dataset.name)):
            work = partial(_all_flags, chain.file, declared.blocks.keys())
            flags[epochs == number] = overlapped(work, events[epochs == number])
    return flags


def _left_out(chain: Chain, events: NDArray[np.void]) -> Iterator[LeftOut]:
    """Events that hold no frame of the dataset, by epoch, with what the first of them hold."""
    epochs = chain.epoch(events)
    for number in range(len(chain.names)):
        own = events[epochs == number]
        if len(own):
            yield LeftOut(len(own), _held(chain, number, own), _pids(chain, own))


def _held(chain: Chain, epoch: int, events: NDArray[np.void]) -> tuple[str, ...]:
    """Frames in the first of some events by their full names, and detectors without any."""
    sources, names = _sources(chain, events), chain.names[epoch]
    frames = [
        dataset for dataset in datasets_of(names).values()
        if dataset.is_frames and sources & dataset.blocks.keys()
    ]  # fmt: skip
    told = {source for dataset in frames for source in dataset.blocks}
    others = {names[source].detector for source in sources & names.keys() - told}
    return tuple(sorted(others | {dataset.name for dataset in frames}))


def _all_flags(file: File, sources: Set[int], events: NDArray[np.void]) -> NDArray[np.int64]:
    take = file.bytes().take
    pairs = zip(events["offset"].tolist(), events["damage"].tolist(), strict=True)
    flags = (_flags(take, offset, damage, sources) for offset, damage in pairs)
    return np.fromiter(flags, np.int64, count=len(events))


def _flags(take: Take, offset: int, damage: int, sources: Set[int]) -> int:
    """The flags of one event, or `_ABSENT` if it is whole without any of the sources."""
    found: set[int] = set()
    try:
        for part in values_in(take, offset):
            if part.source in sources:
                found.add(part.source)
                damage |= part.damage
    except ValueError:
        damage = 1
    if not found and not damage:
        return _ABSENT
    return (DAMAGED if damage else 0) | (INCOMPLETE if found < sources else 0)


def _pids(chain: Chain, events: NDArray[np.void]) -> NDArray[np.int64]:
    """(events, 2): the run of the last BeginRun before each event, and its time."""
    take, begins = chain.file.bytes().take, chain.only(BEGIN_RUN)
    places = zip(begins["offset"].tolist(), chain.epoch(begins).tolist(), strict=True)
    runs = [None, *(read_run(take, offset, chain.names[epoch]) for offset, epoch in places)]
    last = np.searchsorted(begins["offset"], events["offset"], "right")
    if any(runs[number] is None for number in set(last.tolist())):
        other = opening_run(chain.file.path)
        runs = [other if run is None else run for run in runs]
    numbers = np.array([run or 0 for run in runs], np.int64)
    return np.stack([numbers[last], events["time"].astype(np.int64)], axis=1)


def _transitions(chain: Chain) -> NDArray[np.void]:
    records = chain.only(BEGIN_STEP, SLOW_UPDATE, CONFIGURE)
    found = np.empty(len(records), TRANSITION)
    found["time"], found["row"] = records["time"], chain.rows(records)
    found["kind"] = np.where(records["service"] == BEGIN_STEP, STEP, SLOW)
    return found


def _frame_shape(
    chain: Chain, dataset: Dataset | None, events: NDArray[np.void], flags: NDArray[np.uint32]
) -> tuple[int, ...]:
    """Shape of the first frame, of one without flags if there is any; zeros without a frame."""
    take, epochs = chain.file.bytes().take, chain.epoch(events)
    for number in np.argsort(flags, kind="stable")[:_LOOKED_AT].tolist():
        known = datasets_of(chain.names[epochs[number]])
        with contextlib.suppress(ValueError):
            if dataset and (shape := _shape(take, events[number], known[dataset.name])):
                return shape
    return (0, 0)


def _shape(take: Take, event: np.void, dataset: Dataset) -> tuple[int, ...] | None:
    for part in values_in(take, int(event["offset"])):
        if block := dataset.blocks.get(part.source):
            _, shape, _ = find_value(take, part, block, dataset.field.name)
            return stacked_shape(dataset, shape)
    return None


def stacked_shape(dataset: Dataset, segment: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a frame whose segments have this shape: one camera, or a stack of modules."""
    if len(segment) == 2 and len(dataset.blocks) == 1:
        return segment
    modules = len(dataset.blocks) * math.prod(segment[:-2])
    return (modules, *segment[-2:])
