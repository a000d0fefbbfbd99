"""CrystFEL's flag values: raw values that exclude pixels, panel by panel."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from spring_mpi.errors import SourceError
from spring_mpi.events import build_index
from spring_mpi.events.event import Event, Exclusion
from spring_mpi.events.formats.limits import as_limit
from spring_mpi.events.formats.reader import Frame
from spring_mpi.events.geometry import Geometry, GeometrySpec, read_geometry
from spring_mpi.events.reading.calibration import Calibration
from spring_mpi.events.reading.calibrator import Calibrator
from spring_mpi.events.reading.loader import Loader
from spring_mpi.events.reading.stacking import assembled

PANEL = """\
{name}/min_fs = 0
{name}/max_fs = 3
{name}/min_ss = {start}
{name}/max_ss = {last}
{name}/corner_x = 2
{name}/corner_y = {corner}
{name}/fs = -x
{name}/ss = -y
"""
A = PANEL.format(name="a", start=0, last=1, corner=2)
B = PANEL.format(name="b", start=2, last=3, corner=0)
FRAME = np.arange(16, dtype=np.int32).reshape(4, 4)
"""The image of panels a and b is the frame itself."""


def geometry(folder: Path, *parts: str) -> Geometry:
    """The geometry in a new file of these parts."""
    (folder / "g.geom").write_text("clen = 1\nres = 10000\n" + "\n".join(parts))
    return read_geometry(GeometrySpec(str(folder / "g.geom")))


def excluded(frame: NDArray[np.generic], used: Geometry) -> list[int]:
    """Numbers of the pixels that are excluded."""
    mask = assembled(Frame(frame), used).mask
    assert mask is not None
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flag_lessthan = 2", [0, 1]),
        ("flag_morethan = 13", [14, 15]),
        ("flag_equal = 7", [7]),
        ("flag_equal = 7.0 ; a comment", [7]),
        ("flag_equal = 0x7", [7]),
        ("flag_equal = 7.5", []),
        ("flag_morethan = 13.5", [14, 15]),
        ("flag_morethan = 4294967294", []),
        ("flag_lessthan = -1e30", []),
        ("max_adu = 13", [14, 15]),
        ("flag_equal = 3\nflag_equal = 5\nflag_morethan = 14", [3, 5, 15]),
    ],
)
def test_flags_of_all_panels(tmp_path: Path, line: str, expected: list[int]) -> None:
    """Comparisons are strict, and every line counts, also several of a kind."""
    assert excluded(FRAME, geometry(tmp_path, line, A, B)) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((A, "flag_morethan = 4", B), [8, 9, 10, 11, 12, 13, 14, 15]),
        (("flag_lessthan = 1", A, B, "b/flag_equal = 12"), [0, 12]),
        ((A, B, "a/flag_equal = 12"), []),
        ((A, B, "a/flag_morethan = 5", "b/flag_morethan = 13"), [6, 7, 14, 15]),
        ((A, B, "flag_lessthan = 99"), []),
        (("max_adu = 6", A, B, "b/max_adu = 14"), [7, 15]),
    ],
)
def test_flags_of_single_panels(
    tmp_path: Path, parts: tuple[str, ...], expected: list[int]
) -> None:
    """A panel takes what holds where it is first named, and adds its own; others are untouched."""
    assert excluded(FRAME, geometry(tmp_path, *parts)) == expected


@pytest.mark.parametrize("kind", ["u2", "u4", "u8", "i4", "f4", "f8", ">u4", ">f4"])
def test_largest_values(tmp_path: Path, kind: str) -> None:
    """The comparison is exact, also beside types that have fewer digits."""
    frame = FRAME.astype(kind)
    largest = np.iinfo(kind).max if np.dtype(kind).kind in "iu" else 2**32
    frame[1, 2] = largest
    assert excluded(frame, geometry(tmp_path, f"flag_morethan = {largest - 1}", A, B)) == [6]
    assert excluded(frame, geometry(tmp_path, f"flag_morethan = {largest}", A, B)) == []
    assert excluded(frame, geometry(tmp_path, f"flag_equal = {largest}", A, B)) == [6]


def test_not_a_number_is_no_value() -> None:
    """What is not finite is excluded elsewhere; no flag speaks of it."""
    values = np.array([np.nan, 1.0], np.float32)
    for relation, expected in (("<", [False, True]), (">", [False, False]), ("=", [False, False])):
        assert as_limit(relation, 2).excluded(values).tolist() == expected


def test_told(tmp_path: Path) -> None:
    """Each key is told with its value and pixels; modules that are missing do not count."""
    flags = "flag_lessthan = 1\nflag_morethan = 14\nflag_morethan = 200"
    modules = "dim1 = ss\ndim2 = fs\na/dim0 = 0\nb/dim0 = 1"
    second = B.replace("min_ss = 2", "min_ss = 0").replace("max_ss = 3", "max_ss = 1")
    stacked = geometry(tmp_path, flags, modules, A, second)
    frame = Frame(FRAME.reshape(2, 2, 4)[1:], info={"modules": (1,)})
    assert assembled(frame, stacked).exclusions[1:] == (
        Exclusion("the geometry's flag_lessthan (< 1)", 0),
        Exclusion("the geometry's flag_morethan (> 14, 2 different ones)", 1),
    )


def test_whole_way(tmp_path: Path) -> None:
    """Events that are read with the geometry have the flagged pixels in their masks."""
    np.save(tmp_path / "run.npy", np.stack([FRAME, FRAME + 1]))
    index = build_index(str(tmp_path / "run.npy"))
    with Loader() as loader:
        used = geometry(tmp_path, "flag_morethan = 14", A, B)
        events: list[Event] = list(loader.read_many(map(index.ref, (0, 1)), used))
    masks = [np.zeros(0) if event.mask is None else event.mask for event in events]
    assert [np.flatnonzero(mask).tolist() for mask in masks] == [[15], [14, 15]]
    assert [event.exclusions[-1].pixels for event in events] == [1, 2]


def test_saturation_map_is_told(tmp_path: Path) -> None:
    """What is not read is said with what to do."""
    used = geometry(tmp_path, "saturation_map = /data/saturation", A, B)
    told = str(assembled(Frame(FRAME), used).exclusions[-1])
    assert "saturation_map" in told
    assert "pattern.satvalue" in told


@pytest.mark.parametrize("value", ["", "nan", "many", "1 2"])
def test_wrong_values(tmp_path: Path, value: str) -> None:
    """What is no number is an error that names the line."""
    with pytest.raises(SourceError, match="line 3: flag_equal must be a number"):
        geometry(tmp_path, f"flag_equal = {value}", A, B)


@pytest.mark.parametrize(("value", "is_bad"), [("2", True), ("FALSE", False), ("True", True)])
def test_no_index(tmp_path: Path, value: str, is_bad: bool) -> None:
    """A panel is bad if ``no_index`` is true or any number but 0."""
    assert bool(excluded(FRAME, geometry(tmp_path, A, B, f"a/no_index = {value}"))) == is_bad


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 4)])
def test_mask_of_one_panel(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """A mask that one panel names excludes pixels of that panel only."""
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["mask"] = np.eye(4, dtype=np.uint8).reshape(shape)
    np.save(tmp_path / "run.npy", FRAME[None])
    ref = build_index(str(tmp_path / "run.npy")).ref(0)
    own = "b/mask = /mask\nb/mask_file = bad.h5\nb/mask_bad = 1"
    geometry(tmp_path, A, B, own)
    with Loader() as loader:
        used = Calibration(geometry=GeometrySpec(str(tmp_path / "g.geom")))
        calibrator = Calibrator(used, loader)
        event = loader.read(ref, calibrator.geometry)
        mask, exclusions = calibrator.masked(ref, event)
    assert np.flatnonzero(mask).tolist() == [10, 15]
    assert exclusions[-1].pixels == 2


@pytest.mark.parametrize("line", ["flag_equal = 3", "mask0_data = /m", "max_adu = 7"])
def test_lines_after_all_panels_are_told(tmp_path: Path, line: str) -> None:
    """As in CrystFEL they hold for the panels that begin after them, here for none."""
    used = geometry(tmp_path, A, B, line)
    assert excluded(FRAME, used) == []
    told = assembled(Frame(FRAME), used).exclusions[-1]
    assert told.origin.startswith(f"the geometry's {line.partition(' ')[0]} in line ")
    assert told.remark.startswith("it holds for no panel")
    assert not geometry(tmp_path, A, "flag_equal = 99", B).unread
