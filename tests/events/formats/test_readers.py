"""Readers give the frames that are in the files, and say what is wrong with others."""

from __future__ import annotations

import dataclasses
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import EventIndex, build_index
from spring_mpi.events.formats.fields import has_rows
from spring_mpi.events.formats.pids import whole_numbers
from spring_mpi.events.formats.reader import INCOMPLETE, Scan
from spring_mpi.events.formats.registry import find_reader

Frames = NDArray[np.uint16]
Write = Callable[..., Path]


def hdf5_run(folder: Path, frames: Frames, write: Write) -> EventIndex:
    """Frames in a dataset of any name."""
    return build_index(write("a.h5", {"some/name": frames}), dataset="some/name")


def bitshuffle_run(folder: Path, frames: Frames, write: Write) -> EventIndex:
    """Frames that only a plugin can decompress."""
    compression = hdf5plugin.Bitshuffle(cname="lz4")
    path = write("a.h5", {"data": frames}, chunks=(1, 5, 7), compression=compression)
    return build_index(path, dataset="data")


def cxi_run(folder: Path, frames: Frames, write: Write) -> EventIndex:
    """Frames where CXI files have them."""
    return build_index(write("a.cxi", {"entry_1/data_1/data": frames}))


def npy_run(folder: Path, frames: Frames, write: Write) -> EventIndex:
    """Frames in one array."""
    np.save(folder / "a.npy", frames)
    return build_index(folder / "a.npy")


def fortran_npy_run(folder: Path, frames: Frames, write: Write) -> EventIndex:
    """Frames in one array whose first axis is the fastest."""
    np.save(folder / "a.npy", np.asfortranarray(frames))
    return build_index(folder / "a.npy")


def npz_run(folder: Path, frames: Frames, write: Write) -> EventIndex:
    """One file per frame."""
    for number, frame in enumerate(frames):
        np.savez_compressed(folder / f"{number}.npz", pattern=frame)
    return build_index("*.npz", root=folder)


def split_run(folder: Path, frames: Frames, write: Write) -> EventIndex:
    """Frames in several files of two formats."""
    np.save(folder / "a.npy", frames[:2])
    write("b.cxi", {"entry_1/data_1/data": frames[2:]})
    return build_index(["*.npy", "*.cxi"], root=folder)


RUNS = [hdf5_run, bitshuffle_run, cxi_run, npy_run, fortran_npy_run, npz_run, split_run]


@pytest.mark.parametrize("make_run", RUNS)
@pytest.mark.parametrize("order", [(5, 0, 3, 3, 1, 4, 2), (0, 1, 2, 3, 4, 5)])
def test_frames_in_any_order(
    make_run: Any, order: tuple[int, ...], tmp_path: Path, frames: Frames, write_hdf5: Write
) -> None:
    """Frames read one by one in any order are the slice of the array that was written."""
    index = make_run(tmp_path, frames, write_hdf5)
    read = np.stack([index.read((0, row)).data for row in order])
    assert read.dtype == frames.dtype
    assert read.tolist() == frames[list(order)].tolist()


def test_single_frame_is_one_event(tmp_path: Path, frames: Frames, write_hdf5: Write) -> None:
    """An array with two axes is one event."""
    np.save(tmp_path / "one.npy", frames[4])
    path = write_hdf5("one.h5", {"data": frames[4]})
    indexes = [build_index(tmp_path / "one.npy"), build_index(path, dataset="data")]
    read = [index.read(index.pid(0)).data.tolist() for index in indexes]
    assert (list(map(len, indexes)), read) == ([1, 1], [frames[4].tolist()] * 2)


def test_scan_reads_no_frames(tmp_path: Path) -> None:
    """33 TB of frames that were never written are indexed as what they are."""
    with h5py.File(tmp_path / "huge.h5", "w") as file:
        file.create_dataset("data", (1_000_000, 4096, 4096), "u2", chunks=(1, 4096, 4096))
    scan = find_reader("hdf5").scan(str(tmp_path / "huge.h5"), dataset="data", pid=None)
    assert scan.flags is not None
    assert (scan.flags == INCOMPLETE).all()
    expected = Scan("data", None, (), (1_000_000, 4096, 4096), "uint16")
    assert dataclasses.replace(scan, flags=None) == expected


def test_npz_scan_decompresses_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a frame that fills 8 MB a scan takes at most 64 kB out of the archive."""
    np.savez(tmp_path / "big.npz", pattern=np.zeros((1024, 1024)), pid=np.array([1, 2]))
    taken: list[int] = []
    read = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        data = read(self, n)
        taken.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    find_reader("npz").scan(str(tmp_path / "big.npz"), dataset=None, pid=None)
    assert sum(taken) < 65_536


@pytest.mark.parametrize("dtype", ["i1", "u2", "i4", "u8", "f8"])
def test_pid_columns_of_any_type(dtype: str, frames: Frames, write_hdf5: Write) -> None:
    """Whole numbers of any type are pids."""
    path = write_hdf5("a.h5", {"data": frames, "pulse": np.arange(10, 70, 10).astype(dtype)})
    index = build_index(path, dataset="data", pid="pulse")
    assert (index.pid_names, index.pids.ravel().tolist()) == (("pulse",), [10, 20, 30, 40, 50, 60])


def test_several_pid_columns(run: Path, frames: Frames) -> None:
    """Each dataset gives one number of the pid; events come in the order of their pids."""
    index = build_index(run, dataset="/data", pid=["/train", "/pulse"])
    assert index.pids.tolist() == [[7, 0], [7, 1], [8, 0], [8, 1], [9, 0], [9, 1]]
    assert index.read((7, 1)).data.tolist() == frames[5].tolist()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.5, 1, 2, 3, 4, 5], "64-bit integers"),
        ([np.nan, 1, 2, 3, 4, 5], "64-bit integers"),
        (np.full(6, 2**63, dtype=np.uint64), "64-bit integers"),
        ([b"a"] * 6, "64-bit integers"),
        ([1, 2, 3], "3 values for 6 events"),
    ],
)
def test_impossible_pids_are_refused(
    values: Any, reason: str, frames: Frames, write_hdf5: Write
) -> None:
    """Pids that are no integers, or not one per event, are an error that names the dataset."""
    path = write_hdf5("a.h5", {"data": frames, "shot": values})
    with pytest.raises(SourceError, match=f"a.h5.*shot.*{reason}"):
        build_index(path, dataset="data", pid="shot")


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers_keep_integers(values: list[int]) -> None:
    """Every 64-bit integer stays what it is."""
    assert whole_numbers(np.array(values, dtype=np.int64)).tolist() == values


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        (None, "name the dataset of the frames"),
        ("dta", r"did you mean /data\?"),
        ("mask/x", "no dataset"),
        ("cube", "/data \\(6, 5, 7\\)"),
    ],
)
def test_wrong_dataset_is_told_what_there_is(
    dataset: str | None, reason: str, frames: Frames, write_hdf5: Write
) -> None:
    """A missing or impossible dataset is an error that lists the stacks of frames."""
    path = write_hdf5(
        "a.h5", {"data": frames, "mask": frames[0], "cube": np.zeros((1, 2, 3, 4, 5))}
    )
    with pytest.raises(SourceError, match=reason) as caught:
        build_index(path, dataset=dataset)
    assert "/data (6, 5, 7)" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["entry_1/data_1/data", "entry_1/image_2/data", "entry_2/instrument_1/detector_1/data"],
)
def test_cxi_finds_its_frames(name: str, frames: Frames, write_hdf5: Write) -> None:
    """Without a dataset the first stack of frames under a CXI name is taken."""
    path = write_hdf5("a.cxi", {name: frames, "entry_1/image_1/data": frames[0]})
    assert build_index(path).ref(0).dataset == f"/{name}"


def test_cheetah_identities(frames: Frames, write_hdf5: Write) -> None:
    """Cheetah's times and fiducials are the pids, after the run in the file's name."""
    datasets = {
        "entry_1/data_1/data": frames[:2],
        "LCLS/machineTime": np.array([3, 2]),
        "LCLS/machineTimeNanoSeconds": np.array([7, 5]),
        "LCLS/fiducial": np.array([11, 13]),
    }
    index = build_index(write_hdf5("cxi-r0071.cxi", datasets))
    assert index.pid_names == ("run", "time", "fiducial")
    assert index.pids.tolist() == [[71, 2 << 32 | 5, 13], [71, 3 << 32 | 7, 11]]


def test_npz_brings_everything(tmp_path: Path, frames: Frames) -> None:
    """Mask (not 0 = excluded), centre (row, column) and pid are those of the file."""
    np.savez(
        tmp_path / "a.npz",
        pattern=frames[0], mask=np.eye(5, 7), center=[2.5, 3.0], pid=np.array([71, 1, 14546865407]),
    )  # fmt: skip
    event = build_index(tmp_path / "a.npz").read((71, 1, 14546865407))
    assert event.mask is not None
    assert event.mask.tolist() == np.eye(5, 7, dtype=bool).tolist()
    assert (event.center, event.data.tolist()) == ((2.5, 3.0), frames[0].tolist())


@pytest.mark.parametrize("key", ["pattern", "mask", "pid"])
def test_pickles_are_refused(key: str, tmp_path: Path, frames: Frames) -> None:
    """Python objects in an npz file are an error, wherever they are."""
    arrays = {"pattern": frames[0], "mask": frames[0], "pid": np.array([1])}
    np.savez(tmp_path / "a.npz", **{**arrays, key: np.array([[{}]], dtype=object)})
    with pytest.raises(SourceError, match="Python objects"):
        build_index(tmp_path / "a.npz").read(1)


def test_npz_sizes_must_agree(tmp_path: Path) -> None:
    """A header that claims more than the archive holds is an error before memory is taken."""
    np.save(tmp_path / "small.npy", np.zeros((4, 4)))
    member = (tmp_path / "small.npy").read_bytes().replace(b"(4, 4)", b"(9000000, 4)")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("pattern.npy", member)
    with pytest.raises(SourceError, match=r"a\.npz.*needs"):
        build_index(tmp_path / "a.npz")


def test_npz_without_pattern(tmp_path: Path) -> None:
    """A missing frame is an error that names what the archive holds."""
    np.savez(tmp_path / "a.npz", patern=np.zeros((4, 4)))
    with pytest.raises(SourceError, match="no array 'pattern'; it holds patern"):
        build_index(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.h5", "a.cxi", "a.npz"])
def test_truncated_files_are_named(
    name: str, tmp_path: Path, frames: Frames, write_hdf5: Write
) -> None:
    """A file that lost its end is an error that names it."""
    path = tmp_path / name
    if name.endswith("npy"):
        np.save(path, frames)
    elif name.endswith("npz"):
        np.savez(path, pattern=frames[0])
    else:
        write_hdf5(name, {"entry_1/data_1/data": frames})
    os.truncate(path, path.stat().st_size - 64)
    with pytest.raises(SourceError, match=re.escape(str(path))):
        build_index(path, dataset="entry_1/data_1/data" if name == "a.h5" else None)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 2, 2)), np.zeros(4), np.zeros((2, 2), dtype=complex)]
)
def test_arrays_that_are_no_frames(array: NDArray[Any], tmp_path: Path) -> None:
    """An array with other axes, or of no real numbers, is an error that tells its shape."""
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(SourceError, match=re.escape(str(array.shape))):
        build_index(tmp_path / "a.npy")


def test_named_datasets_without_names(tmp_path: Path, frames: Frames) -> None:
    """A dataset named for a format without names is an error, not ignored."""
    np.save(tmp_path / "a.npy", frames)
    with pytest.raises(SourceError, match="leave 'dataset' out"):
        build_index(tmp_path / "a.npy", dataset="data")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("hdf", "did you mean 'hdf5'"), ("quux", "known: cxi, .*hdf5"), ("no.py:load", "no file")],
)
def test_unknown_readers(name: str, reason: str, tmp_path: Path, frames: Frames) -> None:
    """A reader that does not exist is an error with what does."""
    np.save(tmp_path / "a.npy", frames)
    with pytest.raises(SourceError, match=reason):
        build_index("a.npy", reader=name, root=tmp_path)


def test_unknown_format(tmp_path: Path) -> None:
    """A file that no reader knows is an error that asks for the reader."""
    (tmp_path / "a.dat").write_bytes(b"anything")
    with pytest.raises(SourceError, match=r"cannot tell the format of .*a\.dat"):
        build_index(tmp_path / "a.dat")
    (tmp_path / "b.h5").touch()
    with pytest.raises(SourceError, match=r"b\.h5 is empty"):
        build_index(tmp_path / "b.h5")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), False), ((2,), False), ((4, 5), False), ((4, 2), True), ((3, 4, 5), True)],
)
def test_arrays_per_event(shape: tuple[int, ...], expected: bool) -> None:
    """Stacks of frames and of centres have one entry per event, other arrays hold for all."""
    assert has_rows(shape) == expected
