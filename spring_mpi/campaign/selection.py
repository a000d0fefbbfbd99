"""Which events a campaign takes: positions in the index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..config.event_choice import EventSelection, parse_slice
from ..errors import ConfigError, SourceError
from ..events.index.condition import parse_condition
from ..events.index.event_index import EventIndex
from ..events.index.search import first_not_below
from ..model.names import parse_pid, pid_text
from ..system.files import read_text

SLICE_OF_GROWING = (
    "events.slice: positions change while the data grow (data.follow); "
    "choose all, or by pids or a list"
)
WHERE_OF_GROWING = (
    "events.where: growing data (data.follow) have no statistics; choose all, or by pids or a list"
)


def select(events: EventSelection, index: EventIndex) -> NDArray[np.int64]:
    """Positions in the index of the selected events, in the order they are asked for.

    Raises
    ------
    ConfigError
        If the list file is missing, a line is no pid, or the index has no statistics for a
        condition.
    UnknownPidError
        If the index does not hold a pid.
    """
    if events.pids is not None:
        return _positions(list(events.pids), index)
    if events.list is not None:
        return _positions(list(_listed(Path(events.list))), index)
    if events.where is not None:
        return _fulfilling(events.where, index)
    chosen = parse_slice(events.slice) if events.slice is not None else slice(None)
    return np.arange(len(index))[chosen]


def select_present(events: EventSelection, index: EventIndex) -> NDArray[np.int64]:
    """As `select`, of a growing index: pids that it does not hold yet are left out.

    Raises
    ------
    ConfigError
        As in `select`, and for a slice: positions change while an index grows; and for a
        condition: events that are to come were not measured.
    """
    if events.slice is not None:
        raise ConfigError([SLICE_OF_GROWING])
    if events.where is not None:
        raise ConfigError([WHERE_OF_GROWING])
    if events.pids is None and events.list is None:
        return np.arange(len(index))
    listed = events.pids if events.pids is not None else _listed(Path(events.list or ""))
    if not len(index):
        return np.empty(0, np.int64)
    wanted = _rows(list(dict.fromkeys(listed)), index)
    places = np.minimum(first_not_below(index.pids, wanted), len(index) - 1)
    is_there: NDArray[np.bool_] = (index.pids[places] == wanted).all(axis=1)
    return np.asarray(places[is_there])


def grown(
    events: EventSelection, before: EventIndex, chosen: NDArray[np.int64], index: EventIndex
) -> NDArray[np.int64]:
    """Positions in a grown index: of the events chosen so far, in their order, then of new ones.

    Parameters
    ----------
    before, chosen
        The index as it was, and the positions in it.

    Raises
    ------
    ConfigError
        As in `select_present`.
    """
    known = index.find_many(before.pids[chosen]) if len(chosen) else chosen
    is_known = np.zeros(len(index), np.bool_)
    is_known[known] = True
    selected = select_present(events, index)
    return np.concatenate([known, selected[~is_known[selected]]])


def _fulfilling(condition: str, index: EventIndex) -> NDArray[np.int64]:
    try:
        return np.flatnonzero(parse_condition(condition).select(index))
    except SourceError as fault:
        raise ConfigError([f"events.where: {fault}"]) from None


def _listed(path: Path) -> Iterator[tuple[int, ...]]:
    """The pids of a list file; empty lines and what follows ``#`` are left out."""
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError([f"events.list: cannot read {path}: {fault}"]) from None
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        try:
            if text:
                yield _parse_line(text)
        except ValueError:
            raise ConfigError(
                [f"{path}:{number}: {text!r} is no pid; write it as 71-1-145"]
            ) from None


def _parse_line(text: str) -> tuple[int, ...]:
    """``71-1-145``, ``[71, 1, 145]`` or one integer; ValueError for anything else."""
    if text.startswith("[") and text.endswith("]"):
        return tuple(int(number) for number in text[1:-1].split(","))
    return parse_pid(text)


def _positions(pids: list[tuple[int, ...]], index: EventIndex) -> NDArray[np.int64]:
    return index.find_many(_rows(pids, index))


def _rows(pids: list[tuple[int, ...]], index: EventIndex) -> NDArray[np.int64]:
    """Pids (m, numbers) that fit the index."""
    width = index.pids.shape[1]
    wrong = [pid for pid in pids if len(pid) != width]
    if any(abs(number) >= 2**63 for pid in pids for number in pid):
        raise ConfigError(["events: a pid has a number beyond 64 bits"])
    if wrong:
        raise ConfigError(
            [f"events: {pid_text(wrong[0])} has {len(wrong[0])} numbers, the pids of the index "
             f"have {width} ({', '.join(index.pid_names)})"]
        )  # fmt: skip
    return np.array(pids, np.int64).reshape(-1, width)
