"""The loader reads single events, keeps few files open, and tells which event failed."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.errors import PatternError, SourceError, StaleIndexError
from spring_mpi.events import EventRef, Loader, Source, build_index

Frames = NDArray[np.uint16]


def test_events_survive_a_journey(run: Path, frames: Frames) -> None:
    """A pickled reference reads the same event in another loader."""
    ref = build_index(run, dataset="data", pid=["train", "pulse"]).ref(2)
    with Loader() as loader:
        event = loader.read(pickle.loads(pickle.dumps(ref)))
    assert (event.pid, event.source, event.data.tolist()) == ((8, 0), str(run), frames[2].tolist())


def test_few_files_stay_open(tmp_path: Path, frames: Frames) -> None:
    """More files than may be open at once are read in turn, whatever the order."""
    for number, frame in enumerate(frames):
        np.savez(tmp_path / f"{number}.npz", pattern=frame)
    index = build_index("*.npz", root=tmp_path)
    rows = [0, 1, 2, 0, 5, 4, 0, 3]
    before = len(os.listdir("/proc/self/fd"))
    with Loader(max_open=2) as loader:
        read = [loader.read(index.ref(row)).data.tolist() for row in rows]
        opened = len(os.listdir("/proc/self/fd")) - before
    assert (read, opened) == (frames[rows].tolist(), 2)


def test_closed_loader_reads_again(run: Path, frames: Frames) -> None:
    """Closing releases the files; the next read opens them anew."""
    ref = build_index(run, dataset="data").ref(1)
    loader = Loader()
    loader.read(ref)
    loader.close()
    assert loader.read(ref).data.tolist() == frames[1].tolist()


@pytest.mark.parametrize(
    ("dataset", "row", "expected"),
    [("mask", 3, np.eye(5, 7)), ("centers", 3, [6.0, 7.0]), ("masks", 3, None)],
)
def test_fields(
    dataset: str, row: int, expected: NDArray[np.float64] | None, run: Path, frames: Frames
) -> None:
    """A field is the event's row of what has rows, and all of what has none."""
    ref = build_index(run, dataset="data").ref(row)
    wanted = frames[row] % 4 if expected is None else np.asarray(expected)
    assert Loader().field(ref, dataset).tolist() == wanted.tolist()


def test_missing_field(run: Path) -> None:
    """A field that does not exist is an error with the event and the nearest name."""
    with pytest.raises(SourceError, match=r"event 0-1 .*no dataset 'msk'; did you mean /mask\?"):
        Loader().field(build_index(run, dataset="data").ref(1), "msk")


def test_changed_file_is_not_read(run: Path) -> None:
    """A file that changed since it was indexed is refused when it is opened."""
    ref = build_index(run, dataset="data").ref(0)
    os.utime(run, ns=(1, 1))
    with pytest.raises(StaleIndexError, match=r"run\.h5 was written to"):
        Loader().read(ref)


def test_damaged_data_name_their_event(frames: Frames, write_hdf5: Callable[..., Path]) -> None:
    """Bytes that cannot be decompressed are an error with pid, row and file; others are read."""
    path = write_hdf5("a.h5", {"data": frames}, chunks=(1, 5, 7), compression="gzip")
    index = build_index(path, dataset="data")
    damage(path, 3)
    index = replace(index, sources=(Source(str(path), "hdf5"),))
    with Loader() as loader:
        assert loader.read(index.ref(2)).data.tolist() == frames[2].tolist()
        with pytest.raises(SourceError, match=r"event 0-3 \(row 3 of .*a\.h5\) cannot be read"):
            loader.read(index.ref(3))


def damage(path: Path, row: int) -> None:
    """Overwrite the compressed bytes of one frame."""
    with h5py.File(path) as file:
        chunk = file["data"].id.get_chunk_info(row)
    with open(path, "rb+") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)


def test_truncated_npy_names_its_event(tmp_path: Path, frames: Frames) -> None:
    """A file that lost its end after it was indexed is an error with pid, row and file."""
    np.save(tmp_path / "a.npy", frames)
    ref = build_index(tmp_path / "a.npy").ref(4)
    os.truncate(tmp_path / "a.npy", 200)
    ref = replace(ref, source=Source(ref.source.path, "npy"))
    with pytest.raises(SourceError, match=r"event 0-4 \(row 4 of .*a\.npy\).*truncated"):
        Loader().read(ref)


def test_row_that_does_not_exist(run: Path) -> None:
    """A row past the end is an error that names it."""
    ref = replace(build_index(run, dataset="data").ref(0), row=77)
    with pytest.raises(SourceError, match="row 77"):
        Loader().read(ref)


@pytest.mark.parametrize(
    ("array", "told"),
    [(np.zeros((2, 3, 3)), r"\(2, 3, 3\)"), (np.zeros((3, 3), complex), "complex128")],
)
def test_what_is_no_frame(array: NDArray[np.float64], told: str, tmp_path: Path) -> None:
    """A frame with other axes or no real numbers is an error with its pid."""
    np.savez(tmp_path / "a.npz", pattern=array)
    ref = EventRef((3, 4), Source(str(tmp_path / "a.npz"), "npz"), "pattern", 0)
    with pytest.raises(PatternError, match=f"event 3-4 .*{told}"):
        Loader().read(ref)
