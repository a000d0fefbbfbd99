"""What ``spring-index`` shows of an index: the whole, a list of its events, one event."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from shlex import quote

import numpy as np

from ..errors import UnknownPidError
from ..events.flags import DUPLICATE, FLAGS
from ..events.formats.reader import STEP
from ..events.index.event_index import EventIndex
from ..events.index.loading import load_index
from ..events.index.remarks import remarks
from ..events.reading.loader import Loader
from ..model.names import parse_pid, pid_text

_MOST_LISTED = 5


def describe(arguments: argparse.Namespace) -> int:
    """``info``: print what is in the index; 0."""
    _print(_description(load_index(arguments.index)))
    return 0


def list_events(arguments: argparse.Namespace) -> int:
    """``ls``: print pid, flags, step and source of the first events, a line each; 0."""
    index = load_index(arguments.index)
    shown = range(min(len(index), arguments.limit))
    names = [pid_text(index.pid(place)) for place in shown]
    width = max(map(len, names), default=0)
    for place, name in zip(shown, names, strict=True):
        sources = " ".join(part.source.path for part in index.ref(place).parts)
        print(f"{name:<{width}}  {_flags(index, place):<10}  {_step(index, place):>4}  {sources}")
    if len(index) > len(shown):
        print(f"... and {len(index) - len(shown)} more")
    return 0


def show_event(arguments: argparse.Namespace) -> int:
    """``show``: read one event, and print where it is and what its frame holds; 0."""
    index = load_index(arguments.index)
    try:
        pid = parse_pid(arguments.event)
    except ValueError:
        raise UnknownPidError(f"{arguments.event!r} is no pid; write it as 71-1-145") from None
    _print(_event(index, index.find(pid)))
    return 0


def duplicates(index: EventIndex) -> int:
    """Events that share their pid with others."""
    return int(((index.flags & DUPLICATE) != 0).sum())


def _description(index: EventIndex) -> Iterator[tuple[str, str]]:
    yield "index", f"{index.file}, {_size_text(os.path.getsize(index.file))}"
    yield "events", str(len(index))
    yield "sources", f"{len(index.sources)}, {_size_text(sum(s.size for s in index.sources))}"
    yield "pid", ", ".join(index.pid_names)
    if len(index):
        yield "range", f"{pid_text(index.pid(0))} to {pid_text(index.pid(len(index) - 1))}"
    for kind in dict.fromkeys(index.frames):
        rows, columns = kind.shape
        yield "frames", f"{rows} x {columns} {kind.dtype} {kind.dataset}".rstrip()
    yield "parts", str(len(index.row))
    begun = index.transitions[index.transitions["kind"] == STEP]["time"]
    yield "steps", str(len(np.unique(begun)))
    for name, flag in FLAGS.items():
        label = "duplicates" if flag == DUPLICATE else name
        yield label, str(int(((index.flags & flag) != 0).sum()))
    yield from _left_out(index)
    yield "statistics", _statistics_text(index)
    stale = list(index.stale())
    yield "stale", str(len(stale))
    yield from (("", f"  {change}") for change in stale[:_MOST_LISTED])
    if stale:
        yield "rebuild", index.rebuilding()


def _left_out(index: EventIndex) -> Iterator[tuple[str, str]]:
    if index.left_out is None:
        yield "left out", f"not known to this older index; {index.rebuilding()}"
        return
    yield "left out", str(sum(group.events for group in index.left_out))
    yield from (("", f"  {sentence}") for sentence in remarks(index))


def _statistics_text(index: EventIndex) -> str:
    if (found := index.statistics) is None:
        return f"none; spring-index stats {quote(index.file)}"
    return f"sum, lit (raw value {found.threshold:g} and above)"


def _event(index: EventIndex, place: int) -> Iterator[tuple[str, str]]:
    ref = index.ref(place)
    yield "event", pid_text(ref.pid)
    yield "flags", _flags(index, place)
    yield "step", _step(index, place)
    for part in ref.parts:
        yield "part", f"row {part.row} of {part.source.path} {part.dataset}".rstrip()
    with Loader() as loader:
        frame = loader.raw(ref)
    yield "frame", f"{' x '.join(map(str, frame.data.shape))} {frame.data.dtype}"
    if frame.raw and frame.raw.note:
        yield "raw words", frame.raw.note
    counted = np.isfinite(frame.data)
    if not counted.all():
        yield "not finite", f"{int((~counted).sum())} pixels"
    if frame.mask is not None:
        yield "excluded", f"{int((frame.mask != 0).sum())} pixels"
        counted &= ~np.asarray(frame.mask, np.bool_)
    values = frame.data[counted]
    if values.size:
        yield "min", f"{values.min():.9g}"
        yield "max", f"{values.max():.9g}"
    yield "sum", f"{values.sum(dtype=np.float64):.15g}"


def _flags(index: EventIndex, place: int) -> str:
    own = int(index.flags[place])
    return ",".join(name for name, flag in FLAGS.items() if own & flag) or "-"


def _step(index: EventIndex, place: int) -> str:
    step = int(index.steps[place])
    return "-" if step < 0 else str(step)


def _print(lines: Iterator[tuple[str, str]]) -> None:
    for name, text in lines:
        print(f"{name + ':' if name else '':<12}{text}")


def _size_text(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
