"""NeXus masters: the frames of all their data files, as one run, with the detector's mask."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats.nexus import write_data, write_master, write_virtual
from hypothesis import given, settings
from hypothesis import strategies as st

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.hdf5.nexus import NexusHandle
from spring_mpi.events.formats.registry import find_reader

READER = find_reader("nexus")
FRAMES = np.arange(7 * 3 * 2, dtype=np.uint32).reshape(7, 3, 2)
BLOCKS = [FRAMES[:3], FRAMES[3:6], FRAMES[6:]]


def read(path: Path) -> list[Any]:
    """All frames through an index, last one first."""
    index = build_index(path)
    frames = [index.read((0, row)).data.tolist() for row in reversed(range(len(index)))]
    index.close()
    return frames[::-1]


def test_files_typed_by_hand(tmp_path: Path) -> None:
    """The names that detectors of DECTRIS write."""
    (tmp_path / "a").mkdir()
    for number, rows in enumerate(([[1, 2]], [[3, 4]]), start=1):
        with h5py.File(tmp_path / f"a/lyso_data_00000{number}.h5", "w") as file:
            file["entry/data/data"] = np.array([rows], "u4")
    with h5py.File(tmp_path / "a/lyso_master.h5", "w") as file:
        for number in (1, 2):
            link = h5py.ExternalLink(f"lyso_data_00000{number}.h5", "/entry/data/data")
            file[f"/entry/data/data_00000{number}"] = link
        mask = np.array([[0, 2**31]], "u4")
        file["/entry/instrument/detector/detectorSpecific/pixel_mask"] = mask
    index = build_index(tmp_path / "a/lyso_master.h5")
    assert (index.pid_names, index.pids.tolist()) == (("run", "row"), [[0, 0], [0, 1]])
    events = [index.read((0, row)) for row in (0, 1)]
    assert [event.data.tolist() for event in events] == [[[1, 2]], [[3, 4]]]
    assert [event.mask.tolist() for event in events] == [[[False, True]]] * 2


@settings(max_examples=20)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_frames_are_numbered_through(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    """However frames are divided among files, event i is the i-th of all."""
    frames = np.arange(sum(sizes) * 4, dtype=np.uint16).reshape(-1, 2, 2)
    blocks = np.split(frames, np.cumsum(sizes)[:-1])
    folder = tmp_path_factory.mktemp("law")
    assert read(write_master(folder / "run_master.h5", blocks)) == frames.tolist()


@pytest.mark.parametrize("place", ["pixel_mask", "detectorSpecific/pixel_mask"])
def test_pixel_mask_excludes_what_is_not_zero(place: str, tmp_path: Path) -> None:
    """In either place, any bit excludes the pixel."""
    mask = np.array([[0, 1], [2, 0], [1 << 8, 0]], np.uint32)
    path = write_master(tmp_path / "run_master.h5", BLOCKS, mask, place)
    event = build_index(path).read((0, 4))
    assert event.mask is not None
    assert event.mask.tolist() == (mask != 0).tolist()


def test_more_data_files_than_may_be_open(tmp_path: Path) -> None:
    """Frames of 40 files in any order are right, with 16 of them open at most."""
    frames = np.arange(40 * 4, dtype=np.uint16).reshape(40, 2, 2)
    path = write_master(tmp_path / "run_master.h5", list(frames[:, None]))
    handle = READER.open(str(path))
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    order = np.random.default_rng(1).permutation(40).tolist()
    assert [handle.event("/entry/data", row).data.tolist() for row in order] == (
        frames[order].tolist()
    )
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before + 16
    handle.close()


@pytest.mark.parametrize("interleaved", [False, True])
def test_virtual_datasets(interleaved: bool, tmp_path: Path) -> None:
    """One that puts files one after the other is read from them, any other through HDF5."""
    blocks = [FRAMES[:3], FRAMES[3:6]]
    path = write_virtual(tmp_path / "run.nxs", blocks, interleaved=interleaved)
    mixed = np.stack(blocks, axis=1).reshape(6, 3, 2)
    assert read(path) == (mixed if interleaved else FRAMES[:6]).tolist()
    handle = READER.open(str(path))
    handle.event("/entry/data", 4)
    assert isinstance(handle, NexusHandle)
    assert [os.path.basename(name) for name in handle.files] == (
        ["run.nxs"] if interleaved else ["part_1.h5"]
    )
    handle.close()


def test_single_file_with_its_frames(tmp_path: Path) -> None:
    """A data block may be in the master itself."""
    path = write_data(tmp_path / "run.h5", FRAMES)
    with h5py.File(path, "r+") as file:
        file.move("entry/data/data", "entry/data/data_000001")
    assert read(path) == FRAMES.tolist()


def test_links_to_files_that_were_never_written(tmp_path: Path) -> None:
    """The last ones are left out, as in a run that was stopped; one between is an error."""
    path = write_master(tmp_path / "run_master.h5", BLOCKS)
    (tmp_path / "run_data_000003.h5").unlink()
    assert read(path) == FRAMES[:6].tolist()
    write_master(path, BLOCKS)
    (tmp_path / "run_data_000002.h5").unlink()
    with pytest.raises(SourceError, match=r"links to run_data_000002\.h5, which is missing"):
        build_index(path)


def test_links_to_no_files_are_not_opened(tmp_path: Path) -> None:
    """A link to a pipe, which would wait for a writer, is a missing file."""
    path = write_master(tmp_path / "run_master.h5", BLOCKS)
    (tmp_path / "run_data_000003.h5").unlink()
    os.mkfifo(tmp_path / "run_data_000003.h5")
    assert read(path) == FRAMES[:6].tolist()


def test_frames_of_different_kinds(tmp_path: Path) -> None:
    """Files with frames of other shapes or types are no run."""
    path = write_master(tmp_path / "run_master.h5", [FRAMES[:2], FRAMES[2:].astype(np.uint16)])
    with pytest.raises(SourceError, match="frames of several kinds"):
        build_index(path)
