"""HDF5 files as they come: after a user block, behind links, with filters that are not here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.formats.hdf5.opening import is_hdf5
from spring_mpi.events.formats.registry import guess_file_reader
from spring_mpi.events.geometry import GeometrySpec, read_geometry

FRAMES = np.arange(3 * 4 * 6, dtype=np.uint16).reshape(3, 4, 6)
UNKNOWN = 32099
"""A filter that nobody has registered."""
Put = Callable[[h5py.File, str, np.ndarray], None]


def plain(file: h5py.File, name: str, values: np.ndarray) -> None:
    """A dataset."""
    file[name] = values


def filtered(file: h5py.File, name: str, values: np.ndarray, left_out: int = 0) -> None:
    """A dataset whose chunks went through a filter that is not here, or did not (1)."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk(values.shape)
    plist.set_filter(UNKNOWN, h5py.h5z.FLAG_OPTIONAL, ())
    group = file.require_group(name.rpartition("/")[0] or "/")
    space, kind = h5py.h5s.create_simple(values.shape), h5py.h5t.py_create(values.dtype)
    dataset = h5py.h5d.create(group.id, name.rpartition("/")[2].encode(), kind, space, plist)
    dataset.write_direct_chunk((0,) * values.ndim, values.tobytes(), left_out)


def cxi(file: h5py.File, put: Put) -> None:
    """Frames, which a program finds by their names."""
    put(file, "entry_1/data_1/data", FRAMES)
    file["cxi_version"] = 160


def nexus(file: h5py.File, put: Put) -> None:
    """A master that holds its frames itself."""
    file["entry/definition"] = b"NXmx"
    put(file, "entry/data/data_000001", FRAMES)


def euxfel(file: h5py.File, put: Put) -> None:
    """One module of a detector, a frame in each train."""
    put(file, "INSTRUMENT/X/DET/0CH0:xtdf/image/data", FRAMES)
    file["INDEX/trainId"] = np.array([7, 8, 9], "u8")
    file["INDEX/X/DET/0CH0:xtdf/image/first"] = np.arange(3, dtype="u8")
    file["INDEX/X/DET/0CH0:xtdf/image/count"] = np.ones(3, "u8")
    file["METADATA/dataFormatVersion"] = np.array([b"1.0"])


def swissfel(file: h5py.File, put: Put) -> None:
    """A channel of a camera."""
    put(file, "data/CAM/data", FRAMES)
    file["data/CAM/pulse_id"] = np.array([7, 8, 9])


def flash(file: h5py.File, put: Put) -> None:
    """A channel of a camera."""
    put(file, "FL1/Camera/value", FRAMES)
    file["FL1/Camera/index"] = np.array([7, 8, 9])


def hdf5(file: h5py.File, put: Put) -> None:
    """Frames under any name."""
    put(file, "frames", FRAMES)


FORMATS = (cxi, nexus, euxfel, swissfel, flash, hdf5)
Format = Callable[[h5py.File, Put], None]


def options(kind: Format) -> dict[str, Any]:
    """What must be said of a format's frames."""
    named = {"euxfel": "X", "hdf5": "frames"}
    return {"dataset": named[kind.__name__]} if kind.__name__ in named else {}


def first_frame(path: Path, said: dict[str, Any]) -> np.ndarray:
    """What the first event of a file holds."""
    index = build_index(str(path), **said)
    return index.read(index.pids[0]).data


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("block", [512, 1024, 2**16])
def test_user_blocks(tmp_path: Path, kind: Format, block: int) -> None:
    """A file is known and read, whatever another program has put before it."""
    path = tmp_path / "run.dat"
    with h5py.File(path, "w", userblock_size=block) as file:
        kind(file, plain)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(block))
    assert guess_file_reader(str(path)) == kind.__name__
    index = build_index(str(path), **options(kind))
    assert len(index) == 3
    for place, frame in enumerate(FRAMES):
        assert np.array_equal(index.read(index.pids[place]).data, frame)


def test_what_is_no_hdf5(tmp_path: Path) -> None:
    """The signature counts only where HDF5 looks for it; short files are none."""
    signature = b"\x89HDF\r\n\x1a\n"
    for number, (content, expected) in enumerate((
        (b"", False), (signature[:7], False), (signature, True), (bytes(511) + signature, False),
        (bytes(512) + signature, True), (bytes(1536) + signature, False), (bytes(3000), False),
        (bytes(512) + signature[:5], False),
    )):  # fmt: skip
        path = tmp_path / str(number)
        path.write_bytes(content)
        assert is_hdf5(str(path)) == expected


def test_geometry_after_a_user_block(tmp_path: Path) -> None:
    """A geometry is looked for in it as in any HDF5 file."""
    with h5py.File(tmp_path / "lpd.h5", "w", userblock_size=512) as file:
        file["places"] = np.zeros(3)
    with pytest.raises(SourceError, match=r"lpd\.h5 .* it holds places"):
        read_geometry(GeometrySpec(str(tmp_path / "lpd.h5")))


def test_arrays_of_matlab(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That MATLAB's axes are in the reverse order is said."""
    with h5py.File(tmp_path / "run.mat", "w", userblock_size=512) as file:
        file["frames"] = FRAMES
        file["frames"].attrs["MATLAB_class"] = np.bytes_(b"uint16")
    with caplog.at_level(logging.WARNING):
        build_index(str(tmp_path / "run.mat"), dataset="frames")
    assert "run.mat: /frames is an array of MATLAB" in caplog.text


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_with_an_unknown_filter(tmp_path: Path, kind: Format) -> None:
    """The error names file, dataset and filter, whatever the format."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        kind(file, filtered)
    with pytest.raises(SourceError, match=rf"run\.h5: /.* filter {UNKNOWN} \(unknown\)"):
        build_index(str(tmp_path / "run.h5"), **options(kind))


@pytest.mark.parametrize("kind", FORMATS)
def test_filter_that_was_left_out(tmp_path: Path, kind: Format) -> None:
    """Chunks that their writer could not filter are read."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        kind(file, partial(filtered, left_out=1))
    assert np.array_equal(first_frame(tmp_path / "run.h5", options(kind)), FRAMES[0])


def masked_cxi(file: h5py.File) -> dict[str, str]:
    """A mask beside frames, for all events."""
    file["entry_1/data_1/data"] = FRAMES
    filtered(file, "entry_1/data_1/mask", np.zeros((4, 6), "u4"))
    file["cxi_version"] = 160
    return {}


def masked_turned_cxi(file: h5py.File) -> dict[str, str]:
    """The same with axes in another order, which are read in another way."""
    file["entry_1/data_1/data"] = FRAMES
    file["entry_1/data_1/data"].attrs["axes"] = "experiment_identifier:x:y"
    filtered(file, "entry_1/data_1/mask", np.zeros((3, 4, 6), "u4"))
    file["cxi_version"] = 160
    return {}


def masked_nexus(file: h5py.File) -> dict[str, str]:
    """A pixel mask of a detector."""
    nexus(file, plain)
    filtered(file, "entry/instrument/detector/pixel_mask", np.zeros((4, 6), "u4"))
    return {}


def limited_nexus(file: h5py.File) -> dict[str, str]:
    """A limit, which is a single number."""
    nexus(file, plain)
    filtered(file, "entry/instrument/detector/saturation_value", np.array([9]))
    return {}


def masked_hdf5(file: h5py.File) -> dict[str, str]:
    """A pixel mask beside frames that are named."""
    file["scan/frames"] = FRAMES
    filtered(file, "scan/pixel_mask", np.zeros((4, 6), "u4"))
    return {"dataset": "scan/frames"}


def virtual(file: h5py.File) -> dict[str, str]:
    """Frames that are taken from a dataset with the filter."""
    filtered(file, "source", FRAMES)
    layout = h5py.VirtualLayout(FRAMES.shape, FRAMES.dtype)
    for number in range(3):
        layout[number] = h5py.VirtualSource(".", "source", FRAMES.shape)[2 - number]
    file.create_virtual_dataset("frames", layout)
    return {"dataset": "frames"}


@pytest.mark.parametrize(
    "write",
    [masked_cxi, masked_turned_cxi, masked_nexus, limited_nexus, masked_hdf5, virtual],
)  # fmt: skip
def test_other_datasets_with_an_unknown_filter(
    tmp_path: Path, write: Callable[[h5py.File], dict[str, str]]
) -> None:
    """So it is for masks, limits and sources, as soon as they are needed."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        said = write(file)
    with pytest.raises(SourceError, match=rf"run\.h5: /.* filter {UNKNOWN} \(unknown\)"):
        first_frame(tmp_path / "run.h5", said)


def test_numbers_of_a_geometry_with_an_unknown_filter(tmp_path: Path) -> None:
    """So it is for geometries."""
    with h5py.File(tmp_path / "lpd.h5", "w") as file:
        for name in ("Q1", "Q1/M1", "Q1/M1/T01", "Q1/M1/T16"):
            filtered(file, f"{name}/Position", np.zeros(2))
    with pytest.raises(SourceError, match=rf"lpd\.h5 .* filter {UNKNOWN}"):
        read_geometry(GeometrySpec(str(tmp_path / "lpd.h5"), quadrants=((0.0, 0.0),) * 4))


def test_what_may_be_meant(tmp_path: Path) -> None:
    """Stacks, images, and what links to other files lead to, groups included, are offered."""
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["scan/deep/frames"], file["image"] = FRAMES, FRAMES[0]
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["own"], file["count"], file["name"] = FRAMES[1], 5, "lysozyme"
        file["linked"] = h5py.ExternalLink("data.h5", "image")
        file["group"] = h5py.ExternalLink("data.h5", "scan")
    with pytest.raises(SourceError) as told:
        build_index(str(tmp_path / "run.h5"))
    for one in ("/own (4, 6)", "/linked (4, 6) in", "/group/deep/frames (3, 4, 6) in"):
        assert one in str(told.value)
    assert "count" not in str(told.value)
    index = build_index(str(tmp_path / "run.h5"), dataset="/group/deep/frames")
    assert np.array_equal(index.read(index.pids[1]).data, FRAMES[1])


def test_master_without_frames(tmp_path: Path) -> None:
    """So it is for a file that is said to be a master."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["scan/frames"] = FRAMES
    with pytest.raises(SourceError, match=r"no /entry/data; name .*/scan/frames \(3, 4, 6\)"):
        build_index(str(tmp_path / "run.h5"), reader="nexus")


@pytest.mark.parametrize("reader", ["swissfel", "flash"])
def test_facility_files_without_frames_of_theirs(tmp_path: Path, reader: str) -> None:
    """What else there is is offered, where a format knows no frames in a file."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["data/CAM/data"], file["data/CAM/pulse_id"] = FRAMES[:, 0], np.arange(3)
        file["FL1/Camera/value"], file["FL1/Camera/index"] = FRAMES[:, 0], np.arange(3)
    with pytest.raises(SourceError, match=r"no frames.*; it holds .*\(3, 6\)"):
        build_index(str(tmp_path / "run.h5"), reader=reader, dataset="CAM")
