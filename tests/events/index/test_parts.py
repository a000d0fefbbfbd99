"""Events whose parts lie in several sources: joined by their pids, in the index and when read."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import PatternError
from spring_mpi.events.event import Exclusion, Source
from spring_mpi.events.flags import DUPLICATE
from spring_mpi.events.formats.parts import joined
from spring_mpi.events.formats.reader import (
    DAMAGED,
    INCOMPLETE,
    SLOW,
    STEP,
    TRANSITION,
    Frame,
    Scan,
)
from spring_mpi.events.index.assembly import assemble
from spring_mpi.events.index.event_index import EventIndex
from spring_mpi.events.index.loading import load_index
from spring_mpi.events.index.scans import Scanned, scans_of
from spring_mpi.events.index.scans import joined as joined_scans
from spring_mpi.events.index.wanted import Wanted

STREAM = st.lists(st.integers(0, 12), max_size=8, unique=True).map(sorted)


def stream(name: str, times: list[int], *, is_part: bool = True, **more: Any) -> Scanned:
    """A source with those events, found by 100 times their time."""
    scan = Scan(
        "det", np.array([(5, time) for time in times], np.int64).reshape(-1, 2), ("run", "time"),
        (len(times), 2, 2), "uint16", rows=np.array([100 * time for time in times], np.uint64),
        is_part=is_part,
    )  # fmt: skip
    return Scanned(Source(name, "xtc", 1, 1), replace(scan, **more))


def index_of(*streams: Scanned) -> EventIndex:
    return assemble(streams, Wanted(root="/"))


@given(streams=st.lists(STREAM, min_size=1, max_size=4))
@settings(max_examples=100)
def test_parts_of_equal_pids_are_one_event(streams: list[list[int]]) -> None:
    """One event for each time, with one part of each stream that has it, in their order."""
    index = index_of(*[stream(f"/{one}", times) for one, times in enumerate(streams)])
    times = sorted({time for one in streams for time in one})
    assert index.pids.tolist() == [[5, time] for time in times]
    for position, time in enumerate(times):
        parts = index.ref(position).parts
        having = [f"/{one}" for one, own in enumerate(streams) if time in own]
        assert [part.source.path for part in parts] == having
        assert {part.row for part in parts} == {100 * time}
    most = max((len(index.ref(one).parts) for one in range(len(index))), default=0)
    fewer = [len(index.ref(one).parts) < most for one in range(len(index))]
    assert ((index.flags & INCOMPLETE) != 0).tolist() == fewer
    assert not (index.flags & DUPLICATE).any()


@given(streams=st.lists(STREAM, min_size=2, max_size=4), cut=st.integers(1, 3))
@settings(max_examples=50)
def test_merged_indexes_are_the_index_of_all(streams: list[list[int]], cut: int) -> None:
    scanned = [stream(f"/{one}", times) for one, times in enumerate(streams) if times]
    if len(scanned) <= cut:
        return
    whole = index_of(*scanned)
    halves = (index_of(*scanned[:cut]), index_of(*scanned[cut:]))
    both = index_of(*joined_scans(chain.from_iterable(map(scans_of, halves))))
    assert both.sources == whole.sources
    for name in ("part_pids", "source", "row", "part_flags", "starts", "pids", "flags"):
        assert np.array_equal(getattr(both, name), getattr(whole, name))


def test_sources_without_parts_stay_apart() -> None:
    """Equal pids of other formats are duplicates, and so are those within one stream."""
    index = index_of(stream("/a", [1, 2], is_part=False), stream("/b", [2], is_part=False))
    assert len(index) == 3
    assert index.flags.tolist() == [0, DUPLICATE, DUPLICATE]
    again = index_of(stream("/a", [1, 1]), stream("/b", [2]))
    assert again.flags.tolist() == [DUPLICATE, DUPLICATE, 0]


def test_a_damaged_part_damages_its_event() -> None:
    damaged = np.array([0, DAMAGED], np.uint32)
    index = index_of(stream("/a", [1, 2], flags=damaged), stream("/b", [1, 2]))
    assert index.flags.tolist() == [0, DAMAGED]


def test_steps_are_those_before_an_event(tmp_path: Path) -> None:
    """Each event knows its step, whatever the order; and so does the stored index."""
    transitions = np.array([(2, 7, STEP), (3, 8, SLOW), (6, 9, STEP)], TRANSITION)
    index = index_of(
        stream("/a", [1, 2, 5, 7], transitions=transitions),
        stream("/b", [1, 6], transitions=transitions[[0, 2]]),
    )
    assert index.steps.tolist() == [-1, 0, 0, 1, 1]
    index.save(tmp_path / "index.h5")
    loaded = load_index(tmp_path / "index.h5")
    assert loaded.steps.tolist() == index.steps.tolist()
    assert np.array_equal(loaded.transitions, index.transitions)
    assert np.array_equal(loaded.starts, index.starts)
    assert [loaded.ref(one) for one in range(5)] == [index.ref(one) for one in range(5)]


def test_modules_of_parts_are_stacked_in_their_order() -> None:
    planes = np.arange(12).reshape(3, 2, 2)
    masks = planes % 2 == 1
    parts = [
        Frame(planes[[2]], masks[[2]], None, {"modules": (2,), "gain": 1}),
        Frame(planes[:2], masks[:2], None, {"modules": (0, 1)}),
    ]
    frame = joined(parts)
    assert np.array_equal(frame.data, planes)
    assert frame.mask is not None
    assert np.array_equal(frame.mask, masks)
    assert frame.info == {"modules": (0, 1, 2), "gain": 1}


def test_masks_of_some_parts_count() -> None:
    """A part without a mask takes nothing from those of the others, nor do remarks get lost."""
    remark = Exclusion("a limit", 0, "it is not used")
    parts = [
        Frame(np.zeros((2, 2)), None, None, {"modules": (0,)}, (remark,)),
        Frame(np.zeros((2, 2)), np.eye(2, dtype=bool), None, {"modules": (3,)}, (remark,)),
    ]
    frame = joined(parts)
    assert frame.mask is not None
    assert frame.mask.tolist() == [[[False, False], [False, False]], np.eye(2, dtype=bool).tolist()]
    assert frame.exclusions == (remark,)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (
            Frame(np.zeros((1, 2, 2)), info={"modules": (0,)}),
            "two parts of the event hold module 0",
        ),
        (Frame(np.zeros((1, 3, 2)), info={"modules": (1,)}), "different shapes"),
        (Frame(np.zeros((1, 2, 2))), "2 parts, of which 1 do not say which module"),
        (
            Frame(np.zeros((1, 2, 2)), info={"modules": (1,), "first_module": 1}),
            "count their modules from 0 and 1",
        ),
    ],
)
def test_parts_that_do_not_fit(other: Frame, text: str) -> None:
    with pytest.raises(PatternError, match=text):
        joined([Frame(np.zeros((1, 2, 2)), info={"modules": (0,)}), other])
