"""Single rows of HDF5 datasets, and masks of CXI files, whatever the file's layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.hdf5.masks import EXCLUDING_BITS
from spring_mpi.events.formats.hdf5.rows import row_reader
from spring_mpi.events.formats.hdf5.sizes import LEAST_LIMIT, read_all
from spring_mpi.events.formats.registry import find_reader

VALUES = np.arange(5 * 4 * 3 * 2).reshape(5, 4, 3, 2)
Write = Callable[..., Path]


@pytest.mark.parametrize("leading", [1, 2])
@pytest.mark.parametrize("dtype", ["u2", ">i4", "f8", "?"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 4, 3, 2)},
        {"chunks": (1, 1, 3, 2)},
        {"chunks": (3, 4, 3, 2)},
        {"chunks": (2, 3, 3, 2)},
        {"chunks": (2, 2, 2, 2)},
        {"chunks": (1, 4, 3, 2), "compression": "gzip", "shuffle": True},
        {"chunks": (2, 4, 3, 2), **hdf5plugin.Bitshuffle(cname="lz4")},
        {"chunks": (1, 4, 3, 2), "fletcher32": True},
    ],
)
@pytest.mark.parametrize("userblock", [0, 512])
def test_rows_are_those_of_the_dataset(
    options: dict[str, Any], dtype: str, leading: int, userblock: int, tmp_path: Path
) -> None:
    """Every way of storage gives every row, of one axis or of two."""
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=userblock) as file:
        file.create_dataset("x", data=VALUES.astype(dtype), **options)
    with h5py.File(tmp_path / "a.h5") as file:
        reader, expected = row_reader(file["x"], leading), VALUES.astype(dtype)
        rows = expected.reshape(-1, *expected.shape[leading:])
        found = [reader.one(row) for row in range(len(rows))]
        assert np.array_equal(found, rows)
        some = [4, 1, 3, 1, 0]
        assert np.array_equal(reader.many(some), rows[some])
        assert {row.dtype for row in found} == {expected.dtype}
        with pytest.raises(IndexError, match=f"no row {len(rows)}"):
            reader.one(len(rows))
        with pytest.raises(IndexError, match=f"no row {len(rows)}"):
            reader.many([1, len(rows)])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunks": (1, 4, 3, 2)},
        {"chunks": (2, 4, 3, 2)},
        {"chunks": (1, 4, 3, 2), "compression": "gzip"},
        {"chunks": (2, 4, 3, 2), "compression": "gzip"},
    ],
)
def test_rows_that_were_never_written(options: dict[str, Any], tmp_path: Path) -> None:
    """They are the fill value, beside rows that were."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("x", VALUES.shape, "i4", fillvalue=-7, **options)
        file.create_dataset("y", VALUES.shape, "i4", fillvalue=-7, **options)
        data[3] = VALUES[3]
    with h5py.File(tmp_path / "a.h5") as file:
        written, empty = row_reader(file["x"]), row_reader(file["y"])
        assert np.array_equal(written.one(3), VALUES[3])
        assert (written.one(0) == -7).all()
        assert (empty.one(3) == -7).all()
        together = written.many([3, 0])
        assert np.array_equal(together[0], VALUES[3])
        assert (together[1] == -7).all()


def test_file_that_lost_its_end(tmp_path: Path) -> None:
    """A file cut short after it was opened is an error that tells the byte, not old memory."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = VALUES
    with h5py.File(tmp_path / "a.h5") as file:
        read = row_reader(file["x"]).one
        os.truncate(tmp_path / "a.h5", 2048)
        with pytest.raises(ValueError, match="/x: the file ends in the rows at byte 2"):
            read(4)


@pytest.mark.parametrize("shape", [(2, LEAST_LIMIT), (LEAST_LIMIT, 2, 1)])
def test_more_than_the_file_is_worth(shape: tuple[int, ...], tmp_path: Path) -> None:
    """A row, a list or a chunk of more than the limit in a small file is refused unread."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", shape, "u8", chunks=(1, *shape[1:-1], 1))
    with h5py.File(tmp_path / "a.h5") as file:
        with pytest.raises(ValueError, match=r"/x claims .* it is damaged"):
            read_all(file["x"])
        if len(shape) == 2:
            with pytest.raises(ValueError, match="claims"):
                row_reader(file["x"])


def test_more_events_than_can_be_numbered(tmp_path: Path) -> None:
    """Frames and pids that were never written, too many for a small file, are refused."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", (10**9, 2, 2), "u1", chunks=(1, 2, 2))
        file.create_dataset("few", (6, 2, 2), "u1")
        file.create_dataset("shot", (5 * 10**7,), "u1", chunks=(1000,))
    with pytest.raises(SourceError, match="/data claims"):
        build_index(tmp_path / "a.h5", dataset="data")
    growing: Any = find_reader("hdf5")
    with pytest.raises(ValueError, match="/shot claims"):
        growing.scan_growing(str(tmp_path / "a.h5"), dataset="few", pid="shot", beside=())


def cxi(write: Write, mask: NDArray[Any]) -> Path:
    """Three frames with a mask beside them."""
    frames = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    return write("a.cxi", {"entry_1/data_1/data": frames, "entry_1/data_1/mask": mask})


def test_cxi_mask_bits(write_hdf5: Write) -> None:
    """Bits that say a value is not to be trusted exclude; those that tell its history do not."""
    bits = np.array([1 << bit for bit in range(15)] + [0], np.uint16)
    excluded = [bit in (0, 1, 2, 3, 4, 6, 7, 9, 10, 12) for bit in range(15)] + [False]
    frames = np.zeros((2, 4, 4))
    mask = np.stack([bits.reshape(4, 4), np.zeros((4, 4), np.uint16)])
    datasets = {"entry_1/data_1/data": frames, "entry_1/data_1/mask": mask}
    index = build_index(write_hdf5("a.cxi", datasets))
    events = [index.read((0, row)) for row in (0, 1)]
    assert events[0].mask is not None
    assert events[1].mask is not None
    assert events[0].mask.ravel().tolist() == excluded
    assert not events[1].mask.any()
    assert sum(bits[:15][excluded[:15]]) == EXCLUDING_BITS


def test_cxi_mask_for_all_events(write_hdf5: Write) -> None:
    """A mask with two axes holds for every frame."""
    index = build_index(cxi(write_hdf5, np.array([[0, 1], [0, 0]])))
    masks = [index.read((0, row)).mask for row in range(3)]
    assert all(mask is not None and mask.tolist() == [[False, True], [False] * 2] for mask in masks)


def test_cxi_modules(write_hdf5: Write, tmp_path: Path) -> None:
    """A stack with four axes, as of CXI 1.4, has the modules of each event, and trains if told."""
    path = tmp_path / "a.cxi"
    with h5py.File(path, "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = VALUES
        file["entry_1/instrument_1/detector_1/mask"] = VALUES % 2
        file["entry_1/data_1"] = h5py.SoftLink("/entry_1/instrument_1/detector_1")
        file["entry_1/trainId"], file["entry_1/pulseId"] = np.arange(7, 12), np.arange(5)
    reader = find_reader("cxi")
    scan = reader.scan(str(path), dataset=None, pid=None)
    assert (scan.pid_names, scan.shape) == (("run", "train", "pulse"), VALUES.shape)
    handle = reader.open(str(path))
    event = handle.event(scan.dataset, 2)
    handle.close()
    assert event.data.tolist() == VALUES[2].tolist()
    assert event.mask is not None
    assert event.mask.tolist() == (VALUES[2] % 2 == 1).tolist()
    assert event.info == {"modules": (0, 1, 2, 3)}


def test_cxi_entry_that_is_no_group(write_hdf5: Write) -> None:
    """Names of CXI with something else behind them are no frames."""
    path = write_hdf5("a.cxi", {"entry_1": np.arange(5), "entry_2/data_1": np.arange(5)})
    with pytest.raises(SourceError, match="name the dataset of the frames"):
        build_index(path)
