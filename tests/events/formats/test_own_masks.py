"""The masks that files bring reach the events, by whatever links the frames are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spring_mpi.errors import SourceError
from spring_mpi.events import Event, build_index
from spring_mpi.events.formats.reader import INCOMPLETE

FRAMES = np.arange(3 * 4 * 6, dtype=np.uint16).reshape(3, 4, 6)
GAP = np.zeros((4, 6), np.uint32)
GAP[1] = 512
DETECTOR = "/entry_1/instrument_1/detector_1"


def events(path: Path, **options: Any) -> list[Event]:
    """All events of a file."""
    index = build_index(str(path), **options)
    return [index.read(pid) for pid in index.pids]


def cxi(path: Path, **datasets: np.ndarray) -> h5py.File:
    """A CXI file with these datasets of its detector."""
    file = h5py.File(path, "w")
    for name, values in ({"data": FRAMES} | datasets).items():
        file[f"{DETECTOR}/{name}"] = values
    return file


def link(file: h5py.File, kind: str) -> None:
    """Put the frames of a detector where CXI has them for programs that only want data."""
    data, target = "/entry_1/data_1/data", f"{DETECTOR}/data"
    if kind == "soft":
        file[data] = h5py.SoftLink(target)
    elif kind == "hard":
        file.create_group("/entry_1/data_1")["data"] = file[target]
    elif kind == "group":
        file["/entry_1/data_1"] = h5py.SoftLink(DETECTOR)
    elif kind == "chain":
        file["/entry_1/image_1/data"] = h5py.SoftLink(target)
        file[data] = h5py.SoftLink("/entry_1/image_1/data")
    elif kind == "back":
        file.move(target, "/entry_1/data_1/data")
        file[target] = h5py.SoftLink(data)


@pytest.mark.parametrize("kind", ["none", "soft", "hard", "group", "chain", "back"])
@pytest.mark.parametrize("name", ["mask", "mask_shared"])
@pytest.mark.parametrize("form", ["one", "leading", "each"])
def test_mask_behind_links(tmp_path: Path, kind: str, name: str, form: str) -> None:
    """A mask beside the object that is linked to counts, one for all events or one for each."""
    if (name, form) == ("mask_shared", "each"):
        pytest.skip("a shared mask is one for all")
    masks = {"one": GAP, "leading": GAP[None], "each": np.stack([GAP] * 3)}
    with cxi(tmp_path / "run.cxi", **{name: masks[form]}) as file:
        link(file, kind)
    found = events(tmp_path / "run.cxi")
    assert len(found) == 3
    for event, frame in zip(found, FRAMES, strict=True):
        assert np.array_equal(event.data, frame)
        assert event.mask is not None
        assert np.array_equal(event.mask, GAP != 0)
        assert [one.pixels for one in event.exclusions] == [6]


def test_mask_behind_external_link(tmp_path: Path) -> None:
    """The frames may be in another file, behind a soft link there; so is the mask."""
    with cxi(tmp_path / "detector.h5", mask=GAP) as file:
        file["/soft"] = h5py.SoftLink(f"{DETECTOR}/data")
    with h5py.File(tmp_path / "run.cxi", "w") as file:
        file["/entry_1/data_1/data"] = h5py.ExternalLink("detector.h5", "/soft")
    for event in events(tmp_path / "run.cxi"):
        assert event.mask is not None
        assert np.array_equal(event.mask, GAP != 0)


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 6), (3, 6, 4)])
def test_mask_that_does_not_fit(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A mask of another shape, or of fewer events, is refused when the index is built."""
    with cxi(tmp_path / "run.cxi", mask=np.zeros(shape, np.uint32)):
        pass
    with pytest.raises(SourceError, match=r"mask .* does not fit the frames"):
        build_index(str(tmp_path / "run.cxi"))


def test_cxi_by_its_version(tmp_path: Path) -> None:
    """A CXI file is known by what it holds, whatever its name."""
    with cxi(tmp_path / "run.h5", mask=GAP) as file:
        file["cxi_version"] = 160
    assert events(tmp_path / "run.h5")[0].mask is not None


@pytest.mark.parametrize("named", ["", "/entry_1/data_1/data", f"{DETECTOR}/data"])
def test_cxi_by_its_layout(tmp_path: Path, named: str) -> None:
    """So it is without a version; the mask counts for frames that are named, too."""
    with cxi(tmp_path / "run.h5", mask=GAP) as file:
        link(file, "soft")
    said = {"dataset": named} if named else {}
    for event in events(tmp_path / "run.h5", **said):
        assert event.mask is not None
        assert np.array_equal(event.mask, GAP != 0)


STACK = np.arange(3 * 2 * 4 * 6, dtype=np.uint16).reshape(3, 2, 4, 6)


@pytest.mark.parametrize(
    ("axes", "stored", "expected"),
    [
        ("experiment_identifier:y:x", FRAMES, FRAMES),
        ("experiment_identifier:x:y", FRAMES.transpose(0, 2, 1), FRAMES),
        ("y:x:experiment_identifier", FRAMES.transpose(1, 2, 0), FRAMES),
        ("y:x", FRAMES[1], FRAMES[1:2]),
        ("module_identifier:y:x", STACK[0], STACK[:1]),
        ("experiment_identifier:module_identifier:y:x", STACK, STACK),
        ("module_identifier:experiment_identifier:y:x", STACK.transpose(1, 0, 2, 3), STACK),
        ("experiment_identifier:y:x:module_identifier", STACK.transpose(0, 2, 3, 1), STACK),
    ],
)
def test_axes(tmp_path: Path, axes: str, stored: np.ndarray, expected: np.ndarray) -> None:
    """The attribute axes decides what numbers the events, modules, rows and columns."""
    from spring_mpi.events.formats.hdf5.cxi import CxiReader

    with cxi(tmp_path / "run.cxi", data=stored) as file:
        file[f"{DETECTOR}/data"].attrs["axes"] = axes
    path = str(tmp_path / "run.cxi")
    scan = CxiReader().scan(path, dataset=None, pid=None)
    assert scan.shape == expected.shape
    handle = CxiReader().open(path)
    read = handle.events(scan.dataset, range(len(expected)))
    assert all(np.array_equal(a.data, b) for a, b in zip(read, expected, strict=True))
    handle.close()


def test_mask_turned_as_its_frames(tmp_path: Path) -> None:
    """A mask without axes of its own has those of its frames."""
    with cxi(tmp_path / "run.cxi", data=FRAMES.transpose(0, 2, 1), mask=GAP.T) as file:
        file[f"{DETECTOR}/data"].attrs["axes"] = np.array([b"experiment_identifier:x:y"])
    (event, *_) = events(tmp_path / "run.cxi")
    assert event.mask is not None
    assert np.array_equal(event.mask, GAP != 0)


@pytest.mark.parametrize("axes", ["experiment_identifier:y", "a:y:x", "y:y:x"])
def test_axes_that_say_nothing(tmp_path: Path, axes: str) -> None:
    """Axes that are no order of events, modules, rows and columns are refused."""
    with cxi(tmp_path / "run.cxi") as file:
        file[f"{DETECTOR}/data"].attrs["axes"] = axes
    with pytest.raises(SourceError, match="attribute axes"):
        build_index(str(tmp_path / "run.cxi"))


@pytest.mark.parametrize("is_virtual", [True, False])
def test_holes_whatever_the_axes(tmp_path: Path, is_virtual: bool) -> None:
    """What was never written, or has no source, is masked and flagged, also of turned events."""
    stored = FRAMES.transpose(1, 2, 0)
    with h5py.File(tmp_path / "run.cxi", "w") as file:
        if is_virtual:
            file["part"] = stored
            layout = h5py.VirtualLayout(stored.shape, stored.dtype)
            layout[:, :, 0] = h5py.VirtualSource(file["part"])[:, :, 0]
            layout[:, :3, 1] = h5py.VirtualSource(file["part"])[:, :3, 1]
            layout[:, :, 2] = h5py.VirtualSource(file["part"])[:, :, 2]
            data = file.create_virtual_dataset(f"{DETECTOR}/data", layout)
        else:
            data = file.create_dataset(f"{DETECTOR}/data", stored.shape, "u2", chunks=(4, 3, 1))
            data[:, :, 0], data[:, :3, 1] = stored[:, :, 0], stored[:, :3, 1]
            data[:, :, 2] = stored[:, :, 2]
        data.attrs["axes"] = "y:x:experiment_identifier"
    index = build_index(str(tmp_path / "run.cxi"))
    assert index.flags.tolist() == [0, INCOMPLETE, 0]
    first, second, third = (index.read(pid) for pid in index.pids)
    assert second.mask is not None
    assert np.array_equal(second.mask, np.tile(np.arange(6) >= 3, (4, 1)))
    assert [str(one) for one in second.exclusions] == ["what was never written excludes 12 pixels"]
    for event in (first, third):
        assert event.mask is None or not event.mask.any()


def test_mask_without_the_axis_of_a_single_module(tmp_path: Path) -> None:
    """Frames (events, 1, rows, columns) are images, and so is their mask."""
    with cxi(tmp_path / "run.cxi", data=FRAMES[:, None], mask=GAP) as file:
        axes = "experiment_identifier:module_identifier:y:x"
        file[f"{DETECTOR}/data"].attrs["axes"] = axes
    for event, frame in zip(events(tmp_path / "run.cxi"), FRAMES, strict=True):
        assert np.array_equal(event.data, frame)
        assert np.array_equal(event.mask, GAP != 0)


def master(path: Path, mask: np.ndarray, definition: object = b"NXmx") -> Path:
    """A NeXus master with one data file."""
    with h5py.File(path.with_name("run_data_000001.h5"), "w") as file:
        file["entry/data/data"] = FRAMES
    with h5py.File(path, "w") as file:
        file["entry/definition"] = definition
        file["entry/data/data_000001"] = h5py.ExternalLink("run_data_000001.h5", "/entry/data/data")
        file["entry/instrument/detector/pixel_mask"] = mask
    return path


def test_pixel_mask_of_each_frame(tmp_path: Path) -> None:
    """NXmx allows a mask for every frame."""
    masks = np.zeros((3, 4, 6), np.uint32)
    masks[[0, 1, 2], [0, 1, 2]] = 1
    for event, mask in zip(events(master(tmp_path / "m.h5", masks)), masks, strict=True):
        assert np.array_equal(event.mask, mask != 0)
    for event in events(master(tmp_path / "one.h5", masks[:1])):
        assert np.array_equal(event.mask, masks[0] != 0)
    with pytest.raises(SourceError, match=r"pixel mask .* does not fit"):
        build_index(str(master(tmp_path / "few.h5", masks[:2])))


def test_virtual_nexus_with_text_in_an_array(tmp_path: Path) -> None:
    """A definition that is an array of one text is understood."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["entry/definition"] = np.array([b"NXmx"])
        file["entry/data/data"] = FRAMES
        file["entry/instrument/detector/pixel_mask"] = GAP
    (event, *_) = events(tmp_path / "m.h5")
    assert np.array_equal(event.mask, GAP != 0)


@pytest.mark.parametrize("link", [True, False])
def test_nexus_groups_by_their_class(tmp_path: Path, link: bool) -> None:
    """An entry and an instrument of any names are known by NX_class, as NeXus has it."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        entry = file.create_group("scan_1")
        entry["definition"] = b"NXmx"
        detector = entry.create_group("BL93/PILATUS")
        detector["pixel_mask"] = GAP
        entry.attrs["NX_class"], entry["BL93"].attrs["NX_class"] = "NXentry", b"NXinstrument"
        detector["data"] = FRAMES
        entry["data/data"] = h5py.SoftLink("/scan_1/BL93/PILATUS/data") if link else FRAMES
    for event in events(tmp_path / "m.h5"):
        assert np.array_equal(event.mask, GAP != 0)


@pytest.mark.parametrize("other", ["entry/instrument/detector_b", "entry_2/instrument/detector"])
def test_masks_of_other_detectors(tmp_path: Path, other: str) -> None:
    """Those of another detector, or of another entry, say nothing of the frames."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["entry/definition"] = b"NXmx"
        for place, mask in (("entry/instrument/detector_a", GAP), (other, np.ones_like(GAP))):
            file[f"{place}/data"], file[f"{place}/pixel_mask"] = FRAMES, mask
            file[f"{place}/saturation_value"] = 0.5 if place == other else 1000.0
        file["entry/data/data"] = h5py.SoftLink("/entry/instrument/detector_a/data")
        file.move("entry/instrument/detector_a/pixel_mask", "entry/instrument/masks/pixel_mask")
    for event in events(tmp_path / "m.h5"):
        assert np.array_equal(event.mask, GAP != 0)


@pytest.mark.parametrize("leading", [(1,), (1, 1)])
def test_pixel_mask_with_axes_of_one(tmp_path: Path, leading: tuple[int, ...]) -> None:
    """Axes in front that have a single place mean nothing: the mask is that of all frames."""
    for event in events(master(tmp_path / "m.h5", GAP.reshape(*leading, *GAP.shape))):
        assert np.array_equal(event.mask, GAP != 0)


def test_one_threshold(tmp_path: Path) -> None:
    """Frames (n, 1, rows, columns) of one energy threshold are images; of several are refused."""
    for count in (1, 2):
        with h5py.File(tmp_path / f"{count}.h5", "w") as file:
            file["entry/definition"] = b"NXmx"
            file["entry/data/data"] = np.repeat(FRAMES[:, None], count, axis=1)
    assert np.array_equal([event.data for event in events(tmp_path / "1.h5")], FRAMES)
    with pytest.raises(SourceError, match="2 energy thresholds"):
        build_index(str(tmp_path / "2.h5"))


def test_stack_in_plain_hdf5(tmp_path: Path) -> None:
    """Four axes are (events, modules, rows, columns); one module is an image."""
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["one"] = FRAMES[:, None]
    assert np.array_equal(
        [event.data for event in events(tmp_path / "run.h5", dataset="one")], FRAMES
    )
