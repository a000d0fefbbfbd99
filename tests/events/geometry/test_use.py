"""From a stack in a file to a pattern: frames, masks and calibrations pass through the geometry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.campaign.recipe import calibration_of
from spring_mpi.config.config import dump_config, load_config
from spring_mpi.errors import ConfigError, PatternError, SourceError
from spring_mpi.events import EventRef, Loader, build_index
from spring_mpi.events.formats.reader import Frame
from spring_mpi.events.geometry import Geometry, GeometrySpec, read_geometry
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.calibrator import Calibrator
from spring_mpi.events.reading.preparation import Preparer
from spring_mpi.events.reading.stacking import assembled
from spring_mpi.events.specs import ArraySpec, MaskSpec

# Two modules of 4 x 6 pixels of 0.1 mm in one slab, one above and one below the beam.
GEOM = """\
res = 10000
dim0 = %
dim1 = ss
dim2 = fs
a/min_fs = 0
a/max_fs = 5
a/min_ss = 0
a/max_ss = 3
a/fs = -x
a/ss = -y
a/corner_x = 3
a/corner_y = 5
b/min_fs = 0
b/max_fs = 5
b/min_ss = 4
b/max_ss = 7
b/fs = -x
b/ss = -y
b/corner_x = 3
b/corner_y = -1
bad_one/min_fs = 5
bad_one/max_fs = 5
bad_one/min_ss = 0
bad_one/max_ss = 0
"""
IN_MODULES = GEOM.replace("dim1 = ss\ndim2 = fs\n", "dim2 = ss\ndim3 = fs\n").replace(
    "a/min_fs", "a/dim1 = 0\na/min_fs"
).replace("b/min_fs", "b/dim1 = 1\nb/min_fs").replace("min_ss = 4", "min_ss = 0").replace(
    "max_ss = 7", "max_ss = 3"
)  # fmt: skip
HOLES = np.array([False] * 4 + [True] * 2 + [False] * 4)
STACK = np.arange(1, 49).reshape(2, 4, 6)


def image_of(stack: NDArray[Any]) -> NDArray[Any]:
    """The image by hand: module 0, two empty rows, module 1."""
    return np.concatenate([stack[0], np.zeros((2, 6), stack.dtype), stack[1]])


@pytest.fixture
def stacked(tmp_path: Path) -> Geometry:
    """The geometry of a stack of two modules."""
    return read_geometry(spec(tmp_path, IN_MODULES))


def spec(folder: Path, text: str = GEOM, name: str = "g.geom") -> GeometrySpec:
    """The geometry in a new file of that text."""
    (folder / name).write_text(text)
    return GeometrySpec(str(folder / name))


def test_frames_are_assembled(stacked: Geometry) -> None:
    """Image, holes, the frame's own mask and the beam; the rest stays."""
    own = STACK == 30
    frame = assembled(Frame(STACK, own, (1.0, 1.0), {"gain": 2}), stacked)
    assert frame.data.tolist() == image_of(STACK).tolist()
    expected = image_of(own)
    expected[HOLES] = True
    expected[0, 5] = True
    assert frame.mask is not None
    assert frame.mask.tolist() == expected.tolist()
    assert frame.center == pytest.approx((4.5, 2.5), abs=1e-3)
    assert frame.info == {"gain": 2}


@pytest.mark.parametrize("plane", [STACK[1:], STACK[1]], ids=["stack", "plane"])
def test_frames_of_some_modules(stacked: Geometry, plane: NDArray[Any]) -> None:
    """The numbers of the planes come with the frame; a missing module is masked."""
    frame = assembled(Frame(plane, plane == 30, info={"modules": (1,)}), stacked)
    assert frame.data.tolist() == image_of(STACK * [[[0]], [[1]]]).tolist()
    assert frame.mask is not None
    assert frame.mask[:6].all()
    assert frame.mask[6:].sum() == 1


@pytest.mark.parametrize("first", [None, 4])
def test_modules_are_counted_from_the_first_one(stacked: Geometry, first: int | None) -> None:
    """The reader says which number is that of the first panel; what the user says comes first."""
    geometry, said = replace(stacked, first_module=first), 1 if first is None else 7
    numbers = (1, 2) if first is None else (4, 5)
    frame = assembled(Frame(STACK, info={"modules": numbers, "first_module": said}), geometry)
    assert frame.data.tolist() == image_of(STACK).tolist()


@pytest.mark.parametrize("numbers", [(0, 1), (2, 3)])
def test_modules_never_land_on_the_panels_of_others(
    stacked: Geometry, numbers: tuple[int, int]
) -> None:
    """A number that no panel has is refused, with what to say if it is another counting."""
    frame = Frame(STACK, info={"modules": numbers, "first_module": 1})
    with pytest.raises(PatternError, match=r"has the modules 1 to 2; .* first_module: N"):
        assembled(frame, stacked)


@pytest.fixture
def ref(tmp_path: Path) -> EventRef:
    """Row 1 of three slabs of 8 x 6 pixels."""
    slabs = np.arange(3)[:, None, None] * 100 + STACK.reshape(8, 6)
    np.save(tmp_path / "run.npy", slabs)
    return build_index(tmp_path / "run.npy").ref(1)


def test_loader_assembles(ref: EventRef, tmp_path: Path) -> None:
    """With a geometry an event is the image, without one the slab."""
    loader = Loader()
    geometry = read_geometry(spec(tmp_path))
    event = loader.read(ref, geometry)
    assert event.data[~HOLES].tolist() == (image_of(STACK) + 100)[~HOLES].tolist()
    assert event.center == geometry.center
    assert loader.read(ref).data.tolist() == (STACK.reshape(8, 6) + 100).tolist()


def test_wrong_geometry(ref: EventRef, tmp_path: Path) -> None:
    """A geometry of a larger detector is an error that names the event and both shapes."""
    geometry = read_geometry(spec(tmp_path, GEOM.replace("max_fs = 5", "max_fs = 7")))
    with pytest.raises(PatternError, match=r"event 0-1 of .*run\.npy: .*\(1, 8, 6\).*\(1, 8, 8\)"):
        Loader().read(ref, geometry)


def calibrator(folder: Path, text: str = IN_MODULES, **specs: Any) -> Calibrator:
    """A calibrator for that geometry."""
    return Calibrator(Calibration(geometry=spec(folder, text), **specs), Loader())


@pytest.mark.parametrize("shape", [(2, 4, 6), (10, 6)])
def test_arrays_are_stacks_or_images(ref: EventRef, tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A mask, a background or a gain has the shape of the stack or that of the image."""
    values = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    wanted = image_of(values) if len(shape) == 3 else values
    np.save(tmp_path / "a.npy", values)
    file = str(tmp_path / "a.npy")
    made = calibrator(
        tmp_path,
        background=ArraySpec(file=file),
        gain=ArraySpec(file=file),
        masks=(MaskSpec(file=file, bad=40),),
    )
    event = replace(Loader().read(ref), data=np.zeros((10, 6)))
    late = replace(ref, row=1000)
    assert np.asarray(made.background(late, event)).tolist() == wanted.tolist()
    assert np.asarray(made.gain(late, event)).tolist() == wanted.tolist()
    assert made.mask(late, event).tolist() == (wanted == 40).tolist()


def test_stacks_of_events(tmp_path: Path, write_hdf5: Callable[..., Path], ref: EventRef) -> None:
    """A dataset with four axes has one stack for each event."""
    masks = np.stack([STACK, STACK + 1, STACK + 2])
    path = write_hdf5("m.h5", {"masks": masks})
    made = calibrator(tmp_path, masks=(MaskSpec(file=str(path), dataset="masks", bad=10),))
    event = replace(Loader().read(ref), data=np.zeros((10, 6)))
    assert made.mask(ref, event).tolist() == (image_of(STACK + 1) == 10).tolist()


def test_masks_of_the_geometry(
    tmp_path: Path, write_hdf5: Callable[..., Path], ref: EventRef
) -> None:
    """What a .geom file says about masks holds beside the config's."""
    write_hdf5("m.h5", {"mask": STACK})
    text = "mask = /mask\nmask_file = m.h5\nmask_bad = 0x20\n" + IN_MODULES
    event = replace(Loader().read(ref), data=np.zeros((10, 6)))
    found = calibrator(tmp_path, text).mask(ref, event)
    assert found.tolist() == (image_of(STACK) & 32 > 0).tolist()
    (tmp_path / "m.h5").unlink()
    with pytest.raises(SourceError, match=r"mask: no file .*m\.h5"):
        calibrator(tmp_path, text)


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6)])
def test_other_arrays(ref: EventRef, tmp_path: Path, shape: tuple[int, ...]) -> None:
    """What is neither stack nor image is an error with its shape: one module, or too many."""
    np.save(tmp_path / "a.npy", np.zeros(shape))
    made = calibrator(tmp_path, masks=(MaskSpec(file=str(tmp_path / "a.npy"), bad=1),))
    event = replace(Loader().read(ref), data=np.zeros((10, 6)))
    with pytest.raises(PatternError, match=r"a\.npy has the shape \((3, )?4, 6\).*\(10, 6\)"):
        made.mask(ref, event)


def test_description(stacked: Geometry) -> None:
    """In one line, for --check: the stack, the image, the beam, and what was lost."""
    assert str(stacked) == (
        "2 x 4 x 6 pixels make an image of 10 x 6, with the beam at (4.5, 2.5); "
        "0 pixels find no place of their own"
    )


def test_config(tmp_path: Path, ref: EventRef) -> None:
    """A path from data.root, or a mapping with quadrants; written and read back equal."""
    text = "name: a\ndata: {{source: run.npy, geometry: {}}}\npattern: {{cropsize: 4}}\n"
    config = tmp_path / "c.yaml"
    config.write_text(text.format("g.geom"))
    loaded = load_config(config)
    assert calibration_of(loaded).geometry == GeometrySpec(str(tmp_path / "g.geom"))
    config.write_text(text.format("{file: g.h5, quadrants: [[1, 2], [3, 4], [5, 6], [7, -8.5]]}"))
    loaded = load_config(config)
    assert loaded.data.geometry is not None
    assert loaded.data.geometry.quadrants == ((1, 2), (3, 4), (5, 6), (7, -8.5))
    config.write_text(dump_config(loaded))
    assert load_config(config) == loaded


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{quadrants: [[1, 2]]}", "geometry.file: is missing: path of the geometry file"),
        ("{file: g, quadrants: [[1, 2]]}", "geometry: must have 4 quadrants .x, y., not 1"),
        ("7", "geometry: must be text, not 7"),
    ],
)
def test_wrong_config(tmp_path: Path, value: str, message: str) -> None:
    """What is wrong is told with its place."""
    (tmp_path / "c.yaml").write_text(
        f"name: a\ndata: {{source: run.npy, geometry: {value}}}\npattern: {{cropsize: 4}}\n"
    )
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "c.yaml")


def test_a_pattern_is_of_the_image(ref: EventRef, tmp_path: Path) -> None:
    """The pattern of an event is made of the assembled frame, without its holes, about the beam."""
    calibration = Calibration(geometry=spec(tmp_path))
    with Preparer() as preparer:
        pattern = preparer.prepare(ref, calibration, cropsize=8, size=8).pattern
    assert pattern.raw[~HOLES].tolist() == (image_of(STACK) + 100)[~HOLES].tolist()
    assert np.flatnonzero(pattern.excluded).tolist() == [5, *range(24, 36)]
    assert pattern.center == pytest.approx((4.5, 2.5), abs=1e-3)
