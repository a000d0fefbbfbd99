"""The index finds every event by its pid, and is the same file for the same data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import PatternError, SourceError, StaleIndexError, UnknownPidError
from spring_mpi.events import EventIndex, EventRef, Source, build_index, load_index
from spring_mpi.events.flags import DUPLICATE
from spring_mpi.events.index.columns import Frames
from spring_mpi.events.index.search import repeated, sorting
from spring_mpi.events.index.wanted import Wanted

Frames16 = NDArray[np.uint16]
Write = Callable[..., Path]

FEW = st.integers(-3, 3)
WIDE = st.integers(-(2**63), 2**63 - 1)
PIDS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.tuples(*[FEW | WIDE] * width), min_size=1, max_size=30, unique=True)
)


def index_of(pids: list[tuple[int, ...]]) -> EventIndex:
    """An index of events that are nowhere."""
    rows = np.array(pids, dtype=np.int64)
    rows = rows[sorting(rows)]
    count = len(rows)
    return EventIndex(
        part_pids=rows,
        source=np.zeros(count, np.uint32),
        row=np.arange(count, dtype=np.uint64),
        part_flags=np.zeros(count, np.uint32),
        pid_names=tuple("abc")[: rows.shape[1]],
        sources=(Source("nowhere", "npy"),),
        frames=(Frames("", (2, 2), "float32"),),
    )


@given(PIDS, st.randoms(use_true_random=False))
def test_find_many_is_the_inverse_of_indexing(pids: list[tuple[int, ...]], random: object) -> None:
    """The places of the pids at some places are those places."""
    index = index_of(pids)
    places = list(range(len(index)))
    random.shuffle(places)  # type: ignore[attr-defined]
    assert index.find_many(index.pids[places]).tolist() == places


@given(PIDS)
def test_find_agrees_with_find_many(pids: list[tuple[int, ...]]) -> None:
    """One pid is found where many are."""
    index = index_of(pids)
    assert [index.find(pid) for pid in pids] == index.find_many(pids).tolist()
    texts = ["-".join(map(str, pid)) for pid in pids]
    if min(map(min, pids), default=0) >= 0:
        assert index.find_many(texts).tolist() == index.find_many(pids).tolist()
        assert [index.find(text) for text in texts] == index.find_many(pids).tolist()


@given(PIDS)
def test_order_is_that_of_tuples(pids: list[tuple[int, ...]]) -> None:
    """Pids are in the order in which Python sorts tuples."""
    assert list(map(tuple, index_of(pids).pids.tolist())) == sorted(pids)


@given(st.lists(st.tuples(FEW, FEW), min_size=1))
def test_repeated_rows(pids: list[tuple[int, int]]) -> None:
    """A row is repeated if, and only if, there is an equal one."""
    rows = np.array(sorted(pids))
    assert repeated(rows).tolist() == [pids.count(tuple(row)) > 1 for row in rows.tolist()]


@given(PIDS, st.integers(0, 2**62))
def test_unknown_pids_are_refused(pids: list[tuple[int, ...]], number: int) -> None:
    """A pid that is not among them is never found, be it alone or with others."""
    width = len(pids[0])
    unknown = (number,) * width
    if unknown in pids:
        return
    index = index_of(pids)
    with pytest.raises(UnknownPidError, match="no event"):
        index.find(unknown)
    with pytest.raises(UnknownPidError, match="1 of 2 events are not in the index"):
        index.find_many([pids[0], unknown])


def test_unknown_pid_tells_what_there_is() -> None:
    """The error counts the events, gives their range and the nearest of them."""
    index = index_of([(71, 1), (71, 5), (72, 40)])
    with pytest.raises(UnknownPidError) as caught:
        index.find((71, 4))
    assert str(caught.value) == (
        "no event 71-4: the index holds 3 events, 71-1 to 72-40; the nearest is 71-5"
    )


def test_pids_of_another_length() -> None:
    """A pid with too many numbers is told how many there are, and which."""
    index = index_of([(71, 1)])
    for search in (lambda: index.find((1, 2, 3)), lambda: index.find_many([(1, 2, 3)])):
        with pytest.raises(UnknownPidError, match=r"1-2-3: .* 2 numbers \(a, b\), not 3"):
            search()


@pytest.mark.parametrize(
    "pids", [[(1, 2), (3,)], [(0.5, 1)], [("a", "b")], [(2**63, 1)], [(-1, 2**99)], [(-1, 2**63)]]
)
def test_pids_that_are_no_numbers(pids: list[tuple[object, ...]]) -> None:
    """Rows of other things, or beyond 64 bits, are refused as the user's fault."""
    with pytest.raises(UnknownPidError, match="pids are rows of 2 numbers"):
        index_of([(71, 1)]).find_many(pids)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**999])
def test_one_pid_beyond_64_bits(number: int) -> None:
    """A number that no pid can hold is as unknown as any other."""
    with pytest.raises(UnknownPidError, match=f"no event 71-{number}: .* nearest is 71-1"):
        index_of([(71, 1)]).find((71, number))


def test_no_pids_are_found_nowhere() -> None:
    """Nothing asked, nothing found, no error."""
    assert index_of([(71, 1)]).find_many([]).tolist() == []


def test_duplicates_are_flagged(frames: Frames16, write_hdf5: Write) -> None:
    """Events of equal pids are all kept and flagged; the first in the file is found."""
    shots = np.array([4, 2, 4, 3, 2, 1])
    path = write_hdf5("a.h5", {"data": frames, "shot": shots})
    index = build_index(path, dataset="data", pid="shot")
    flagged = index.pids[index.flags == DUPLICATE].ravel().tolist()
    assert (len(index), flagged) == (6, [2, 2, 4, 4])
    assert index.read(4).data.tolist() == frames[0].tolist()


def test_a_stack_is_read_as_the_file_has_it(frames: Frames16, write_hdf5: Write) -> None:
    """Without a geometry there is no image of several modules, but `raw` shows them."""
    stacks = np.stack([frames, frames + 1], axis=1)
    index = build_index(write_hdf5("a.h5", {"data": stacks}), dataset="data")
    with pytest.raises(PatternError):
        index.read(index.pid(2))
    assert index.raw(index.pid(2)).data.tolist() == stacks[2].tolist()


def test_rows_are_counted_through_all_sources(tmp_path: Path, frames: Frames16) -> None:
    """Without pids events are (run, row), the row counted through the files in sorted order."""
    np.save(tmp_path / "b-r0034.npy", frames[:2])
    np.save(tmp_path / "a-r0033.npy", frames[2:])
    index = build_index(["b*.npy", "a*.npy"], root=tmp_path)
    assert index.pid_names == ("run", "row")
    assert index.pids.tolist() == [[33, 0], [33, 1], [33, 2], [33, 3], [34, 4], [34, 5]]


@pytest.mark.parametrize(
    ("name", "run", "expected"),
    [("a-r0034-s00.npy", None, 34), ("a-r0034.npy", 5, 5), ("cr0034.npy", None, 0),
     ("a-r00345.npy", None, 0)],
)  # fmt: skip
def test_number_of_the_run(
    name: str, run: int | None, expected: int, tmp_path: Path, frames: Frames16
) -> None:
    """The run is the one given, else that in the file's name, else 0."""
    np.save(tmp_path / name, frames)
    assert build_index(tmp_path / name, run=run).pid(0) == (expected, 0)


@pytest.mark.parametrize("run", [-1, 2**63, 10**23])
def test_runs_out_of_range(run: int, tmp_path: Path, frames: Frames16) -> None:
    """A run is 0 to the largest 64-bit integer; all others are told."""
    np.save(tmp_path / "a.npy", frames)
    with pytest.raises(SourceError, match=rf"must be 0 to {2**63 - 1}, not {run}$"):
        build_index(tmp_path / "a.npy", run=run)
    assert build_index(tmp_path / "a.npy", run=2**63 - 1).pid(0) == (2**63 - 1, 0)


def test_every_file_is_taken_once(tmp_path: Path, frames: Frames16) -> None:
    """A file named twice, by patterns in any folder or by a link, gives its events once."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    np.save(tmp_path / "deep" / "er" / "a.npy", frames)
    (tmp_path / "link.npy").symlink_to(tmp_path / "deep" / "er" / "a.npy")
    index = build_index(["**/*.npy", "deep/er/a.npy", "link.npy"], root=tmp_path)
    assert len(index) == len(frames)


@pytest.mark.parametrize("pattern", ["none-*.h5", "none.h5"])
def test_no_match(pattern: str, tmp_path: Path) -> None:
    """A pattern or name without a file is an error that tells both it and the folder."""
    with pytest.raises(SourceError) as caught:
        build_index(pattern, root=tmp_path)
    assert str(caught.value) == f"no file matches {pattern!r} in {tmp_path}"


def test_folder_is_no_source(tmp_path: Path) -> None:
    """A folder is refused with the pattern that would name its files."""
    with pytest.raises(SourceError, match=r"is a folder; name its files, as in .*\*"):
        build_index(tmp_path)


def test_no_events(tmp_path: Path, frames: Frames16) -> None:
    """Files without any event are an error; one empty file among others is none."""
    np.save(tmp_path / "empty.npy", frames[:0])
    np.save(tmp_path / "full.npy", frames)
    with pytest.raises(SourceError, match=r"no events in .*empty\.npy"):
        build_index(tmp_path / "empty.npy")
    assert len(build_index("*.npy", root=tmp_path)) == 6


def test_pids_must_fit_together(tmp_path: Path, frames: Frames16) -> None:
    """Sources whose pids have other numbers are an error that names the groups and the way out."""
    for name, pid in {"A_1": (1, 2, 3), "A_2": (4, 5, 6), "B_1": (1, 2)}.items():
        np.savez(tmp_path / f"{name}.npz", pattern=frames[0], pid=np.array(pid))
    with pytest.raises(SourceError) as caught:
        build_index("*.npz", root=tmp_path)
    assert str(caught.value) == (
        f"pids do not fit together: {tmp_path}/A_1.npz and 1 more: 3 numbers "
        f"(pid_1, pid_2, pid_3); {tmp_path}/B_1.npz: 2 numbers (pid_1, pid_2). Give each group a "
        "config or index of its own, as with source A_*.npz and B_1.npz, or name a pid that all "
        "of them have (pid)"
    )


def test_patterns_are_told_where_they_part_the_groups(tmp_path: Path, frames: Frames16) -> None:
    """A pattern that would match files of both groups is no way out, and is not told."""
    for name, pid in {"1": (1, 2, 3), "2": (1, 2), "3": (4, 5, 6)}.items():
        np.savez(tmp_path / f"shot{name}.npz", pattern=frames[0], pid=np.array(pid))
    with pytest.raises(SourceError, match=r"of its own, as with source shot2\.npz, or"):
        build_index("*.npz", root=tmp_path)


def test_ref_holds_all_that_a_worker_needs(run: Path) -> None:
    """Pid, file as it was, dataset and row."""
    status = run.stat()
    index = build_index(run, dataset="data", pid=["train", "pulse"])
    source = Source(str(run), "hdf5", status.st_size, status.st_mtime_ns)
    assert index.ref(0) == EventRef((7, 0), source, "data", 4)


def test_columns_cannot_be_changed(run: Path, tmp_path: Path) -> None:
    """The pids of an index are frozen, be it built or loaded."""
    built = build_index(run, dataset="data")
    built.save(tmp_path / "index.h5")
    for index in (built, load_index(tmp_path / "index.h5")):
        with pytest.raises(ValueError, match="read-only"):
            index.pids[0, 0] = 3


def test_saved_index_is_the_same(run: Path, tmp_path: Path) -> None:
    """What is loaded is what was saved."""
    saved = build_index(run, dataset="data", pid=["train", "pulse"])
    saved.save(tmp_path / "index.h5")
    loaded = load_index(tmp_path / "index.h5")
    assert [loaded.ref(i) for i in range(6)] == [saved.ref(i) for i in range(6)]
    assert (loaded.pid_names, loaded.frames) == (saved.pid_names, saved.frames)
    assert loaded.read((8, 1)).data.tolist() == saved.read((8, 1)).data.tolist()


def test_same_data_same_bytes(run: Path, tmp_path: Path) -> None:
    """Two builds of the same files give the same file."""
    for name in ("one.h5", "two.h5"):
        build_index(run, dataset="data", pid=["train", "pulse"]).save(tmp_path / name)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_layout_of_the_file(run: Path, tmp_path: Path) -> None:
    """The columns are where the description of the format has them."""
    build_index(run, dataset="data", pid=["train", "pulse"]).save(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5") as file:
        assert (file.attrs["format_version"], file.attrs["tool"]) == (1, "spring-index")
        assert file["events/pid"].attrs["names"].tolist() == ["train", "pulse"]
        assert file["events/pid"][()].tolist() == [[7, 0], [7, 1], [8, 0], [8, 1], [9, 0], [9, 1]]
        assert file["events/part_ptr"][()].tolist() == [0, 1, 2, 3, 4, 5, 6]
        assert file["parts/row"][()].tolist() == [4, 5, 2, 3, 0, 1]
        assert file["parts/source"][()].tolist() == [0] * 6
        assert file["sources/path"].asstr()[()].tolist() == [str(run)]
        assert file["sources/mtime_ns"][()].tolist() == [run.stat().st_mtime_ns]
        assert file["datasets/name"].asstr()[()].tolist() == ["data"]
        assert file["datasets/shape"][()].tolist() == [[5, 7]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reader": "hdf5", "dataset": "data", "pid": ("train", "pulse"), "run": 34},
        {"reader": "/a b/my.py:load", "texts": ("it's.h5", "exp=x:run=1:dir=/a/q", "/z/*.h5")},
    ],
)
def test_what_it_was_built_of(options: dict[str, Any], run: Path, tmp_path: Path) -> None:
    """It is kept as values; indexes of earlier versions tell it by their command line."""
    wanted = replace(Wanted(("run.h5",), root="/a"), **options)
    path = tmp_path / "index.h5"
    replace(build_index(run, dataset="data"), wanted=wanted).save(path)
    assert load_index(path).wanted == wanted
    with h5py.File(path, "r+") as file:
        del file["wanted"]
    assert load_index(path).wanted == wanted


def test_failed_save_leaves_the_old_index(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that cannot be written does not harm the one that is there."""
    index = build_index(run, dataset="data")
    index.save(tmp_path / "index.h5")
    before = (tmp_path / "index.h5").read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(SourceError, match=r"cannot write the index .*disk full"):
        index.save(tmp_path / "index.h5")
    assert (tmp_path / "index.h5").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.h5", "run.h5"]


@pytest.mark.parametrize("name", ["run.h5", "link.h5", "other.h5", "notes.txt", "empty.h5", "."])
def test_other_data_is_not_overwritten(run: Path, tmp_path: Path, name: str) -> None:
    """An index replaces neither its own data, be it by a link, nor any file that is no index."""
    (tmp_path / "link.h5").symlink_to(run)
    (tmp_path / "other.h5").write_bytes(run.read_bytes())
    (tmp_path / "notes.txt").write_text("precious")
    (tmp_path / "empty.h5").touch()
    index = build_index(run, dataset="data")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SourceError, match=r"cannot write the index .*(choose another|name a file)"):
        index.save(tmp_path / name)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert (tmp_path / "link.h5").is_symlink()


def test_index_that_is_data_is_not_overwritten(run: Path, tmp_path: Path) -> None:
    """A file that is both an index and a source of the new one stays."""
    build_index(run, dataset="data").save(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5", "r+") as file:
        file["data"] = np.zeros((1, 2, 2))
    with pytest.raises(SourceError, match="it is one of the data files; choose another name"):
        build_index(tmp_path / "index.h5", dataset="data").save(tmp_path / "index.h5")


def test_index_of_another_version_is_replaced(run: Path, tmp_path: Path) -> None:
    """An index that can no longer be read is built anew in its place."""
    index = build_index(run, dataset="data")
    index.save(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5", "r+") as file:
        file.attrs["format_version"] = 99
    index.save(tmp_path / "index.h5")
    assert len(load_index(tmp_path / "index.h5")) == 6


def test_folder_that_is_a_file(run: Path) -> None:
    """A name below a file is an error that tells it."""
    with pytest.raises(SourceError, match=r"cannot write the index .*run\.h5/index\.h5"):
        build_index(run, dataset="data").save(run / "index.h5")


def test_moved_data(run: Path, tmp_path: Path) -> None:
    """With another root the sources are looked for below that."""
    build_index("run.h5", dataset="data", root=tmp_path).save(tmp_path / "index.h5")
    (tmp_path / "moved").mkdir()
    run.rename(tmp_path / "moved" / "run.h5")
    index = load_index(tmp_path / "index.h5", root=tmp_path / "moved")
    index.check()
    assert index.sources[0].path == str(tmp_path / "moved" / "run.h5")


def test_what_is_no_index(run: Path, tmp_path: Path) -> None:
    """A missing file, another file, or another version is an error with the command to build."""
    build_index(run, dataset="data").save(tmp_path / "old.h5")
    with h5py.File(tmp_path / "old.h5", "r+") as file:
        file.attrs["format_version"] = 99
    (tmp_path / "text.h5").write_text("no HDF5")
    for name in ("missing.h5", "old.h5", "text.h5", "run.h5"):
        with pytest.raises(SourceError, match=f"spring-index build SOURCE.* -o .*{name}"):
            load_index(tmp_path / name)


def test_index_changed_by_hand(run: Path, tmp_path: Path) -> None:
    """Columns that contradict each other are an error, not a wrong event."""
    build_index(run, dataset="data").save(tmp_path / "index.h5")
    with h5py.File(tmp_path / "index.h5", "r+") as file:
        file["parts/source"][3] = 7
    with pytest.raises(SourceError, match="events without a source"):
        load_index(tmp_path / "index.h5")


def test_unchanged_files_are_not_stale(run: Path) -> None:
    """A check right after the build passes."""
    build_index(run, dataset="data").check()


def test_stale_index_tells_how_to_rebuild(run: Path, tmp_path: Path) -> None:
    """A file that grew is named, with the whole command that builds the index again."""
    build_index(
        "run.h5", dataset="data", pid=["train", "pulse"], root=tmp_path
    ).save(tmp_path / "index.h5")  # fmt: skip
    with open(run, "ab") as file:
        file.write(b"more")
    with pytest.raises(StaleIndexError) as caught:
        load_index(tmp_path / "index.h5").check()
    assert str(caught.value) == (
        f"{run} has {run.stat().st_size} bytes, but had {run.stat().st_size - 4} when it was "
        f"indexed; rebuild the index: spring-index build run.h5 --dataset data --root {tmp_path} "
        f"--pid train --pid pulse -o {tmp_path / 'index.h5'}"
    )


@pytest.mark.parametrize("change", [lambda p: os.utime(p, ns=(1, 1)), lambda p: p.unlink()])
def test_touched_or_missing_files_are_stale(change: Callable[[Path], None], run: Path) -> None:
    """A file written to, or gone, makes the index stale."""
    index = build_index(run, dataset="data")
    change(run)
    with pytest.raises(StaleIndexError, match=r"run\.h5"):
        index.check()
