"""The limits that files give for raw values exclude pixels, in every format that can hold them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.formats.nexus import write_master

from spring_mpi.events import Event, build_index
from spring_mpi.events.event import Exclusion

FRAMES = np.arange(2 * 3 * 4).reshape(2, 3, 4)
Write = Callable[[Path, np.ndarray, dict[str, Any]], dict[str, str]]


def nexus(folder: Path, frames: np.ndarray, fields: dict[str, Any]) -> dict[str, str]:
    """A master with data files, the limits at its detector."""
    path = write_master(folder / "run_master.h5", [frames[:1], frames[1:]])
    return _filled(path, "entry/instrument/detector", fields)


def cxi(folder: Path, frames: np.ndarray, fields: dict[str, Any]) -> dict[str, str]:
    """A CXI file whose frames are a link into its detector, which has the limits."""
    path = folder / "run.cxi"
    with h5py.File(path, "w") as file:
        file["entry_1/instrument_1/detector_1/data"] = frames
        file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
    return _filled(path, "entry_1/instrument_1/detector_1", fields)


def named(folder: Path, frames: np.ndarray, fields: dict[str, Any]) -> dict[str, str]:
    """Any HDF5 file whose frames are named."""
    path = folder / "run.h5"
    with h5py.File(path, "w") as file:
        file["scan/lambda/data"] = frames
    return _filled(path, "scan/lambda", fields) | {"dataset": "/scan/lambda/data"}


def linked(folder: Path, frames: np.ndarray, fields: dict[str, Any]) -> dict[str, str]:
    """Frames that are behind a link into another file, which has the limits."""
    options = named(folder, frames, fields)
    with h5py.File(folder / "all.h5", "w") as file:
        file["frames"] = h5py.ExternalLink(options["paths"], options["dataset"])
    return {"paths": str(folder / "all.h5"), "dataset": "frames"}


def _filled(path: Path, group: str, fields: dict[str, Any]) -> dict[str, str]:
    with h5py.File(path, "r+") as file:
        for name, value in fields.items():
            file.require_group(group)[name] = value
    return {"paths": str(path)}


FORMATS = pytest.mark.parametrize("write", [nexus, cxi, named, linked])


def events(options: dict[str, str]) -> list[Event]:
    """All events of a file."""
    index = build_index(**options)  # type: ignore[arg-type]
    return [index.read(pid) for pid in index.pids]


def excluded(options: dict[str, str]) -> list[int]:
    """Numbers of all pixels that are excluded, counted through the events."""
    masks = [np.zeros((3, 4)) if event.mask is None else event.mask for event in events(options)]
    return np.flatnonzero(np.stack(masks)).tolist()


@FORMATS
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"saturation_value": 21}, [22, 23]),
        ({"underload_value": 2}, [0, 1]),
        ({"saturation_value": np.array([21]), "underload_value": np.array([2.0])}, [0, 1, 22, 23]),
        ({"saturation_value": 21.5}, [22, 23]),
        ({"detectorSpecific/saturation_value": 22}, [23]),
        ({"detectorSpecific/countrate_correction_count_cutoff": 22}, [23]),
        ({"detector_information/underload_value": 1}, [0]),
        ({"detectorSpecific/countrate_correction_count_cutoff": 9, "saturation_value": 22}, [23]),
        ({"saturation_value": np.uint64(2**64 - 1), "underload_value": -5}, []),
        ({"saturation_value": h5py.Empty("i4")}, []),
        ({"saturation_value": np.nan}, []),
        ({"saturation_value": 0}, []),
        ({"saturation_value": np.arange(4)}, []),
        ({"saturation_value": "high"}, []),
    ],
)
def test_limits(tmp_path: Path, write: Write, fields: dict[str, Any], expected: list[int]) -> None:
    """Values from underload_value to saturation_value are valid, these two included."""
    assert excluded(write(tmp_path, FRAMES.astype("i4"), fields)) == expected


@FORMATS
@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", ">u2"])
def test_masked_value_of_bit_depth(tmp_path: Path, write: Write, kind: str) -> None:
    """Detectors that tell the bits of their images mask pixels by the largest value."""
    frames = FRAMES.astype(kind)
    frames[1, 0, 0] = np.iinfo(kind).max
    bits = 8 * np.dtype(kind).itemsize
    for number, (depth, expected) in enumerate([(bits, [12]), (bits // 2, []), (2 * bits, [])]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert excluded(write(folder, frames, {"bit_depth_image": depth})) == expected


@FORMATS
def test_told(tmp_path: Path, write: Write) -> None:
    """Each limit is told with its value and pixels, one that cannot be used with the reason."""
    fields = {"saturation_value": 21, "underload_value": np.arange(12).reshape(3, 4)}
    first, second = (
        {one.origin.rpartition("/")[2]: one for one in event.exclusions}
        for event in events(write(tmp_path, FRAMES.astype("u2"), fields))
    )
    assert first["saturation_value (> 21)"].pixels == 0
    assert second["saturation_value (> 21)"].pixels == 2
    told = second["underload_value"]
    assert (told.pixels, told.remark) == (0, "it is not used, as it is no single number")


def test_limits_of_other_detectors(tmp_path: Path) -> None:
    """A detector whose pixel mask or frames have another shape says nothing of these."""
    options = nexus(tmp_path, FRAMES, {"saturation_value": 22, "pixel_mask": np.zeros((3, 4))})
    with h5py.File(options["paths"], "r+") as file:
        file["entry/instrument/camera/saturation_value"] = 2
        file["entry/instrument/camera/data"] = np.zeros((2, 5, 5))
    assert excluded(options) == [23]


@pytest.mark.parametrize("write", [named, linked])
@pytest.mark.parametrize("form", ["one", "leading", "each"])
def test_pixel_mask_beside_named_frames(tmp_path: Path, write: Write, form: str) -> None:
    """What NeXus defines for a detector counts, too, where the frames are named."""
    mask = np.zeros((3, 4), "u4")
    mask[1, 1] = 2
    masks = {"one": mask, "leading": mask[None], "each": np.stack([mask, 0 * mask])}
    options = write(tmp_path, FRAMES, {"pixel_mask": masks[form]})
    assert excluded(options) == ([5] if form == "each" else [5, 17])
    assert events(options)[0].exclusions == (Exclusion("the file's /scan/lambda/pixel_mask", 1),)


def test_pixel_mask_that_does_not_fit(tmp_path: Path) -> None:
    """It is told, and the frames are read."""
    options = named(tmp_path, FRAMES, {"pixel_mask": np.ones((5, 5))})
    (told,) = events(options)[0].exclusions
    assert told.pixels == 0
    assert "(5, 5) does not fit frames (2, 3, 4)" in told.remark


def test_single_frame(tmp_path: Path) -> None:
    """A frame in a dataset of two axes has its limits and mask, too."""
    options = named(tmp_path, FRAMES[0], {"saturation_value": 10, "pixel_mask": np.eye(3, 4)})
    (event,) = events(options)
    assert event.mask is not None
    assert np.flatnonzero(event.mask).tolist() == [0, 5, 10, 11]


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (nexus, "pixel_mask"), (nexus, "saturation_value"), (cxi, "mask"), (cxi, "mask_shared"),
        (cxi, "underload_value"), (named, "pixel_mask"), (linked, "pixel_mask"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("link", "missing"),
    [(h5py.ExternalLink("meta.h5", "/mask"), "meta.h5"), (h5py.SoftLink("/gone"), "/gone")],
)
def test_behind_links_that_lead_nowhere(
    tmp_path: Path, write: Write, name: str, link: Any, missing: str
) -> None:
    """Frames are read without what is lost, and that is told with where it should be."""
    (told,) = events(write(tmp_path, FRAMES, {name: link}))[0].exclusions
    assert told.pixels == 0
    assert told.origin.endswith(f"/{name}")
    assert missing in told.remark


def test_copy_of_a_mask_behind_a_link(tmp_path: Path) -> None:
    """A copy that is lost is not missed where the mask is there."""
    mask = np.eye(3, 4, dtype="u4")
    link = h5py.ExternalLink("meta.h5", "/mask")
    fields = {"pixel_mask": mask, "detectorSpecific/pixel_mask": link}
    (told,) = events(nexus(tmp_path, FRAMES, fields))[0].exclusions
    assert told.pixels == 3


@pytest.mark.parametrize("place", ["entry/instrument", "entry/instrument/detector"])
def test_detector_behind_a_link(tmp_path: Path, place: str) -> None:
    """So it is for all that a master says of its detector."""
    options = nexus(tmp_path, FRAMES, {})
    with h5py.File(options["paths"], "r+") as file:
        file[place] = h5py.ExternalLink("meta.h5", "/detector")
    (told,) = events(options)[0].exclusions
    assert (told.origin, told.pixels) == (f"the master's /{place}", 0)
    assert "meta.h5" in told.remark
