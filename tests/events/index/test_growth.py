"""A grown index is the one that is built of everything at once; what is known stays as it is."""

from __future__ import annotations

import itertools
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spring_mpi.errors import SourceError
from spring_mpi.events import EventIndex, Source
from spring_mpi.events.formats.reader import Scan
from spring_mpi.events.index.assembly import assemble, no_events
from spring_mpi.events.index.growth import grow
from spring_mpi.events.index.scans import Scanned, joined, scans_of
from spring_mpi.events.index.wanted import Wanted

NOTHING = no_events(Wanted(root="/"))
PIDS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(-9, 9)] * width), max_size=24, unique=True)
)


def scanned(name: str, pids: list[tuple[int, ...]], names: str = "abc") -> Scanned:
    """A file with events of these pids, in this order."""
    width = len(pids[0]) if pids else 1
    scan = Scan(
        dataset="data",
        pids=np.array(pids, np.int64).reshape(-1, width),
        pid_names=tuple(names[:width]),
        shape=(len(pids), 4, 4),
        dtype="uint16",
    )
    return Scanned(Source(f"/{name}", "hdf5", grows=True), scan)


def plain(name: str, count: int) -> Scanned:
    """A file with events that bring no pid."""
    scan = Scan("data", None, (), (count, 4, 4), "uint16")
    return Scanned(Source(f"/{name}", "hdf5", grows=True), scan)


def built(*files: Scanned) -> EventIndex:
    """The index of all these files at once."""
    present = sorted((file for file in files if file.count), key=lambda file: file.source.path)
    return assemble(present, NOTHING.wanted) if present else NOTHING


def merged(*indexes: EventIndex) -> EventIndex:
    """The events of several indexes in one."""
    scans = joined(itertools.chain.from_iterable(map(scans_of, indexes)))
    return assemble(scans, NOTHING.wanted) if scans else NOTHING


def assert_same(one: EventIndex, other: EventIndex) -> None:
    """Two indexes are equal, column for column."""
    assert len(one) == len(other)
    if len(one):
        assert (one.pids.tolist(), one.pid_names) == (other.pids.tolist(), other.pid_names)
    for name in ("source", "row", "flags"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name
    assert (one.sources, one.frames) == (other.sources, other.frames)


def split(pids: list[tuple[int, ...]], cuts: list[int]) -> list[list[tuple[int, ...]]]:
    """The pids in pieces, one after the other."""
    edges = [0, *sorted(min(cut, len(pids)) for cut in cuts), len(pids)]
    return [pids[low:high] for low, high in pairwise(edges)]


@given(PIDS, st.lists(st.integers(0, 24), max_size=4), st.permutations("pqrst"))
def test_new_files(pids: list[tuple[int, ...]], cuts: list[int], names: list[str]) -> None:
    """Files that arrive one by one, in whatever order, give the index of all of them."""
    files = [scanned(name, part) for name, part in zip(names, split(pids, cuts), strict=False)]
    index = NOTHING
    for file in files:
        index = grow(index, [file]).index
    assert_same(index, built(*files))


@given(PIDS, st.lists(st.integers(0, 24), max_size=6), st.integers(0, 24))
def test_longer_files(pids: list[tuple[int, ...]], lengths: list[int], cut: int) -> None:
    """Two files that become longer from look to look give the index of their last lengths."""
    one, other = pids[:cut], pids[cut:]
    index = NOTHING
    for length in [*sorted(lengths), 24]:
        files = [scanned("p", one[:length]), scanned("q", other[:length])]
        growth = grow(index, files)
        index = growth.index
        assert growth.refused == ()
        assert_same(index, built(*files))


@given(PIDS, st.lists(st.sampled_from("pq"), max_size=24))
def test_merging_is_building(pids: list[tuple[int, ...]], owners: list[str]) -> None:
    """Two indexes into one are the index of both, duplicates included, in either order."""
    doubled = pids + pids[::2]
    one = built(scanned("p", [pid for pid, name in zip(doubled, owners, strict=False)
                              if name == "p"]))  # fmt: skip
    other = built(scanned("q", doubled))
    files = [scanned("q", doubled)]
    if len(one):
        files.append(scanned("p", one.pids[np.argsort(one.row)].tolist()))
    assert_same(merged(one, other), built(*files))
    assert_same(merged(other, one), built(*files))


@given(PIDS, st.lists(st.integers(0, 24), max_size=4))
def test_an_index_gives_back_its_scans(pids: list[tuple[int, ...]], cuts: list[int]) -> None:
    """Assembled again they are the same index."""
    named = zip("pqrst", split(pids, cuts), strict=False)
    index = built(*[scanned(name, part) for name, part in named])
    assert_same(merged(index), index)


@given(PIDS, PIDS)
def test_known_events_stay(first: list[tuple[int, ...]], second: list[tuple[int, ...]]) -> None:
    """Whatever comes, every known event is found where it was."""
    before = grow(NOTHING, [scanned("p", first)]).index
    after = grow(before, [scanned("a", second), scanned("p", second)]).index
    for position in range(len(before)):
        assert after.ref(after.find(before.pid(position))) == before.ref(position)


def test_nothing_new_is_the_same_index() -> None:
    """A look without news gives back the index itself."""
    index = grow(NOTHING, [scanned("p", [(1,), (2,)])]).index
    assert grow(index, [scanned("p", [(1,), (2,)])]).index is index
    assert grow(index, []).index is index


def test_duplicates_are_left_out_and_told() -> None:
    """Of two events with one pid the known one stays, and among new ones the first."""
    index = grow(NOTHING, [scanned("p", [(1,), (2,)])]).index
    growth = grow(index, [scanned("a", [(2,), (3,), (3,)])])
    assert growth.index.pids.tolist() == [[1], [2], [3]]
    assert [growth.index.ref(n).source.path for n in range(3)] == ["/p", "/p", "/a"]
    assert growth.refused == (("/a", "2 events have pids that others have; they are left out"),)
    assert not growth.index.flags.any()


def test_a_file_that_is_written_anew_is_told() -> None:
    """Where known events no longer lie where they were, nothing of the file is taken."""
    index = grow(NOTHING, [scanned("p", [(1,), (2,)])]).index
    others: list[list[tuple[int, ...]]] = [[(2,), (1,), (3,)], [(1,)]]
    for pids in others:
        growth = grow(index, [scanned("p", pids)])
        assert growth.index is index
        assert growth.refused == (("/p", "was written anew; what is new in it is left out"),)


def test_pids_that_do_not_fit_are_told() -> None:
    """A file with other pids than those of the first is left out."""
    growth = grow(NOTHING, [scanned("p", [(1,)]), scanned("q", [(1, 2)])])
    assert growth.index.pids.tolist() == [[1]]
    reason = "its pids are 2 numbers (a, b), those of others 1 numbers (a)"
    assert growth.refused == (("/q", reason),)
    with pytest.raises(SourceError, match="pids do not fit together"):
        merged(built(scanned("p", [(1,)])), built(scanned("q", [(1, 2)])))


def test_events_without_pid_are_numbered_as_they_come() -> None:
    """A new file, and more of a known one, go on counting; nothing is named anew."""
    index = grow(NOTHING, [plain("p-r0007", 2)]).index
    index = grow(index, [plain("a-r0009", 1)]).index
    index = grow(index, [plain("a-r0009", 1), plain("p-r0007", 3)]).index
    assert index.pids.tolist() == [[7, 0], [7, 1], [7, 3], [9, 2]]
    assert [index.ref(n).row for n in range(4)] == [0, 1, 2, 0]


def test_the_run_that_is_given_counts() -> None:
    """With a given run known events are known again."""
    files = [scanned("p", [(5, 1), (6, 2)], names=("run", "shot"))]  # type: ignore[arg-type]
    index = grow(no_events(Wanted(run=34)), files).index
    assert index.pids.tolist() == [[34, 1], [34, 2]]
    assert grow(index, files).index is index


def test_a_file_indexed_as_complete_may_grow() -> None:
    """Events known by the file's size then keep it; new ones are known by its name alone."""
    complete = replace(scanned("p", [(1,), (2,)]), source=Source("/p", "hdf5", 99, 5))
    index = built(complete)
    index = replace(index, sources=tuple(replace(one, grows=True) for one in index.sources))
    index = grow(index, [scanned("p", [(1,), (2,), (3,)])]).index
    assert [index.ref(n).source.size for n in range(3)] == [99, 99, 0]
    assert [index.ref(n).row for n in range(3)] == [0, 1, 2]
